import Dispatch
import Linux
import Synchronization
import SystemPackage

/// Does pieces of work at the same time, as many as there are processors. When one has failed no other is begun; what
/// is under way is done when it comes back, and the error of the first one that failed, by number, is thrown.
func sideBySide(
    _ count: Int, _ body: @escaping @Sendable (Int) throws(ImageError) -> Void
) throws(ImageError) {
    if count < 2 {
        if count == 1 { try body(0) }
        return
    }
    try kernel { () throws(SysError) in try checkSpareDescriptors(16) }
    let failures = Mutex<[Int: ImageError]>([:])
    DispatchQueue.concurrentPerform(iterations: count) { number in
        guard failures.withLock(\.isEmpty) else { return }
        do throws(ImageError) { try body(number) } catch {
            failures.withLock { $0[number] = error }
        }
    }
    if let first = failures.withLock({ $0.min { $0.key < $1.key } }) { throw first.value }
}

/// Without descriptors for its threads libdispatch ends the process (SIGILL); an error is better.
private func checkSpareDescriptors(_ number: Int) throws(SysError) {
    if number == 0 { return }
    let spare = try FD.open("/dev/null", .path)
    try checkSpareDescriptors(number - 1)
    withExtendedLifetime(spare) {}
}

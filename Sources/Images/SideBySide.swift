import Dispatch
import Synchronization

/// Does pieces of work at the same time, as many as there are processors. All are done when it comes back; the error of
/// the first one that failed, by number, is thrown.
func sideBySide(
    _ count: Int, _ body: @escaping @Sendable (Int) throws(ImageError) -> Void
) throws(ImageError) {
    let failures = Mutex<[Int: ImageError]>([:])
    DispatchQueue.concurrentPerform(iterations: count) { number in
        do throws(ImageError) { try body(number) } catch {
            failures.withLock { $0[number] = error }
        }
    }
    if let first = failures.withLock({ $0.min { $0.key < $1.key } }) { throw first.value }
}

public import Linux
import SystemPackage

/// Where a created container waits for `start`: two FIFOs of its state directory. The child only reads and writes
/// them, calls that every seccomp profile has. It opened both before it lost sight of the host, and its exec closes
/// them: that is how `start` knows that the exec happened, and why not when it did not.
public final class StartGate {
    /// There as long as the container has not been started (runc's name for it).
    static let go: FilePath = "exec.fifo"
    static let result: FilePath = "exec.result"
    private let go: FD
    private let result: FD

    /// Makes and opens the FIFOs. Open for both directions, a read waits for bytes and not for a writer, and a write
    /// needs no reader.
    public init(in directory: borrowing FD) throws(SysError) {
        for name in [Self.go, Self.result] { try directory.makeNode(name, type: .fifo, mode: 0o600) }
        go = try directory.open(Self.go, .readWrite)
        result = try directory.open(Self.result, .readWrite)
    }

    var descriptors: [CInt] { [go.raw, result.raw] }

    func awaitRelease() throws(SysError) {
        _ = try go.readSome(limit: 1)
    }

    func report(_ failure: SyncMessage) {
        try? result.writeAll(failure.bytes)  // `start` may have been killed
    }

    /// Whether the container of this state directory still waits.
    static func isClosed(in directory: borrowing FD) -> Bool {
        // A directory that cannot be read holds no waiting one.
        ((try? directory.status(of: go)) ?? nil) != nil
    }

    /// Lets the container go and waits for its exec.
    static func release(in directory: borrowing FD) throws(RuntimeError) {
        let answer: [UInt8]
        do throws(SysError) {
            let result = try directory.open(result, [.readOnly, .nonBlocking])
            // ENXIO: nobody reads, so the process that waited is dead.
            let go = try directory.open(go, [.writeOnly, .nonBlocking])
            Signal.ignorePipe()  // it may die just now: EPIPE says so
            try go.writeAll([0])
            answer = try awaitEnd(of: result)
            for name in [Self.go, Self.result] { try directory.remove(name) }
        } catch {
            throw RuntimeError("cannot start a container that has stopped (\(error))")
        }
        if let failure = failure(answer) { throw failure }
    }

    /// What the process left behind: nothing when its exec closed the FIFO.
    static func failure(_ answer: [UInt8]) -> RuntimeError? {
        guard !answer.isEmpty else { return nil }
        guard case .failed(let errno, let isExec, let text) = SyncMessage(answer) else {
            return RuntimeError("unable to start container process: it says what does not fit")
        }
        return startError(errno: errno, isExec: isExec, text)
    }

    /// All that is said until the exec, not more than one message.
    static func awaitEnd(of result: borrowing FD) throws(SysError) -> [UInt8] {
        var answer: [UInt8] = []
        var poll = Poll()
        poll.add(result, .readable)
        while true {
            _ = try poll.wait(milliseconds: -1)
            if poll[0].contains(.readable) {
                let bytes = try result.readSome(limit: 4096)
                if bytes.isEmpty || answer.count >= 4096 { return answer }
                answer += bytes
            } else if poll[0].contains(.hungUp) {
                return answer
            }
        }
    }
}

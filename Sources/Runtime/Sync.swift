import Linux
import SystemPackage

//   parent                                   child
//     | --- clone3 --------------------------> |
//     | ids, a cgroup of systemd's             |
//     | --- placed --------------------------> |   only when the child needs them from the start
//     | network                                | mounts, devices, terminal
//     | <------------- request (which tree) -- |   only for binds that the child may not make
//     | --- tree (descriptor) ---------------> |
//     | <------------- console (descriptor) -- |   only with a terminal
//     | <----------------------------- rooted -|   only when hooks wait for it
//     | hooks                                  |
//     | --- go ------------------------------> |
//     |                                        | pivot, user, capabilities, seccomp
//     | <-- listener (a number) -------------- |   only with a seccomp supervisor
//     | --- go ------------------------------> |
//     | <-- failed(step, errno, words) ------- |   or
//     | <-- ready ---------------------------- |   it waits for `start` (StartGate), or
//     | <-- end of file: the exec closed it -- |
//
// One seqpacket socket. End of file at any other place means that the other side died.

/// What one side tells the other while a container is being made.
enum SyncMessage: Equatable, Sendable {
    case console
    case go
    /// The number of a filter's descriptor in the child, which waits for `go`.
    case listener(CInt)
    case placed
    /// For one of the plan's requested trees, by its number there.
    case request(UInt32)
    case tree
    case rooted
    case ready
    case failed(errno: Int32, isExec: Bool, text: String)

    static let listenerTag: UInt8 = 6
    private static let requestTag: UInt8 = 8

    var bytes: [UInt8] {
        switch self {
        case .console: return [1]
        case .go: return [2]
        case .listener(let number): return [Self.listenerTag] + withUnsafeBytes(of: number) { Array($0) }
        case .rooted: return [4]
        case .placed: return [7]
        case .request(let number): return [Self.requestTag] + withUnsafeBytes(of: number) { Array($0) }
        case .tree: return [9]
        case .ready: return [5]
        case .failed(let errno, let isExec, let text):
            return [3, UInt8(clamping: errno), isExec ? 1 : 0] + Array(text.utf8.prefix(3900))
        }
    }

    /// Nil for an empty message, which is the other side's end, and for what is none of ours to the last byte.
    init?(_ bytes: [UInt8]) {
        switch bytes.first {
        case 1 where bytes.count == 1: self = .console
        case 2 where bytes.count == 1: self = .go
        case Self.listenerTag where bytes.count == 5:
            self = .listener(bytes[1...].withUnsafeBytes { $0.loadUnaligned(as: CInt.self) })
        case 4 where bytes.count == 1: self = .rooted
        case 7 where bytes.count == 1: self = .placed
        case Self.requestTag where bytes.count == 5:
            self = .request(bytes[1...].withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) })
        case 9 where bytes.count == 1: self = .tree
        case 5 where bytes.count == 1: self = .ready
        case 3 where bytes.count >= 3:
            self = .failed(
                errno: Int32(bytes[1]), isExec: bytes[2] == 1,
                text: String(decoding: bytes[3...], as: UTF8.self))
        default: return nil
        }
    }
}

extension FD {
    /// Says a word to the other side. One that died has said why, or its end says it.
    func tell(_ message: SyncMessage) throws(RuntimeError) {
        do throws(SysError) { _ = try sendMessage(message.bytes) } catch {
            guard error.errno != .brokenPipe, error.errno != .connectionReset else { return }
            throw RuntimeError("unable to start container process: \(error)")
        }
    }
}

extension Errno {
    /// ELIBACC: a program is there, and what it needs to run, a script's interpreter for one, is not.
    static let libraryUnavailable = Errno(rawValue: 79)
}

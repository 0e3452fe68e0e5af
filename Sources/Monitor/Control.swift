/// What a command wants of a container's monitor beyond its streams. The answer is `done`, or `failed` with the reason.
public enum ControlRequest: Equatable, Sendable {
    /// The end that comes is wanted: no policy restarts the container. One that stands still goes on, to end. Who asks
    /// stays connected until then, and takes the wish back by leaving.
    case stop
    /// The same, and then another start.
    case restart
    /// A signal for the first process; `ends`: and no policy restarts the container afterwards.
    case kill(Int32, ends: Bool)
    case pause
    case unpause
    /// The request has been rewritten: its restart policy, limits and name count from now on.
    case reload
    /// The published ports of another container, by its id, lead to this one from now on.
    case takePorts(of: String)
    /// All processes stand still until who asks leaves: a command that is killed leaves no container so.
    case hold

    var bytes: [UInt8] {
        switch self {
        case .stop: [0]
        case .restart: [1]
        case .pause: [2]
        case .unpause: [3]
        case .reload: [4]
        case .takePorts(let id): [6] + Array(id.utf8)
        case .hold: [7]
        case .kill(let signal, let ends): [5, UInt8(clamping: signal), ends ? 1 : 0]
        }
    }

    init?(_ bytes: [UInt8]) {
        switch (bytes.first, bytes.count) {
        case (0, 1): self = .stop
        case (1, 1): self = .restart
        case (2, 1): self = .pause
        case (3, 1): self = .unpause
        case (4, 1): self = .reload
        case (7, 1): self = .hold
        case (6, 2...): self = .takePorts(of: String(decoding: bytes.dropFirst(), as: UTF8.self))
        case (5, 3) where (1...64).contains(bytes[1]) && bytes[2] < 2:
            self = .kill(Int32(bytes[1]), ends: bytes[2] == 1)
        default: return nil
        }
    }
}

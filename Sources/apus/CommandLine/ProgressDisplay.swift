import Dispatch
import Engine
import Linux
import OCI
import Synchronization

/// Shows what several transfers are doing: on a terminal each in a line of its own that changes, elsewhere a line for
/// each change, for programs a JSON object in docker's shape.
final class ProgressDisplay: Sendable {
    enum Mode: Equatable, Sendable { case terminal, lines, json, quiet }

    private struct State {
        var ids: [String] = []
        var last: [String: (status: String, shown: Timestamp)] = [:]
    }
    private let target: CInt
    private let mode: Mode
    private let state = Mutex(State())
    /// Nanoseconds between two pictures of one transfer.
    private static let pace: Int64 = 100_000_000

    /// `word`: auto, tty, plain, json or quiet, as of `--progress`.
    init(_ word: String, to target: CInt) throws {
        self.target = target
        switch word {
        case "auto": mode = Terminal.isTerminal(target) ? .terminal : .lines
        case "tty": mode = .terminal
        case "plain": mode = .lines
        case "json": mode = .json
        case "quiet": mode = .quiet
        default:
            throw CommandFailure("invalid progress mode \(word): it is auto, tty, plain, json or quiet")
        }
    }

    /// A line of its own. What is above it stays as it is, and is told anew when it goes on.
    func say(_ text: String, id: String? = nil) {
        state.withLock { state in
            state = State()
            switch mode {
            case .quiet: break
            case .json: write(object(text, id: id, nil))
            case .terminal, .lines: write((id.map { "\($0): " } ?? "") + escapeControls(text) + "\n")
            }
        }
    }

    /// What the transfer `id` does now, and how far it is.
    func show(_ id: String, _ status: String, _ progress: (done: Int64, total: Int64)? = nil) {
        guard mode != .quiet else { return }
        state.withLock { state in
            let now = Timestamp.now()
            let last = state.last[id]
            if let last, last.status == status {
                let age =
                    (now.seconds - last.shown.seconds) * 1_000_000_000
                    + Int64(now.nanoseconds - last.shown.nanoseconds)
                // The end of a transfer is told by another status.
                if progress == nil || age < Self.pace { return }
            }
            state.last[id] = (status, now)
            switch mode {
            case .json: write(object(status, id: id, progress))
            case .lines where last?.status != status: write("\(id): \(status)\n")
            case .terminal: draw(id, "\(id): \(status)" + bar(progress), &state)
            default: break
            }
        }
    }

    // MARK: the terminal

    private func draw(_ id: String, _ text: String, _ state: inout State) {
        guard let at = state.ids.firstIndex(of: id) else {
            state.ids.append(id)
            return write(text + "\n")
        }
        let up = state.ids.count - at
        // What has left the screen cannot be changed any more.
        if up >= Int(Terminal.windowSize(target)?.rows ?? 24) { return }
        write("\u{1b}[\(up)A\r\u{1b}[2K\(text)\r\u{1b}[\(up)B")
    }

    /// ` [====>    ]  1.2MB/3.4MB`, as wide as the terminal allows.
    private func bar(_ progress: (done: Int64, total: Int64)?) -> String {
        guard let (done, total) = progress, total > 0 else { return "" }
        let numbers = "\(Size.human(done))/\(Size.human(total))"
        let width = min(50, Int(Terminal.windowSize(target)?.columns ?? 80) - 50)
        guard width >= 10 else { return "  \(numbers)" }
        let filled = Int(min(done, total) * Int64(width) / total)
        let head = filled < width ? ">" : ""
        let rest = max(0, width - filled - head.count)
        return " [" + String(repeating: "=", count: filled) + head + String(repeating: " ", count: rest)
            + "]  \(numbers)"
    }

    // MARK: programs

    /// What came of a transfer, docker's `aux`.
    func end(_ result: JSON) {
        guard mode == .json else { return }
        write(JSON.fields(["progressDetail": .object([]), "aux": result]).text + "\n")
    }

    /// Does what is shown here. Programs are told of its error, which goes on to stderr and the exit code.
    func telling<R>(_ body: () throws -> R) throws -> R {
        do { return try body() } catch {
            if mode == .json {
                let text = JSON.string("\(error)")
                write(JSON.fields(["errorDetail": .fields(["message": text]), "error": text]).text + "\n")
            }
            throw error
        }
    }

    private func object(_ status: String, id: String?, _ progress: (done: Int64, total: Int64)?) -> String {
        let detail = progress.map { JSON.fields(["current": .int($0.done), "total": .int($0.total)]) }
        let json = JSON.fields([
            "status": .string(status), "progressDetail": detail, "id": id.map(JSON.string),
        ])
        return json.text + "\n"
    }

    private func write(_ text: String) {
        try? Standard.write(Array(text.utf8), to: target)  // the work goes on when nobody looks
    }
}

/// Waits for what is done side by side; the command itself has one thread.
@discardableResult
func waiting<R: Sendable>(for body: @escaping @Sendable () async throws -> R) throws -> R {
    let outcome = Outcome<R>()
    let ended = DispatchSemaphore(value: 0)
    Task.detached {
        let result: Result<R, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        outcome.result.withLock { $0 = result }
        ended.signal()
    }
    ended.wait()
    guard let result = outcome.result.withLock({ $0 }) else { throw CommandFailure("nothing came of it") }
    return try result.get()
}

private final class Outcome<R: Sendable>: Sendable {
    let result = Mutex<Result<R, any Error>?>(nil)
}

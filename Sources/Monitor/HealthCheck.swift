import Linux
import OCI

/// What is known of a container's health, as docker tells it: `State.Health`.
struct HealthRecord: Equatable {
    var status = "starting"
    var failingStreak = 0
    /// The last five checks.
    var log: [JSON] = []

    var json: JSON {
        .fields([
            "Status": .string(status), "FailingStreak": .int(Int64(failingStreak)), "Log": .array(log),
        ])
    }

    init() {}

    init(_ json: JSON) {
        status = json["Status"]?.string ?? status
        failingStreak = Int(clamping: json["FailingStreak"]?.int ?? 0)
        log = json["Log"]?.array ?? []
    }

    /// Takes one check in. A failure in the time of starting counts for nothing, until one has succeeded.
    mutating func take(code: Int32, _ entry: JSON, _ options: HealthOptions, isStarting: Bool) {
        log = Array((log + [entry]).suffix(5))
        if code == 0 {
            (status, failingStreak) = ("healthy", 0)
        } else if !(isStarting && status == "starting") {
            failingStreak += 1
            if failingStreak >= options.retries { status = "unhealthy" }
        }
    }
}

/// A check that is under way: the monitor of its process.
final class RunningCheck {
    let socket: FD
    let process: Pidfd

    init(socket: consuming FD, process: consuming Pidfd) {
        self.socket = socket
        self.process = process
    }
}

/// Checks a container's health now and then, one check at a time: a further process in it, started by a program of its
/// own, for who enters a pid namespace stays in it.
final class HealthCheck {
    /// Of one check's output so much is kept.
    private static let limit = 4096
    private let options: HealthOptions
    private let startedAt: Timestamp
    private let start: () throws -> RunningCheck
    private let isPaused: () -> Bool
    private let report: (HealthRecord) -> Void
    private var record: HealthRecord
    private var running: RunningCheck?
    /// Those whose monitors have said their last word, and are to be reaped.
    private var ended: [RunningCheck] = []
    private var began = Timestamp.zero
    private var output: [UInt8] = []
    private var isLate = false
    /// Of the next check, or of the end of this one.
    private var due = ContinuousClock.now

    init(
        _ options: HealthOptions, _ record: HealthRecord, startedAt: Timestamp,
        start: @escaping () throws -> RunningCheck,
        isPaused: @escaping () -> Bool, report: @escaping (HealthRecord) -> Void
    ) {
        (self.options, self.record, self.startedAt) = (options, record, startedAt)
        (self.start, self.isPaused, self.report) = (start, isPaused, report)
        due = .now + pause
    }

    private var isStarting: Bool {
        Timestamp.now().elapsed(since: startedAt) * 1e9 < Double(options.startPeriod)
    }
    private var pause: Duration {
        .nanoseconds(isStarting && record.status == "starting" ? options.startInterval : options.interval)
    }

    /// How long nothing is to be done unless the check says something.
    var milliseconds: Int32 {
        let left = max(0, min((due - .now) / .milliseconds(1), 3_600_000)).rounded(.up)
        // Those that have ended are reaped any moment now.
        return Int32(ended.isEmpty ? left : min(left, 20))
    }

    /// The container has ended, and with it what is under way.
    func end() {
        if let running {
            _ = try? running.process.send(signal: Signal.kill)  // as above
            ended.append(running)
        }
        running = nil
        for check in ended { _ = try? check.process.reap(wait: true) }  // killed, or about to end: ours
        ended = []
    }

    func add(to poll: inout Poll) -> Int? { running.map { poll.add($0.socket, .readable) } }

    /// Goes on with what is due.
    func step(isReady: Bool) {
        if isReady { listen() }
        // One that has not ended yet is asked again.
        ended.removeAll { ((try? $0.process.reap(wait: false)) ?? nil) != nil }
        guard ContinuousClock.now >= due else { return }
        if running != nil { return endLate() }
        if isPaused() { return due = .now + pause }
        (began, output, isLate) = (.now(), [], false)
        do {
            running = try start()
            due = .now + .nanoseconds(options.timeout)
        } catch {
            output = Array("\(error)".utf8)
            finish(code: -1)
        }
    }

    /// It is killed, and has a moment to end.
    private func endLate() {
        if isLate {
            _ = try? running?.process.send(signal: Signal.kill)  // it may just have ended
            return finish(code: -1)
        }
        isLate = true
        due = .now + .seconds(5)
        // It may just have ended.
        _ = try? running?.socket.sendMessage(ClientMessage.signal(Signal.kill).bytes)
    }

    private func listen() {
        // A check that goes on talking keeps nobody else waiting.
        for _ in 0..<16 {
            guard let running else { return }
            var buffer = [UInt8](repeating: 0, count: MonitorMessage.limit)
            var count: Int? = 0
            buffer.withUnsafeMutableBytes {
                // One that is gone has nothing more to say.
                do { count = try running.socket.receiveMessage(into: $0) } catch { count = 0 }
            }
            guard let count else { return }
            switch MonitorMessage(buffer[..<count]) {
            case .stdout(let bytes), .stderr(let bytes):
                output += bytes.prefix(max(0, Self.limit - output.count))
            case .started, .done, .missed: break
            case .exited(let code): finish(code: code)
            case .failed(_, let text):
                output = Array(text.utf8.prefix(Self.limit))
                finish(code: -1)
            case .detached, nil: finish(code: -1)
            }
        }
    }

    private func finish(code: Int32) {
        if let running { ended.append(running) }
        running = nil
        if isLate {
            let text = "Health check exceeded timeout (\(Double(options.timeout) / 1e9)s)"
            output = Array((String(decoding: output, as: UTF8.self) + text).utf8)
        }
        let code = isLate ? -1 : code
        let entry = JSON.fields([
            "Start": .string(began.rfc3339Nano), "End": .string(Timestamp.now().rfc3339Nano),
            "ExitCode": .int(Int64(code)), "Output": .string(String(decoding: output, as: UTF8.self)),
        ])
        record.take(code: code, entry, options, isStarting: isStarting)
        due = .now + pause
        report(record)
    }
}

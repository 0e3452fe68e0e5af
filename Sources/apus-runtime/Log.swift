import Linux
import OCI
import SystemPackage

/// Where messages go: always to standard error in plain words, and to the file of `--log`, one line each, from which
/// engines take the last error.
final class Log: Sendable {
    enum Format: String { case text, json }
    enum Level: String { case debug, warning, error }

    private let file: FilePath?
    private let format: Format
    private let isVerbose: Bool

    init(file: FilePath?, format: Format, isVerbose: Bool) {
        (self.file, self.format, self.isVerbose) = (file, format, isVerbose)
    }

    func debug(_ message: String) {
        guard isVerbose else { return }
        write(.debug, message, toStandardError: file == nil)
    }

    func warning(_ message: String) { write(.warning, message, toStandardError: file == nil) }

    func error(_ message: String) { write(.error, message, toStandardError: true) }

    private func write(_ level: Level, _ message: String, toStandardError: Bool) {
        if toStandardError {
            Kernel.printError(level == .error ? message : line(level, message))
        }
        guard let file else { return }
        // A log that cannot be written must not hide the message, which is on standard error.
        guard let target = try? FD.open(file, [.writeOnly, .create, .append], mode: 0o644) else {
            if !toStandardError { Kernel.printError(line(level, message)) }
            return
        }
        try? target.writeAll(Array((line(level, message) + "\n").utf8))  // as above
    }

    private func line(_ level: Level, _ message: String) -> String {
        let time = Timestamp.now().rfc3339Nano
        switch format {
        case .json:
            return JSON.fields([
                "level": .string(level.rawValue), "msg": .string(message), "time": .string(time),
            ]).text
        case .text:
            return "time=\"\(time)\" level=\(level.rawValue) msg=\(JSON.string(message).text)"
        }
    }
}

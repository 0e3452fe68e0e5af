// What its name says has no comment.

/// A system call that a fault meets: the `number`th of this name that a thread makes.
public struct CallPoint: Sendable, CustomStringConvertible {
    public let call: String
    public let number: Int
    public var description: String { "\(call) \(number)" }
}

/// The calls that strace wrote into `trace` (with -f and -o) and how often one thread made each of them at most: strace
/// counts for each thread and each call by itself when it is to inject at the nth.
public func countCalls(inTrace trace: String) -> [(name: String, times: Int)] {
    var counts: [String: [String: Int]] = [:]
    for line in (readFile(trace) ?? "").split(separator: "\n") {
        let words = line.split(separator: " ", maxSplits: 1)
        guard words.count == 2, let call = words[1].split(separator: "(").first,
            !words[1].contains(" resumed>"), !words[1].contains("+++")
        else { continue }
        // Short pids are followed by several blanks.
        counts[trimmed(String(call)), default: [:]][String(words[0]), default: 0] += 1
    }
    return counts.map { ($0.key, $0.value.values.max() ?? 0) }.sorted { $0.0 < $1.0 }
}

extension Engine {
    /// Every point of an `apus` command at which one of these calls is made; `calls` nil means any.
    public func points(of arguments: [String], calls: Set<String>) throws -> [CallPoint] {
        let trace = directory + "/trace"
        let outcome = try shell(
            strace("-e signal=none -e trace=\(calls.sorted().joined(separator: ",")) -o \(trace)", arguments))
        guard outcome.code == 0 else { throw Trouble(because: "\(arguments): \(outcome)") }
        return countCalls(inTrace: trace).flatMap { call in
            (1...max(1, call.times)).map { CallPoint(call: call.name, number: $0) }
        }
    }

    /// Runs an `apus` command and injects `fault`, in strace's words (`error=EIO`, `signal=KILL`), at one point.
    public func run(_ arguments: [String], with fault: String, at point: CallPoint) throws -> Outcome {
        let inject = "inject=\(point.call):\(fault):when=\(point.number)"
        return try shell(strace("-e trace=\(point.call) -e \(inject) -o /dev/null", arguments))
    }

    private func strace(_ options: String, _ arguments: [String]) -> String {
        (["strace -f -qq \(options) \(Host.bin)/apus"] + arguments).joined(separator: " ")
    }
}

import Support

/// What is compared of an output: the same text without what no two calls have in common (ids, times, widths of
/// columns) and without what docker says because it has a daemon.
enum Normal {
    static func code(_ answer: Answer) -> [String] { [answer.code] }

    static func out(_ answer: Answer, sorted: Bool) -> [String] {
        let lines = lines(of: answer.out)
        return sorted ? lines.sorted() : lines
    }

    /// docker 20.10 has the usage of a command below a complaint, 28 and apus in other words: its tests are in
    /// ApusTests.
    static func err(_ answer: Answer) -> [String] {
        var kept: [String] = []
        for line in lines(of: answer.err) {
            if line.isEmpty || line.hasPrefix("See 'apus") || line.hasPrefix("Run 'apus") { continue }
            // What the client's own log says beside.
            if line.hasPrefix("time=") { continue }
            if line.hasPrefix("Usage: ") { break }
            kept.append(message(line))
        }
        return kept
    }

    private static func lines(of text: String) -> [String] {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { plain(String($0)) }
        if lines.last == "" { lines.removeLast() }
        return lines
    }

    /// Without ids, times and addresses.
    private static func plain(_ line: String) -> String {
        var line = line
        line.replace(#/\b[0-9a-f]{64}\b/#, with: "<id>")
        line.replace(#/\b[0-9a-f]{12}\b/#, with: "<short>")
        line.replace(
            #/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|[+-]\d\d:?\d\d))?( [A-Z]+)?/#, with: "<time>")
        line.replace(#/(Less than a second|About an? \w+|\d+ \w+) ago/#, with: "<ago>")
        line.replace(#/\bUp (Less than a second|About an? \w+|\d+ \w+)/#, with: "Up <age>")
        line.replace(#/\b172\.\d+\.\d+\.\d+\b/#, with: "<ip>")
        line.replace(#/\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b/#, with: "<mac>")
        line.replace(#/ {2,}|\t+/#, with: "  ")
        line.replace(#/\bdocker\b/#, with: "apus")
        while line.last == " " { line.removeLast() }
        return line
    }

    /// A complaint without who it is from, and without the names of the programs that handed it on.
    private static func message(_ line: String) -> String {
        var line = line
        for prefix in ["apus: ", "Error response from daemon: ", "Error: "] + shims
        where line.hasPrefix(prefix) {
            line.removeFirst(prefix.count)
        }
        for suffix in [".", ": unknown"] where line.hasSuffix(suffix) { line.removeLast(suffix.count) }
        line.replace(#/^"(apus[^"]*)" (requires|accepts)( exactly)?/#) { "'\($0.1)' \($0.2)" }
        return line
    }

    private static let shims = [
        "failed to create shim task: ", "failed to create shim: ", "OCI runtime create failed: ",
        "runc create failed: ", "OCI runtime exec failed: ", "exec failed: ",
        "unable to start container process: ",
    ]
}

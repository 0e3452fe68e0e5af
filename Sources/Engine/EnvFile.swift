/// Variables and labels as they are typed, one by one or in files.
public enum EnvFile {
    /// Parses `--env-file` (and `--label-file`): a variable a line, leading blanks and lines that start with #
    /// left out; quotes and later # belong to the value. `lookUp` finds the client's value of a bare name;
    /// one without a value is left out, as is every bare name when `lookUp` is nil.
    public static func parse(
        _ bytes: [UInt8], path: String, lookUp: ((String) -> String?)?
    ) throws(UsageError) -> [String] {
        var variables: [String] = []
        var content = bytes[...]
        if content.starts(with: [0xef, 0xbb, 0xbf]) { content = content.dropFirst(3) }
        let lines = content.split(separator: 0x0a, omittingEmptySubsequences: false)
        for (index, raw) in lines.enumerated() {
            guard let line = String(validating: raw, as: UTF8.self) else {
                let shown = raw.map(String.init).joined(separator: " ")
                throw UsageError(
                    "invalid env file (\(path)): invalid utf8 bytes at line \(index + 1): [\(shown)]")
            }
            if let variable = try parseLine(line, path: path, lookUp: lookUp) { variables.append(variable) }
        }
        return variables
    }

    private static func parseLine(
        _ line: String, path: String, lookUp: ((String) -> String?)?
    ) throws(UsageError) -> String? {
        var text = Substring(line)
        if text.hasSuffix("\r") { text.removeLast() }
        text = text.drop { $0 == " " || $0 == "\t" }
        if text.isEmpty || text.hasPrefix("#") { return nil }
        let equals = text.firstIndex(of: "=")
        let name = String(text[..<(equals ?? text.endIndex)])
        if name.contains(where: \.isWhitespace) {
            throw UsageError("invalid env file (\(path)): variable '\(name)' contains whitespaces")
        }
        if name.isEmpty { throw UsageError("invalid env file (\(path)): no variable name on line '\(text)'") }
        if equals != nil { return String(text) }
        return lookUp?(name).map { "\(name)=\($0)" }
    }

    /// Parses one `-e`: a bare name takes the client's value, or stays bare and then removes the variable.
    public static func variable(_ text: String, lookUp: (String) -> String?) throws(UsageError) -> String {
        guard !text.isEmpty, !text.hasPrefix("=") else {
            throw UsageError("invalid environment variable: \(text)")
        }
        if text.contains("=") { return text }
        return lookUp(text).map { "\(text)=\($0)" } ?? text
    }

    /// Parses one `-l`: `key` or `key=value`.
    public static func label(_ text: String) throws(UsageError) -> (key: String, value: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        guard let key = parts.first, !key.isEmpty else {
            throw UsageError("invalid label '\(text)': empty name")
        }
        return (key, parts.count == 2 ? parts[1] : "")
    }
}

import Linux
import SystemPackage

/// The host's ps(1), of whose table only the rows of a container's processes are kept, as runc does: the words of its
/// options are the user's. No program of the container's is ever run for it.
public enum HostPS {
    /// The table as it came, its header first.
    public static func rows(of pids: Set<Int32>, options: [String]) throws(RuntimeError) -> String {
        let (header, rows) = try lines(of: pids, try output(options))
        return ([header] + rows).map { $0 + "\n" }.joined()
    }

    /// The words of the header, and as many of each row; the last one keeps its blanks. Asked for these pids alone, as
    /// dockerd does, because without that `-o` shows the own terminal's; some options cannot be used together with it.
    public static func table(
        of pids: Set<Int32>, options: [String]
    ) throws(RuntimeError) -> (titles: [String], rows: [[String]]) {
        let chosen = "-q" + pids.sorted().map(String.init).joined(separator: ",")
        let text: String
        do throws(RuntimeError) { text = try output(options + [chosen]) } catch { text = try output(options) }
        return try table(of: pids, in: text)
    }

    /// The same of a table that is there. Pure.
    public static func table(
        of pids: Set<Int32>, in text: String
    ) throws(RuntimeError) -> (titles: [String], rows: [[String]]) {
        let (header, rows) = try lines(of: pids, text)
        let titles = words(header).map(String.init)
        let cells = rows.map { row -> [String] in
            let all = words(row).map(String.init)
            let (first, last) = (all.prefix(titles.count - 1), all.dropFirst(titles.count - 1))
            return Array(first) + [last.joined(separator: " ")]
        }
        return (titles, cells)
    }

    private static func lines(
        of pids: Set<Int32>, _ text: String
    ) throws(RuntimeError) -> (header: Substring, rows: [Substring]) {
        let lines = text.split(separator: "\n")
        guard let header = lines.first, let column = words(header).firstIndex(of: "PID") else {
            throw RuntimeError("couldn't find PID field in ps output")
        }
        let rows = lines.dropFirst().filter { line in
            let fields = words(line)
            guard fields.indices.contains(column), let pid = Int32(fields[column]) else { return false }
            return pids.contains(pid)
        }
        return (header, rows)
    }

    private static func words(_ line: Substring) -> [Substring] { line.split(whereSeparator: \.isWhitespace) }

    private static func output(_ options: [String]) throws(RuntimeError) -> String {
        do throws(SysError) {
            let pipe = try Pipe()
            let complaint = try FD.inMemory("ps", [])
            let pid = try Process.spawn(
                path: "/bin/ps", arguments: ["ps"] + options,
                environment: ["PATH=/usr/bin:/bin", "LC_ALL=C", "COLUMNS=32768"],
                stdio: [-1, pipe.write.raw, complaint.raw])
            let text = try pipe.takeRead().readAll(limit: 64 << 20)
            if try Process.wait(pid: pid).code == 0 { return String(decoding: text, as: UTF8.self) }
            try complaint.rewind()
            let words = String(decoding: try complaint.readAll(limit: 1 << 20), as: UTF8.self)
            throw SysError(
                call: "ps", subject: words.split(separator: "\n").first.map(String.init) ?? "",
                errno: .invalidArgument)
        } catch {
            throw RuntimeError(error.call == "ps" ? "ps: \(error.subject)" : "unable to run ps: \(error)")
        }
    }
}

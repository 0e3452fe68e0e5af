import Linux
import Runtime
import SystemPackage

/// The host's ps(1), of whose table only the rows of a container's processes are kept, as runc does: the words of its
/// options are the user's.
enum HostPS {
    static func rows(of pids: Set<Int32>, options: [String]) throws(RuntimeError) -> String {
        let lines = try output(options).split(separator: "\n")
        guard let header = lines.first,
            let column = header.split(whereSeparator: \.isWhitespace).firstIndex(of: "PID")
        else { throw RuntimeError("couldn't find PID field in ps output") }
        let rows = lines.dropFirst().filter { line in
            let fields = line.split(whereSeparator: \.isWhitespace)
            guard fields.indices.contains(column), let pid = Int32(fields[column]) else { return false }
            return pids.contains(pid)
        }
        return ([header] + rows).map { $0 + "\n" }.joined()
    }

    private static func output(_ options: [String]) throws(RuntimeError) -> String {
        do throws(SysError) {
            let pipe = try Pipe()
            let pid = try Process.spawn(
                path: "/bin/ps", arguments: ["ps"] + options,
                environment: ["PATH=/usr/bin:/bin", "LC_ALL=C", "COLUMNS=32768"],
                stdio: [-1, pipe.write.raw, -1])
            let text = try pipe.takeRead().readAll(limit: 64 << 20)
            let status = try Process.wait(pid: pid)
            guard status.code == 0 else {
                throw SysError(call: "ps", subject: options.joined(separator: " "), errno: .invalidArgument)
            }
            return String(decoding: text, as: UTF8.self)
        } catch {
            throw RuntimeError("unable to run ps: \(error)")
        }
    }
}

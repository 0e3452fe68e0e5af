import Linux
import Runtime
import SystemPackage

/// What holds for every command.
struct Context {
    /// The directory of all state directories.
    let root: FilePath
    /// By `--root`, not by default.
    let isRootGiven: Bool
    let log: Log
    let cgroupDriver: CgroupDriver
    let arguments: Arguments

    /// The container's id, which nearly every command takes alone.
    func onlyID(_ command: String) throws(RuntimeError) -> String {
        try arguments.positional(1...1, command)[0]
    }

    func path(_ flag: String) -> FilePath? { arguments[flag].map { FilePath($0) } }

    var warn: @Sendable (String) -> Void {
        let log = log
        return { log.warning($0) }
    }
}

/// One command of the command line: name, the words of its usage, flags, and what it does. Answers the exit code.
struct Command: Sendable {
    let name: String
    let usage: String
    let summary: String
    let flags: [Flag]
    let run: @Sendable (Context) throws(RuntimeError) -> Int32

    init(
        _ name: String, _ usage: String, _ summary: String, flags: [String] = [],
        run: @escaping @Sendable (Context) throws(RuntimeError) -> Int32
    ) {
        (self.name, self.usage, self.summary, self.run) = (name, usage, summary, run)
        self.flags = (flags + ["help,h"]).map(Flag.init)
    }

    var help: String {
        let lines = flags.map { flag in
            let names = flag.names.map { $0.count == 1 ? "-\($0)" : "--\($0)" }.joined(separator: ", ")
            return "   " + names + (flag.takesValue ? " VALUE" : "")
        }
        return """
            NAME:
               apus-runtime \(name) - \(summary)

            USAGE:
               apus-runtime \(name) \(usage)

            OPTIONS:
            \(lines.joined(separator: "\n"))

            """
    }
}

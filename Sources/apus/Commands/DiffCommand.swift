import Engine
import Linux

/// `diff`.
enum DiffCommand {
    static let diff = Command(
        "diff", group: "container", "CONTAINER",
        "Inspect changes to files or directories on a container's filesystem", words: 1...1
    ) { arguments, session in
        let containers = try session.containers()
        let lines = try containers.diff(try containers.records.find(arguments.words[0]))
        // A name need not be text: what reads a pipe gets its bytes.
        let isTerminal = Standard.outIsTerminal
        var bytes: [UInt8] = []
        for line in lines {
            bytes += isTerminal ? Array(escapeControls(String(decoding: line, as: UTF8.self)).utf8) : line
            bytes.append(UInt8(ascii: "\n"))
        }
        try Standard.write(bytes, to: 1)
        return 0
    }
}

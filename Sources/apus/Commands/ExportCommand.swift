import Engine
import Linux

/// `export`.
enum ExportCommand {
    static let export = Command(
        "export", group: "container", "CONTAINER", "Export a container's filesystem as a tar archive",
        words: 1...1, flags: [.value("output", "o", "string", "Write to a file, instead of STDOUT")]
    ) { arguments, session in
        let containers = try session.containers()
        try OutputFile.write(arguments.value("output"), "failed to export container") {
            try containers.export(try containers.records.find(arguments.words[0]), to: $0)
        }
        return 0
    }
}

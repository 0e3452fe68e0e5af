import Engine
import OCI

/// `version`, `info` and `completion`.
enum SystemCommands {
    private static let format = Flag.value("format", "f", "string", "Print 'json' or a Go template")

    static let version = Command("version", "", "Show the version", flags: [format]) { arguments, _ in
        let json = VersionView.json(HostInfo(), version: Program.version)
        return try show(json, VersionView.text(json), arguments, zeros: VersionView.zeros)
    }

    static let info = Command("info", group: "system", "", "Display system-wide information", flags: [format])
    {
        arguments, session in
        let containers = try session.containers()
        let (records, damaged) = try containers.records.readAll()
        for line in damaged { Standard.error("WARNING: \(line)") }
        var counts = InfoView.Counts()
        counts.containers = records.count
        counts.paused = records.count { $0.state.isPaused }
        counts.running = records.count { $0.state.isRunning && !$0.state.isPaused }
        counts.images = Set(try session.imagesIfThere()?.list().map(\.id) ?? []).count
        let json = InfoView.json(HostInfo(), paths: containers.paths, version: Program.version, counts)
        return try show(json, InfoView.text(json), arguments)
    }

    static let completion = Command(
        "completion", "bash|zsh|fish", "Print a script that completes commands and names in a shell",
        words: 1...1
    ) { arguments, _ in
        guard let script = Completion.script(for: arguments.words[0], commands: CommandList.all) else {
            throw CommandFailure("no completion for \"\(arguments.words[0])\": use bash, zsh or fish")
        }
        try Standard.out(script)
        return 0
    }

    private static func show(
        _ json: JSON, _ text: String, _ arguments: Arguments, zeros: TemplateZeros = .none
    ) throws -> Int32 {
        switch arguments.value("format") ?? "" {
        case "": try Standard.out(text)
        case "json": try Standard.out(json.text + "\n")
        case let format:
            let template: Template
            do { template = try Template(format) } catch {
                throw CommandFailure.bare("template parsing error: \(error)", code: 64)
            }
            do { try Standard.out(try template.render(json, zeros: zeros) + "\n") } catch {
                throw CommandFailure.bare("template parsing error: \(error)")
            }
        }
        return 0
    }
}

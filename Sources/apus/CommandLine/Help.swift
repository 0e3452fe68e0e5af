/// The texts of --help, in docker's layout.
enum Help {
    /// Of one command.
    static func text(_ command: Command, path: String) -> String {
        var text = "\(command.usageLine(path))\n\n\(command.summary)\n"
        if !command.group.isEmpty {
            var names = command.groupNames.map { "apus \(command.group) \($0)" }
            if !command.name.isEmpty { names.append("apus \(command.name)") }
            if names.count > 1 { text += "\nAliases:\n  \(names.joined(separator: ", "))\n" }
        }
        let flags = command.flags.filter { $0.standing == .works }.sorted { $0.name < $1.name }
        if flags.isEmpty { return text }
        return text + "\nOptions:\n" + options(flags)
    }

    private static func options(_ flags: [Flag]) -> String {
        let left = flags.map { flag -> String in
            let short = flag.short.map { "-\($0), " } ?? "    "
            switch flag.kind {
            case .toggle: return "  \(short)--\(flag.name)"
            case .value(let word), .list(let word): return "  \(short)--\(flag.name) \(word)"
            }
        }
        let indent = (left.map(\.count).max() ?? 0) + 3
        return zip(left, flags).map { name, flag in
            let standard = flag.kind == .toggle(default: true) ? " (default true)" : ""
            let lines = wrap(flag.help + standard, width: max(30, 79 - indent))
            let gap = String(repeating: " ", count: indent - name.count)
            return name + gap + lines.joined(separator: "\n" + String(repeating: " ", count: indent)) + "\n"
        }.joined()
    }

    private static func wrap(_ text: String, width: Int) -> [String] {
        var lines = [""]
        for word in text.split(separator: " ") {
            let last = lines[lines.count - 1]
            if last.isEmpty {
                lines[lines.count - 1] = String(word)
            } else if last.count + 1 + word.count <= width {
                lines[lines.count - 1] += " \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }

    /// Of the program; `commands` in the order in which they are shown.
    static func text(_ sections: [(title: String, commands: [Command])]) -> String {
        var text = "Usage:  apus [OPTIONS] COMMAND\n\nContainers and images for Linux, without a daemon\n"
        for section in sections {
            let named = section.commands.filter { !$0.name.isEmpty }
            if named.isEmpty { continue }
            text += "\n\(section.title):\n" + list(named.map { ($0.name, $0.summary) })
        }
        text += """

            Management Commands:
              builder     Manage builds
              container   Manage containers
              image       Manage images
              network     Manage networks
              system      Manage apus
              volume      Manage volumes

            Global Options:
                  --config path Where config.json with the credentials is (DOCKER_CONFIG, ~/.docker)
                  --debug       Say on stderr what is done: of a start, its plan (as explain shows it)
                  --help        Print usage
              -l, --log-level word
                                Taken as docker's: debug is --debug, others change nothing
                  --root path   Where images and containers are kept (APUS_ROOT, /var/lib/apus)
                  --run path    Where sockets and locks are kept (APUS_RUN, /run/apus)
              -v, --version     Print version information and quit

            Run 'apus COMMAND --help' for more information on a command.

            """
        return text
    }

    /// Of a group.
    static func group(_ name: String, _ commands: [Command]) -> String {
        let rows = commands.filter { $0.group == name }.map { ($0.groupNames[0], $0.summary) }
        let subject = ["builder": "builds", "system": "apus"][name] ?? "\(name)s"
        return "Usage:  apus \(name) COMMAND\n\nManage \(subject)\n\nCommands:\n"
            + list(rows.sorted { $0.0 < $1.0 })
            + "\nRun 'apus \(name) COMMAND --help' for more information on a command.\n"
    }

    private static func list(_ rows: [(String, String)]) -> String {
        let width = (rows.map(\.0.count).max() ?? 0) + 3
        return rows.map { "  \($0)" + String(repeating: " ", count: width - $0.count) + "\($1)\n" }.joined()
    }
}

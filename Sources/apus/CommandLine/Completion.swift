/// Shell completion of commands, flags, and the names of containers and images.
enum Completion {
    /// The script for `bash`, `zsh` or `fish`; nil for another shell.
    static func script(for shell: String, commands: [Command]) -> String? {
        switch shell {
        case "bash": bash(commands)
        case "zsh": zsh(commands)
        case "fish": fish(commands)
        default: nil
        }
    }

    private static func flags(_ command: Command) -> [Flag] { command.flags.filter { $0.standing == .works } }

    /// What a word of the command names: `containers`, `images` or nothing.
    private static func subject(_ command: Command) -> String {
        if command.usage.hasPrefix("CONTAINER") { return "containers" }
        let images = ["IMAGE", "SOURCE_IMAGE", "[REPOSITORY"]
        return images.contains { command.usage.hasPrefix($0) } ? "images" : ""
    }

    /// A line of a `case` for each command: its flags and what its words name.
    private static func cases(_ commands: [Command], open: String, close: String) -> String {
        commands.map { command in
            let names = flags(command).flatMap { flag in
                ["--\(flag.name)"] + (flag.short.map { ["-\($0)"] } ?? [])
            }
            let list = open + names.joined(separator: " ") + close
            return "        \(command.name)) flags=\(list); names=\(subject(command)) ;;"
        }.joined(separator: "\n")
    }

    private static let listContainers = "apus ps -a --format '{{.Names}}' 2>/dev/null"
    private static let listImages = "apus images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null"

    private static func zsh(_ commands: [Command]) -> String {
        """
        #compdef apus
        _apus() {
            local names
            local -a flags
            if (( CURRENT == 2 )); then
                compadd -- \(commands.map(\.name).joined(separator: " "))
                return
            fi
            case $words[2] in
        \(cases(commands, open: "(", close: ")"))
            esac
            if [[ $PREFIX == -* ]]; then
                compadd -- $flags --help
                return
            fi
            case $names in
                containers) compadd -- ${(f)"$(\(listContainers))"} ;;
                images) compadd -- ${(f)"$(\(listImages))"} ;;
                *) _files ;;
            esac
        }
        _apus "$@"

        """
    }

    private static func bash(_ commands: [Command]) -> String {
        """
        _apus() {
            local word=${COMP_WORDS[COMP_CWORD]} flags= names=
            if [ "$COMP_CWORD" -eq 1 ]; then
                COMPREPLY=($(compgen -W "\(commands.map(\.name).joined(separator: " "))" -- "$word"))
                return
            fi
            case ${COMP_WORDS[1]} in
        \(cases(commands, open: "\"", close: "\""))
            esac
            case $word in
                -*) COMPREPLY=($(compgen -W "$flags --help" -- "$word")); return ;;
            esac
            case $names in
                containers) names=$(\(listContainers)) ;;
                images) names=$(\(listImages)) ;;
            esac
            COMPREPLY=($(compgen -W "$names" -- "$word"))
        }
        complete -o default -F _apus apus

        """
    }

    private static func fish(_ commands: [Command]) -> String {
        var lines = ["complete -c apus -f"]
        for command in commands {
            lines.append(
                "complete -c apus -n __fish_use_subcommand -a \(command.name) -d \(quoted(command.summary))")
            let condition = "-n '__fish_seen_subcommand_from \(command.name)'"
            for flag in flags(command) {
                let short = flag.short.map { " -s \($0)" } ?? ""
                let value = flag.isToggle ? "" : " -r"
                lines.append(
                    "complete -c apus \(condition) -l \(flag.name)\(short)\(value) -d \(quoted(flag.help))")
            }
            switch subject(command) {
            case "containers":
                lines.append(
                    "complete -c apus \(condition) -a '(\(listContainers.replacing("'", with: "\"")))'")
            case "images":
                lines.append(
                    "complete -c apus \(condition) -a '(\(listImages.replacing("'", with: "\"")))'")
            default: break
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "\\'") + "'"
    }
}

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

    /// What a word of the command names: `containers`, `images`, `both`, `shells` or nothing.
    private static func subject(_ command: Command) -> String {
        if command.name == "completion" { return "shells" }
        if command.usage.hasPrefix("NAME|ID") { return "both" }
        if command.usage.hasPrefix("VOLUME") { return "volumes" }
        if command.usage.hasPrefix("CONTAINER") || command.usage.hasPrefix("[CONTAINER") {
            return "containers"
        }
        if command.group == "network", command.usage.hasPrefix("NETWORK "), command.groupNames != ["create"] {
            return "networks"
        }
        // Of what is pulled nothing is known here.
        let images = ["IMAGE", "SOURCE_IMAGE", "[REPOSITORY", "NAME[:TAG]"]
        return images.contains { command.usage.hasPrefix($0) } ? "images" : ""
    }

    /// A line of a `case` for each command: its flags and what its words name. A group's command stands for itself
    /// and for `group verb`.
    private static func cases(_ commands: [Command], open: String, close: String) -> String {
        commands.map { command in
            let names = flags(command).flatMap { flag in
                ["--\(flag.name)"] + (flag.short.map { ["-\($0)"] } ?? [])
            }
            let list = open + names.joined(separator: " ") + close
            let verbs = command.groupNames.map { "\"\(command.group) \($0)\"" }
            let patterns = (command.name.isEmpty ? [] : [command.name]) + verbs
            return "        \(patterns.joined(separator: "|"))) flags=\(list); names=\(subject(command)) ;;"
        }.joined(separator: "\n")
    }

    private static let globals = "--config --debug --help --log-level --root --run --version"
    private static let groups = ["builder", "container", "image", "network", "system", "volume"]

    private static func verbs(_ group: String, _ commands: [Command]) -> String {
        commands.filter { $0.group == group }.flatMap(\.groupNames).joined(separator: " ")
    }

    /// A line of a `case` for each group.
    private static func verbCases(_ commands: [Command], _ action: (String) -> String) -> String {
        groups.map { "                    \($0)) \(action(verbs($0, commands))) ;;" }.joined(separator: "\n")
    }

    /// What may stand first: commands, then groups.
    private static func first(_ commands: [Command]) -> String {
        (commands.map(\.name).filter { !$0.isEmpty } + groups).joined(separator: " ")
    }

    private static let listContainers = "apus ps -a --format '{{.Names}}' 2>/dev/null"
    private static let listImages = "apus images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null"

    private static let listVolumes = "apus volume ls -q 2>/dev/null"
    private static let listNetworks = "apus network ls --format '{{.Name}}' 2>/dev/null"

    private static func zsh(_ commands: [Command]) -> String {
        """
        #compdef apus
        _apus() {
            local names
            local -a flags
            if (( CURRENT == 2 )); then
                if [[ $PREFIX == -* ]]; then compadd -- \(globals); else compadd -- \(first(commands)); fi
                return
            fi
            local called=$words[2]
            case $called in
                \(groups.joined(separator: "|")))
                    if (( CURRENT == 3 )); then
                        case $called in
        \(verbCases(commands) { "compadd -- \($0)" })
                        esac
                        return
                    fi
                    called="$called $words[3]" ;;
            esac
            case $called in
        \(cases(commands, open: "(", close: ")"))
            esac
            if [[ $PREFIX == -* ]]; then
                compadd -- $flags --help
                return
            fi
            case $names in
                containers) compadd -- ${(f)"$(\(listContainers))"} ;;
                images) compadd -- ${(f)"$(\(listImages))"} ;;
                volumes) compadd -- ${(f)"$(\(listVolumes))"} ;;
                networks) compadd -- ${(f)"$(\(listNetworks))"} ;;
                both) compadd -- ${(f)"$(\(listContainers); \(listImages))"} ;;
                shells) compadd -- bash zsh fish ;;
                *) _files ;;
            esac
        }
        _apus "$@"

        """
    }

    private static func bash(_ commands: [Command]) -> String {
        """
        _apus() {
            local word=${COMP_WORDS[COMP_CWORD]} called=${COMP_WORDS[1]} flags= names=
            if [ "$COMP_CWORD" -eq 1 ]; then
                names="\(first(commands))"
                case $word in -*) names="\(globals)" ;; esac
                COMPREPLY=($(compgen -W "$names" -- "$word"))
                return
            fi
            case $called in
                \(groups.joined(separator: "|")))
                    if [ "$COMP_CWORD" -eq 2 ]; then
                        case $called in
        \(verbCases(commands) { "names=\"\($0)\"" })
                        esac
                        COMPREPLY=($(compgen -W "$names" -- "$word"))
                        return
                    fi
                    called="$called ${COMP_WORDS[2]}" ;;
            esac
            case $called in
        \(cases(commands, open: "\"", close: "\""))
            esac
            case $word in
                -*) COMPREPLY=($(compgen -W "$flags --help" -- "$word")); return ;;
            esac
            case $names in
                containers) names=$(\(listContainers)) ;;
                images) names=$(\(listImages)) ;;
                volumes) names=$(\(listVolumes)) ;;
                networks) names=$(\(listNetworks)) ;;
                both) names=$(\(listContainers); \(listImages)) ;;
                shells) names="bash zsh fish" ;;
            esac
            COMPREPLY=($(compgen -W "$names" -- "$word"))
        }
        complete -o default -F _apus apus

        """
    }

    private static func fish(_ commands: [Command]) -> String {
        var lines = ["complete -c apus -f"]
        for group in groups {
            let words = verbs(group, commands)
            lines.append("complete -c apus -n __fish_use_subcommand -a \(group) -d 'Manage \(group)s'")
            lines.append(
                "complete -c apus -n '__fish_seen_subcommand_from \(group); "
                    + "and not __fish_seen_subcommand_from \(words)' -a '\(words)'")
        }
        for command in commands where !command.name.isEmpty {
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
            case "both":
                let both = "\(listContainers); \(listImages)".replacing("'", with: "\"")
                lines.append("complete -c apus \(condition) -a '(\(both))'")
            case "shells": lines.append("complete -c apus \(condition) -a 'bash zsh fish'")
            default: break
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "\\'") + "'"
    }
}

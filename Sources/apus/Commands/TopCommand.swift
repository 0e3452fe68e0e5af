import Engine

/// `top`.
enum TopCommand {
    static let top = Command(
        "top", group: "container", "CONTAINER [ps OPTIONS]",
        "Display the running processes of a container",
        words: Command.atLeast(1), stopsAtWord: true
    ) { arguments, session in
        let containers = try session.containers()
        let options = arguments.words.dropFirst().flatMap { $0.split(whereSeparator: \.isWhitespace) }
        let (titles, rows) = try containers.top(
            try containers.records.find(arguments.words[0]), options: options.map(String.init))
        // docker's columns are at least 20 wide here. A tab in a cell would be one more of them.
        let lines = ([titles] + rows).map { row in
            row.map { $0.split(separator: "\t", omittingEmptySubsequences: false).joined(separator: " ") }
                .joined(separator: "\t")
        }
        try Standard.show(Table.align(lines, least: 20))
        return 0
    }
}

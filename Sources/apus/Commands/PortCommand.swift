import Engine

/// `port`.
enum PortCommand {
    static let port = Command(
        "port", group: "container", "CONTAINER [PRIVATE_PORT[/PROTO]]",
        "List port mappings or a specific mapping for the container", words: 1...2
    ) { arguments, session in
        let name = arguments.words[0]
        let state = try session.containers().records.read(named: name).state
        let lines: [String]
        if let port = arguments.words.dropFirst().first {
            do { lines = try PublishedPorts.lines(of: state, port: port, named: name) } catch {
                throw CommandFailure.bare("\(error)")
            }
        } else {
            lines = PublishedPorts.lines(of: state)
        }
        try Standard.out(lines.map { $0 + "\n" }.joined())
        return 0
    }
}

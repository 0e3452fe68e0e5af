/// Commands that docker has and apus does not have yet: known by name, so that the answer is not "unknown".
enum LaterCommands {
    private static let names: Set<String> = [
        "buildx", "checkpoint", "compose", "config", "context",
        "manifest", "node", "plugin",
        "search", "secret", "service", "stack", "swarm",
        "trust",
    ]
    private static let verbs: [String: Set<String>] = [
        "volume": ["update"]
    ]

    /// The sentence for a command line that begins so; nil for what docker does not know either.
    static func refusal(of name: String, _ rest: [String]) -> String? {
        if names.contains(name) { return "apus \(name) is not supported yet" }
        guard let verb = rest.first, verbs[name]?.contains(verb) == true else { return nil }
        return "apus \(name) \(verb) is not supported yet"
    }
}

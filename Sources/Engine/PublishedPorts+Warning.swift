import Network

extension PublishedPorts {
    /// What to say where another table drops what is forwarded: a published port is dead then, whatever ours says. Nil
    /// when nothing is published, or nothing stands in its way.
    public static func warning(for host: HostOptions) -> String? {
        let publishes = !host.ports.isEmpty || host.publishesAll
        guard publishes, !host.endpoints.isEmpty else { return nil }
        // What cannot be looked at gives no warning.
        guard let chain = try? foreignForwardDrop() else { return nil }
        return
            "published ports may not be reached from other hosts: \(chain), drops what it does not let pass; let "
            + "what goes to the network's bridge pass there"
    }
}

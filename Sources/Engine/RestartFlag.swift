import Monitor

extension HostOptions {
    /// Whether a policy may start the container again.
    public var isRestarted: Bool { restart.kind != .no }

    /// Takes `--restart`: `no`, `always`, `unless-stopped`, `on-failure[:N]`, in docker's words where it is none.
    public mutating func setRestart(_ text: String) throws(UsageError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let name = parts.first.map(String.init) ?? ""
        if text.isEmpty { return restart = RestartPolicy() }
        guard !name.isEmpty else {
            throw UsageError("invalid restart policy format: no policy provided before colon")
        }
        guard let kind = RestartPolicy.Kind(rawValue: name) else {
            throw UsageError(
                "invalid restart policy: unknown policy '\(name)'; use one of 'no', 'always', 'on-failure', or "
                    + "'unless-stopped'")
        }
        restart = RestartPolicy(kind)
        guard parts.count == 2, !parts[1].isEmpty else { return }
        guard let retries = Int(parts[1]) else {
            throw UsageError("invalid restart policy format: maximum retry count must be an integer")
        }
        guard retries >= 0 else {
            throw UsageError("invalid restart policy: maximum retry count cannot be negative")
        }
        guard retries == 0 || kind == .onFailure else {
            throw UsageError("invalid restart policy: maximum retry count can only be used with 'on-failure'")
        }
        restart.retries = retries
    }
}

/// How long to wait before something is tried again.
struct Backoff: Equatable {
    var retries: Int
    var first: Duration
    var longest: Duration

    init(_ configuration: RegistryConfiguration) {
        (retries, first) = (configuration.retries, configuration.firstWait)
        longest = configuration.longestWait
    }

    /// The wait after try number `attempt` (from 0) failed; nil when that was the last. `jitter` is 0...1: many
    /// clients that failed together do not come back together.
    func wait(after attempt: Int, _ error: RegistryError, jitter: Double) -> Duration? {
        guard case .passing(let retryAfter) = error.trouble, attempt < retries else { return nil }
        let doubled = first * (1 << min(attempt, 16))
        let own = min(doubled, longest) * (0.5 + 0.5 * min(max(jitter, 0), 1))
        guard let retryAfter else { return own }
        // One who asks for more patience than we have is not asked again at once.
        return retryAfter > longest ? nil : max(own, retryAfter)
    }
}

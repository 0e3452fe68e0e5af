public import OCI

/// `--restart`: whether a container that has ended is started again, by docker's rules.
public struct RestartPolicy: Equatable, Sendable {
    /// docker's words.
    public enum Kind: String, Sendable {
        case no
        case onFailure = "on-failure"
        case unlessStopped = "unless-stopped"
        case always
    }
    public var kind: Kind
    /// How often `on-failure` tries; 0: for ever.
    public var retries: Int

    /// No restarts, unless it is said otherwise.
    public init(_ kind: Kind = .no, retries: Int = 0) { (self.kind, self.retries) = (kind, retries) }

    /// Whether the end of a run with this code leads to another one. `count`: restarts so far.
    public func restarts(after code: Int32, count: Int, isStoppedByHand: Bool) -> Bool {
        switch kind {
        case .no: false
        case .always: true
        case .unlessStopped: !isStoppedByHand
        case .onFailure: code != 0 && (retries == 0 || count < retries)
        }
    }

    /// docker's `RestartPolicy`.
    public var json: JSON {
        .fields(["Name": .string(kind.rawValue), "MaximumRetryCount": .int(Int64(retries))])
    }

    /// Reads what `json` wrote; docker's empty name is `no`.
    public init(_ json: JSON) throws(JSONError) {
        let name = try json.optionalString("Name") ?? ""
        guard let kind = Kind(rawValue: name.isEmpty ? "no" : name) else {
            throw JSONError("RestartPolicy.Name \"\(name)\" is not known")
        }
        self.init(kind, retries: Int(clamping: try json.optionalInt("MaximumRetryCount") ?? 0))
    }
}

/// How long a container waits for its next start: 100 ms, twice as long each time up to a minute, and from the beginning
/// after a run of 10 seconds.
struct RestartDelay {
    private var last: Int32 = 0

    /// Milliseconds, after a run of `seconds`.
    mutating func next(afterRunOf seconds: Double) -> Int32 {
        last = seconds >= 10 || last == 0 ? 100 : min(last * 2, 60_000)
        return last
    }
}

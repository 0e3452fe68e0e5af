import Build
import Images
import Linux
import OCI

/// `images --filter`.
public struct ImageFilters: Equatable, Sendable {
    private var values: [String: [String]] = [:]

    /// No filter.
    public init() {}

    /// Takes one `key=value`.
    public mutating func add(_ text: String) throws(UsageError) {
        let term = try FilterTerm(
            text, of: ["before", "since", "until", "label", "reference", "dangling"])
        let (key, value) = (term.key, term.value)
        if key == "until" { _ = try Durations.moment(value, now: .now()) }
        if key == "reference", PathPattern(value, doubleStars: false) == nil {
            throw UsageError("invalid filter 'reference=\(value)': syntax error in pattern")
        }
        if key == "dangling", parseBool(value) == nil {
            throw UsageError("invalid filter 'dangling=[\(value)]'")
        }
        values[key, default: []].append(value)
    }

    /// The images that `before` and `since` stand for.
    func bounds(_ find: (String) throws -> Image) rethrows -> (before: Image?, since: Image?) {
        (try values["before"]?.last.map(find), try values["since"]?.last.map(find))
    }

    /// Whether an image passes, its names aside.
    func holds(for image: Image, _ bounds: (before: Image?, since: Image?)) -> Bool {
        // `add` has read it.
        if let until = values["until"]?.last.flatMap({ try? Durations.moment($0, now: .now()) }),
            image.appeared > until
        {
            return false
        }
        // In the order of the listing: builds from one base have its date.
        func moment(_ image: Image) -> (Timestamp, Timestamp) { (image.created, image.tagged) }
        if let before = bounds.before, moment(image) >= moment(before) { return false }
        if let since = bounds.since, moment(image) <= moment(since) { return false }
        if let dangling = values["dangling"]?.last.flatMap(parseBool), dangling != image.names.isEmpty {
            return false
        }
        return (values["label"] ?? []).allSatisfy { FilterTerm.hasLabel($0, image.config.process.labels) }
    }

    /// Whether a name passes: `repository` and each `reference` are patterns of `name` or `name:tag`.
    func holds(for name: Reference?, _ repository: String?) -> Bool {
        func fits(_ text: String) -> Bool {
            // What is no pattern fits nothing.
            guard let name, let pattern = PathPattern(text, doubleStars: false) else { return false }
            return pattern.matches(name.name) || pattern.matches("\(name.name):\(name.tag ?? "")")
        }
        return (repository.map(fits) ?? true) && (values["reference"]?.contains(where: fits) ?? true)
    }
}

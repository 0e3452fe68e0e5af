public import Linux
public import OCI

/// One step of how an image was made, as `history` shows it.
public struct HistoryStep: Equatable, Sendable {
    /// Of the image, for the last step; the others were never images.
    public var id: Digest?
    public var created: Timestamp?
    public var createdBy: String
    /// Bytes of the files of its layer; 0 when it made none.
    public var size: Int64
    public var comment: String

    public init(id: Digest?, created: Timestamp?, createdBy: String, size: Int64, comment: String) {
        (self.id, self.created, self.createdBy) = (id, created, createdBy)
        (self.size, self.comment) = (size, comment)
    }
}

/// The listing of `history`.
public enum HistoryView {
    /// The steps of an image, the last one first. `layerSize` knows a layer's bytes. Each step that is not marked as
    /// empty has the next layer; what an image says of steps without one counts for nothing.
    public static func steps(
        of config: ImageConfig, id: Digest, layerSize: (Digest) -> Int64
    ) -> [HistoryStep] {
        var layers = config.diffIDs[...]
        let steps = config.history.map { step in
            let layer = step.emptyLayer ? nil : layers.popFirst()
            return HistoryStep(
                id: nil, created: step.created.flatMap { Timestamp(parsing: $0) },
                createdBy: step.createdBy ?? "", size: layer.map(layerSize) ?? 0, comment: step.comment ?? "")
        }
        var result = Array(steps.reversed())
        if !result.isEmpty { result[0].id = id }
        return result
    }

    /// One row a step, in the order given. Without `isHuman` times and sizes are exact.
    public static func listing(
        _ steps: [HistoryStep], now: Timestamp, truncates: Bool = true, isHuman: Bool = true
    ) -> Listing {
        let headings = [
            ("ID", "IMAGE"), ("CreatedSince", "CREATED"), ("CreatedAt", "CREATED AT"),
            ("CreatedBy", "CREATED BY"), ("Size", "SIZE"), ("Comment", "COMMENT"),
        ]
        let columns = ["ID", isHuman ? "CreatedSince" : "CreatedAt", "CreatedBy", "Size", "Comment"]
        return Listing(
            headings: headings.map { (field: $0.0, heading: $0.1) },
            template: columns.map { "{{.\($0)}}" }.joined(separator: "\t"),
            rows: steps.map { row($0, now: now, truncates: truncates, isHuman: isHuman) })
    }

    private static func row(
        _ step: HistoryStep, now: Timestamp, truncates: Bool, isHuman: Bool
    ) -> Listing.Row {
        // docker shows a step without a time as one of the year 1, and nobody needs that.
        let created = step.created.flatMap { $0.seconds > 0 ? $0 : nil }
        let at = created.map { Durations.rfc3339($0) } ?? "N/A"
        let since = created.map { Durations.ago($0, now: now) } ?? "N/A"
        // A line feed in a heredoc would end the row.
        let command = String(step.createdBy.map { $0 == "\t" || $0.isNewline ? " " : $0 })
        let fields = [
            ("ID", step.id.map { truncates ? $0.short : $0.description } ?? "<missing>"),
            ("CreatedSince", isHuman ? since : at), ("CreatedAt", at),
            ("CreatedBy", truncates ? PsView.ellipsis(command, 45) : command),
            ("Size", isHuman ? Size.human(step.size) : String(step.size)), ("Comment", step.comment),
        ]
        return Listing.Row(fields.map { (name: $0.0, value: $0.1) })
    }
}

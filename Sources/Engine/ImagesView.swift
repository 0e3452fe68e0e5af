public import Linux
public import OCI

/// An image as `images` shows it: one row for each of its names.
public struct ImageSummary: Equatable, Sendable {
    /// Of its configuration.
    public var id: Digest
    /// nil: it has no name any more (`<none>`).
    public var reference: Reference?
    /// The manifest's, for `--digests`.
    public var digest: Digest?
    /// As its configuration says.
    public var created: Timestamp?
    /// Of its unpacked layers, in bytes.
    public var size: Int64

    /// Takes what the store knows.
    public init(id: Digest, reference: Reference?, digest: Digest?, created: Timestamp?, size: Int64) {
        (self.id, self.reference, self.digest) = (id, reference, digest)
        (self.created, self.size) = (created, size)
    }
}

/// The listing of `images`.
public enum ImagesView {
    /// One row an image, in the order given.
    public static func listing(
        _ images: [ImageSummary], now: Timestamp, truncates: Bool = true, showsDigests: Bool = false
    ) -> Listing {
        let headings = [
            ("Repository", "REPOSITORY"), ("Tag", "TAG"), ("Digest", "DIGEST"), ("ID", "IMAGE ID"),
            ("CreatedSince", "CREATED"), ("CreatedAt", "CREATED AT"), ("Size", "SIZE"),
            ("Containers", "CONTAINERS"), ("SharedSize", "SHARED SIZE"), ("UniqueSize", "UNIQUE SIZE"),
            ("VirtualSize", "VIRTUAL SIZE"),
        ]
        let columns =
            ["Repository", "Tag"] + (showsDigests ? ["Digest"] : []) + ["ID", "CreatedSince", "Size"]
        return Listing(
            headings: headings.map { (field: $0.0, heading: $0.1) },
            template: columns.map { "{{.\($0)}}" }.joined(separator: "\t"),
            rows: images.map { row($0, now: now, truncates: truncates) })
    }

    private static func row(_ image: ImageSummary, now: Timestamp, truncates: Bool) -> Listing.Row {
        let fields = [
            ("Repository", image.reference?.name ?? "<none>"), ("Tag", image.reference?.tag ?? "<none>"),
            ("Digest", image.digest?.description ?? "<none>"),
            ("ID", truncates ? image.id.short : image.id.description),
            ("CreatedSince", image.created.map { Durations.ago($0, now: now) } ?? "N/A"),
            ("CreatedAt", image.created.map { Durations.absolute($0) } ?? "N/A"),
            ("Size", Size.human(image.size)),
            ("Containers", "N/A"), ("SharedSize", "N/A"), ("UniqueSize", "N/A"),
            ("VirtualSize", Size.human(image.size)),
        ]
        return Listing.Row(fields.map { (name: $0.0, value: $0.1) })
    }
}

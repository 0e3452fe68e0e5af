public import Linux
public import OCI

/// An image as `images` shows it: one row for each of its names.
public struct ImageSummary: Equatable, Sendable {
    /// Of its configuration.
    public var id: Digest
    /// nil: it has no name any more (`<none>`).
    public var reference: Reference?
    /// What its repository's registry calls it, for `--digests`; nil when that is not known.
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

/// An image as `images --tree` shows it.
public struct ImageTree: Equatable, Sendable {
    /// Of its configuration.
    public var id: Digest
    public var names: [Reference]
    public var platform: Platform
    /// Of its unpacked layers, and of its blobs, in bytes; what it shares with others included.
    public var size: Int64
    public var contentSize: Int64
    /// Some container was made of it.
    public var isUsed: Bool

    /// Takes what the store knows.
    public init(
        id: Digest, names: [Reference], platform: Platform, size: Int64, contentSize: Int64, isUsed: Bool
    ) {
        (self.id, self.names, self.platform) = (id, names, platform)
        (self.size, self.contentSize, self.isUsed) = (size, contentSize, isUsed)
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

    /// One row an image, in the order given, further ones for further names, and below them its platform.
    public static func tree(_ images: [ImageTree]) -> Listing {
        let headings = [
            ("Image", "IMAGE"), ("ID", "ID"), ("DiskUsage", "DISK USAGE"), ("ContentSize", "CONTENT SIZE"),
            ("InUse", "IN USE"),
        ]
        return Listing(
            headings: headings.map { (field: $0.0, heading: $0.1) },
            template: headings.map { "{{.\($0.0)}}" }.joined(separator: "\t"),
            rows: images.flatMap { image in
                let names = image.names.isEmpty ? ["<untagged>"] : image.names.map(\.description)
                let titles = names + ["└─ \(image.platform)"]
                return titles.enumerated().map { number, title in
                    row(title, number == 0 || number == names.count ? image : nil)
                }
            })
    }

    private static func row(_ title: String, _ image: ImageTree?) -> Listing.Row {
        let fields = [
            ("Image", title), ("ID", image?.id.short ?? ""),
            ("DiskUsage", image.map { Size.human($0.size) } ?? ""),
            ("ContentSize", image.map { Size.human($0.contentSize) } ?? ""),
            ("InUse", image?.isUsed == true ? "U" : ""),
        ]
        return Listing.Row(fields.map { (name: $0.0, value: $0.1) })
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

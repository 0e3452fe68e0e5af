public import Linux
import OCI

/// The listings of `system df`.
public enum DiskUsageView {
    /// One row a kind of thing.
    public static func summary(_ usage: DiskUsage) -> Listing {
        listing(
            [
                ("Type", "TYPE"), ("TotalCount", "TOTAL"), ("Active", "ACTIVE"), ("Size", "SIZE"),
                ("Reclaimable", "RECLAIMABLE"),
            ],
            usage.rows.map { row in
                [row.type, String(row.total), String(row.active), size(row.bytes), reclaimable(row)]
            })
    }

    /// docker leaves the share out of the build cache's row.
    private static func reclaimable(_ row: DiskUsage.Row) -> String {
        let text = size(row.reclaimable)
        guard row.bytes > 0, row.type != "Build Cache" else { return text }
        return "\(text) (\(Int(Double(row.reclaimable) / Double(row.bytes) * 100))%)"
    }

    /// The text of `-v`: a table for each kind.
    public static func details(_ usage: DiskUsage, now: Timestamp, escaping: Bool) throws(TemplateError)
        -> String
    {
        let cache = usage.rows.first { $0.type == "Build Cache" }?.bytes ?? 0
        var text = ""
        for (title, listing) in [
            ("Images space usage:", images(usage, now)), ("Containers space usage:", containers(usage, now)),
            ("Local Volumes space usage:", volumes(usage)),
            ("Build cache usage: \(size(cache))", self.cache(usage, now)),
            ("Other space usage:", others(usage)),
        ] {
            text += (text.isEmpty ? "" : "\n") + "\(title)\n\n"
            text += try listing.render(format: nil, escaping: escaping)
        }
        return text
    }

    /// The same as one document, for `-v --format`: `json`, or a template that is asked once for all lists.
    public static func details(_ usage: DiskUsage, now: Timestamp, format: String) throws(TemplateError)
        -> String
    {
        func rows(_ listing: Listing) -> JSON { .array(listing.rows.map(\.json)) }
        let document = JSON.object([
            .init("Images", rows(images(usage, now))), .init("Containers", rows(containers(usage, now))),
            .init("Volumes", rows(volumes(usage))), .init("BuildCache", rows(cache(usage, now))),
            .init("Other", rows(others(usage))),
        ])
        if format == "json" { return document.text + "\n" }
        return try Template(Listing.unescaped(format)).render(document) + "\n"
    }

    private static func images(_ usage: DiskUsage, _ now: Timestamp) -> Listing {
        listing(
            [
                ("Repository", "REPOSITORY"), ("Tag", "TAG"), ("ID", "IMAGE ID"), ("CreatedSince", "CREATED"),
                ("Size", "SIZE"), ("SharedSize", "SHARED SIZE"), ("UniqueSize", "UNIQUE SIZE"),
                ("Containers", "CONTAINERS"),
            ],
            usage.images.map { row in
                let image = row.summary
                return [
                    image.reference?.name ?? "<none>", image.reference?.tag ?? "<none>", image.id.short,
                    image.created.map { Durations.ago($0, now: now) } ?? "N/A", Size.human(image.size),
                    size(row.shared), size(image.size - row.shared), String(row.containers),
                ]
            })
    }

    private static func containers(_ usage: DiskUsage, _ now: Timestamp) -> Listing {
        var listing = PsView.listing(usage.containers, now: now)
        listing.template =
            ["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"].map {
                "{{.\($0)}}"
            }.joined(separator: "\t")
        return listing
    }

    private static func volumes(_ usage: DiskUsage) -> Listing {
        listing(
            [("Name", "VOLUME NAME"), ("Links", "LINKS"), ("Size", "SIZE")],
            usage.volumes.map { [$0.name, String($0.links), size($0.bytes)] })
    }

    private static func cache(_ usage: DiskUsage, _ now: Timestamp) -> Listing {
        listing(
            [
                ("ID", "CACHE ID"), ("CacheType", "CACHE TYPE"), ("Size", "SIZE"),
                ("CreatedSince", "CREATED"),
                ("Shared", "SHARED"),
            ],
            usage.cache.map { row in
                [
                    row.layer.short, "regular", size(row.bytes), Durations.ago(row.created, now: now),
                    row.isShared ? "true" : "false",
                ]
            })
    }

    private static func others(_ usage: DiskUsage) -> Listing {
        listing(
            [("Type", "WHAT"), ("TotalCount", "TOTAL"), ("Size", "SIZE"), ("Reclaimable", "RECLAIMABLE")],
            usage.others.map { [$0.type, String($0.total), size($0.bytes), size($0.reclaimable)] })
    }

    private static func size(_ bytes: Int64) -> String { Size.human(bytes, digits: 4) }

    private static func listing(_ columns: [(String, String)], _ rows: [[String]]) -> Listing {
        Listing(
            headings: columns.map { (field: $0.0, heading: $0.1) },
            template: columns.map { "{{.\($0.0)}}" }.joined(separator: "\t"),
            rows: rows.map { row in
                Listing.Row(zip(columns, row).map { (name: $0.0, value: $1) })
            })
    }
}

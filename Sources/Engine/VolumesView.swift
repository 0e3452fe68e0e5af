import OCI

/// The table of `volume ls`.
public enum VolumesView {
    public static func listing(_ volumes: [VolumeSummary]) -> Listing {
        let headings = [
            ("Name", "VOLUME NAME"), ("Driver", "DRIVER"), ("Scope", "SCOPE"), ("Mountpoint", "MOUNTPOINT"),
            ("Labels", "LABELS"), ("Links", "LINKS"), ("Size", "SIZE"), ("Status", "STATUS"),
            ("Availability", "AVAILABILITY"), ("Group", "GROUP"),
        ]
        return Listing(
            headings: headings.map { (field: $0.0, heading: $0.1) }, template: "{{.Driver}}\t{{.Name}}",
            rows: volumes.map(row))
    }

    /// What only `system df` or a cluster knows is docker's `N/A`.
    private static func row(_ volume: VolumeSummary) -> Listing.Row {
        let labels = volume.labels.sorted { $0.key < $1.key }
        let fields = [
            ("Name", volume.name), ("Driver", "local"), ("Scope", "local"),
            ("Mountpoint", volume.mountpoint), ("Links", "N/A"), ("Size", "N/A"), ("Status", "N/A"),
            ("Availability", "N/A"), ("Group", "N/A"),
            ("Labels", labels.map { "\($0.key)=\($0.value)" }.joined(separator: ",")),
        ]
        let values = JSON.object(labels.map { .init($0.key, .string($0.value)) })
        return Listing.Row(fields.map { (name: $0.0, value: $0.1) }, methods: .fields(["Label": values]))
    }
}

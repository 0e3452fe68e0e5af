/// One `--volumes-from`: `container[:mode]`.
struct VolumesFrom: Equatable, Sendable {
    let container: String
    let isReadOnly: Bool

    private static let modes: Set<String> = ["ro", "rw", "z", "Z", "nocopy"]

    /// docker's refusals.
    init(_ text: String) throws(UsageError) {
        guard !text.isEmpty else {
            throw UsageError("volumes-from specification cannot be an empty string")
        }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        container = parts[0]
        let words = parts.count == 2 ? parts[1].split(separator: ",").map(String.init) : []
        let access = words.filter { $0 == "ro" || $0 == "rw" }
        guard words.allSatisfy(Self.modes.contains), access.count < 2, parts.count == 1 || !words.isEmpty
        else {
            throw UsageError("invalid mode: \(parts[1])")
        }
        guard !container.isEmpty else { throw UsageError("invalid name or ID supplied: \"\"") }
        isReadOnly = access.first == "ro"
    }
}

extension Containers {
    /// What a new container mounts because others do, where it has nothing of its own; later ones go before earlier
    /// ones. And whose they are.
    func volumesFrom(_ host: HostOptions) throws -> (mounts: [MountOption], containers: [String]) {
        var found: [String: MountOption] = [:]
        var containers: [String] = []
        for text in host.volumesFrom {
            let from = try VolumesFrom(text)
            let record = try records.read(findOther(from.container))
            containers.append(record.config.id)
            for option in Volumes(paths).named(record.config) where option.origin != .tmpfsFlag {
                var taken = option
                taken.origin = .container
                taken.text = ""
                taken.isReadOnly = option.isReadOnly || from.isReadOnly
                if case .volume(var volume) = option.kind {
                    (volume.copies, volume.labels, volume.options) = (false, [:], [:])
                    taken.kind = .volume(volume)
                }
                found[option.target] = taken
            }
        }
        for option in host.mounts { found[option.target] = nil }
        return (found.values.sorted { $0.target < $1.target }, containers)
    }
}

import Images
import Linux
import OCI

extension ImageCatalog {
    /// Verifies images, their layers and the containers' records; `report` hears a line for each damage, and whether it
    /// has been repaired. Nothing that a user has is removed.
    public func check(repairs: Bool, report: (_ line: String, _ isRepaired: Bool) -> Void) throws {
        let containers = Containers(paths: paths)
        let uses = try containers.uses()
        let mounted = Set(uses.all.filter(\.isRunning).flatMap(\.layers))
        var found: [Damage] = []
        // Below a running container no layer is replaced, nor where that is not known.
        try store.check(repairs: repairs && uses.unknown.isEmpty, mounted: mounted) { found.append($0) }
        for damage in found { report("\(damage)", damage.isRepaired) }
        for line in uses.unknown { report(line, false) }
        for use in uses.all {
            guard let lost = use.layers.first(where: { store.layer($0) == nil }) else { continue }
            let config = try containers.records.read(use.id).config
            report(
                "container \(config.name): its layer \(lost.short) is missing or damaged: pull or load "
                    + "\(config.imageName) again", false)
        }
    }
}

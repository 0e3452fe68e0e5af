import Images
import Linux
import OCI

extension ImageCatalog {
    /// Verifies images, their layers and the containers' records; `report` hears a line for each damage, and whether it
    /// has been repaired. Nothing that a user has is removed.
    public func check(repairs: Bool, report: (_ line: String, _ isRepaired: Bool) -> Void) throws {
        let containers = Containers(paths: paths)
        let (records, damaged) = try containers.records.readAll()
        var mounted: Set<Digest> = []
        for record in records where record.state.isRunning {
            mounted.formUnion((try? containers.layers(of: record.config.id)) ?? [])  // told below
        }
        var found: [Damage] = []
        try store.check(repairs: repairs, mounted: mounted) { found.append($0) }
        for damage in found { report("\(damage)", damage.isRepaired) }
        for line in damaged { report(line, false) }
        for record in records {
            if let line = try damage(of: record, containers) { report(line, false) }
        }
    }

    private func damage(of record: Records.Record, _ containers: Containers) throws -> String? {
        let (id, name) = (record.config.id, record.config.name)
        let needed: [Digest]
        do { needed = try containers.layers(of: id) } catch {
            return "container \(name): \(error): remove it with: apus rm -f \(name)"
        }
        guard let lost = needed.first(where: { store.layer($0) == nil }) else { return nil }
        return "container \(name): its layer \(lost.short) is missing or damaged: pull or load "
            + "\(record.config.imageName) again"
    }

}

import Build
import Images
import Linux
import OCI

/// How much a store has.
public struct StoreCount: Equatable, Sendable, CustomStringConvertible {
    public private(set) var images = 0
    public private(set) var layers = 0

    public init() {}

    init(of images: [Image]) {
        self.images = images.count
        layers = Set(images.flatMap(\.config.diffIDs)).count
    }

    /// `12 images, 1 layer`.
    public var description: String {
        "\(images) image\(images == 1 ? "" : "s"), \(layers) layer\(layers == 1 ? "" : "s")"
    }
}

extension ImageCatalog {
    public func count() throws -> StoreCount { StoreCount(of: try store.images()) }

    /// Verifies images, their layers and the containers' records; `report` hears a line for each damage, and whether it
    /// has been repaired. Nothing that a user has is removed.
    public func check(repairs: Bool, report: (_ line: String, _ isRepaired: Bool) -> Void) throws {
        let containers = Containers(paths: paths)
        // No longer held: builds may go on meanwhile.
        let use = try use(try BuildCacheHold(root: paths.root))
        let uses = use.containers
        func mounted() throws -> Set<Digest> {
            let now = try containers.uses()
            guard let unknown = now.unknown.first else {
                return Set(
                    try now.all.filter {
                        try $0.isRunning || containers.records.hasRunDirectory($0.id)
                    }.flatMap(\.layers))
            }
            throw EngineError(unknown, exitCode: 1)
        }
        var found: [Damage] = []
        // Below a running container no layer is replaced, nor where that is not known.
        try store.check(repairs: repairs && uses.unknown.isEmpty, use: use, mounted: mounted) {
            found.append($0)
        }
        for damage in found { report("\(damage)", damage.isRepaired) }
        for line in uses.unknown { report(repairs ? "\(line) (nothing is repaired before)" : line, false) }
        for use in uses.all {
            guard let lost = use.layers.first(where: { store.layer($0) == nil }) else { continue }
            let config = try containers.records.read(use.id).config
            report(
                "container \(config.name): its layer \(lost.short) is missing or damaged: pull or load "
                    + "\(config.imageName) again", false)
        }
    }
}

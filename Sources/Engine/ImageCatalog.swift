import Build
import Images
public import Linux
import Monitor
public import OCI
import Runtime
import SystemPackage

/// The images of an engine as its commands see them: found by what the user typed, listed, and removed only when
/// no container needs them.
public struct ImageCatalog: Sendable {
    let store: ImageStore
    let paths: EnginePaths

    /// Opens the store of an engine, making it when it is missing.
    public init(paths: EnginePaths) throws {
        store = try ImageStore(root: paths.root)
        self.paths = paths
    }

    /// What `images` lists: one entry a name, newest first; images without a name once. `repository` limits them
    /// to a repository or a name; `filters` are `reference=`, `dangling=`, `label=`, `before=`,
    /// `since=` and `until=`. One that cannot be read is told to `onDamage` and left out.
    public func list(
        repository: String? = nil, filters: ImageFilters = ImageFilters(),
        onDamage: (String) -> Void = { _ in }
    ) throws -> [ImageSummary] {
        try chosen(repository, filters, onDamage).flatMap { image, names in
            names.map { name in
                ImageSummary(
                    id: image.id, reference: name,
                    digest: image.digests.first { $0.repository == name?.repository }?.digest,
                    created: image.created == .zero ? nil : image.created, size: image.size)
            }
        }
    }

    /// The same for `images --tree`, one entry an image.
    public func trees(
        repository: String? = nil, filters: ImageFilters = ImageFilters(),
        onDamage: (String) -> Void = { _ in }
    ) throws -> [ImageTree] {
        let used = Set(try Records(paths).readAll().records.map(\.config.image))
        return try chosen(repository, filters, onDamage).map { image, names in
            let blobs = [image.manifest.config.size] + image.manifest.layers.map(\.size)
            return ImageTree(
                id: image.id, names: names.compactMap(\.self), platform: image.config.platform,
                size: image.size,
                // What a manifest says may be too much to be added.
                contentSize: blobs.reduce(0) { max($0, $0 &+ $1) }, isUsed: used.contains(image.id))
        }
    }

    /// Images that are to be shown, with those of their names that are; an image without a name has one nil.
    private func chosen(
        _ repository: String?, _ filters: ImageFilters, _ onDamage: (String) -> Void
    ) throws -> [(Image, [Reference?])] {
        let bounds = try filters.bounds { try store.image(named: $0) }
        let images = try store.images(inParallel: true) { onDamage("\($0); see: apus system check") }
        return images.filter { filters.holds(for: $0, bounds) }.compactMap { image in
            let names = image.names.map(Optional.some) + (image.names.isEmpty ? [nil] : [])
            let shown = names.filter { filters.holds(for: $0, repository) }
            return shown.isEmpty ? nil : (image, shown)
        }
    }

    /// The document of `inspect`; nil when no image has this name or id.
    public func inspect(_ name: String) throws -> JSON? {
        guard let image = try found(name).map(store.withTwins) else { return nil }
        let layers = image.config.diffIDs.compactMap { store.layer($0)?.tree }  // a look makes none
        return InspectView.image(
            id: image.id, config: image.config, tags: image.names.filter { $0.tag != nil }.map(\.description),
            digests: image.digests.map(\.description), size: image.size, layers: layers.map(\.string),
            tagged: image.tagged)
    }

    /// How an image was made, the last step first.
    public func history(_ name: String) throws -> [HistoryStep] {
        let image = try store.image(named: name)
        return HistoryView.steps(of: image.config, id: image.id) { store.layer($0)?.size ?? 0 }
    }

    /// Whether a name means this image now.
    public func stillMeans(_ name: String, _ id: Digest) throws -> Bool { try found(name)?.id == id }

    private func found(_ name: String) throws -> Image? {
        do {
            return try store.image(named: name)
        } catch {
            guard error.kind == .notFound else { throw error }
            return nil
        }
    }

    /// Gives an image one more name.
    public func tag(_ name: String, as target: String) throws {
        let reference = try ImageCatalog.reference(target)
        guard reference.digest == nil else {
            throw EngineError("refusing to create a tag with a digest reference", exitCode: 1)
        }
        guard reference.path != "library/sha256" else {
            throw EngineError(
                "refusing to create an ambiguous tag using digest algorithm as name", exitCode: 1)
        }
        let image = try store.image(named: name)
        try store.tag(image, as: reference)
        tell("tag", image.id.description, "\(reference)")
    }

    /// Something has happened to an image; `name` is what it is called.
    func tell(_ action: String, _ id: String, _ name: String? = nil) {
        EventLog(in: paths.run).tell(Event("image", action, id: id, name.map { ["name": $0] } ?? [:]))
    }

    /// docker's lines of what was untagged and deleted. Nil: with `force` nothing had to be done.
    public func remove(_ name: String, force: Bool) throws -> [String]? {
        let hold = try BuildCacheHold(root: paths.root)
        do {
            let lines = try store.remove(name, force: force, use: { try use(hold) }).map(\.description)
            for line in lines {
                let words = line.split(separator: " ", maxSplits: 1).map(String.init)
                guard words.count == 2 else { continue }
                tell(words[0] == "Deleted:" ? "delete" : "untag", words[1])
            }
            return lines
        } catch {
            guard force, error.kind == .notFound else { throw error }
            return nil
        }
    }

    /// Makes an image of a root file system's tar; the answer is its id.
    /// `changes` are Dockerfile instructions for its configuration.
    public func importRoot(
        _ tar: borrowing FD, as name: String?, message: String?, changes: [String] = []
    ) throws -> Digest {
        let reference = try name.map { try Reference($0) }
        let process = try applyChanges(changes, to: ImageConfig()).process
        let id = try store.importRoot(tar, as: reference, process: process, comment: message).id
        tell("import", id.description)
        return id
    }

    static func reference(_ text: String) throws -> Reference {
        do { return try Reference(text) } catch {
            throw EngineError(
                "Error parsing reference: \"\(text)\" is not a valid repository/tag: \(error)", exitCode: 1)
        }
    }

    /// Reads an archive; `report` hears a line for each image.
    public func load(_ archive: borrowing FD, report: (String) -> Void) throws {
        try store.load(archive) {
            report($0.description)
            if let name = $0.description.split(separator: " ").last { tell("load", String(name)) }
        }
    }

    /// Writes images with the names by which they were asked for: of a repository without a tag all of its tags; one
    /// asked for by its id has none.
    /// `compression` is none, gzip or zstd.
    public func save(_ names: [String], to archive: borrowing FD, compression word: String) throws {
        guard let compression = ArchiveCompression(rawValue: word) else {
            throw UsageError("invalid --compression \"\(word)\": it is none, gzip or zstd")
        }
        var images: [(Image, [Reference])] = []
        for name in names {
            for (image, reference) in try chosen(name) {
                if let at = images.firstIndex(where: { $0.0.digest == image.digest }) {
                    images[at].1 += reference.map { images[at].1.contains($0) ? [] : [$0] } ?? []
                } else {
                    images.append((image, reference.map { [$0] } ?? []))
                }
            }
        }
        try store.save(images, to: archive, compression: compression)
    }

    /// All tags that a repository has here, sorted.
    func storedTags(of repository: Reference) throws -> [Reference] {
        try store.images().flatMap(\.names).filter {
            $0.repository == repository.repository && $0.tag != nil
        }.sorted()
    }

    private func chosen(_ name: String) throws -> [(Image, Reference?)] {
        // What is no reference is an id.
        guard let reference = try? Reference(name) else { return [(try store.image(named: name), nil)] }
        if !Reference.hasTagOrDigest(name) {
            let tags = try storedTags(of: reference)
            if !tags.isEmpty {
                return try tags.map { (try store.image(named: $0.canonical), $0) }
            }
        }
        let image = try store.image(named: name)
        return [(image, image.names.contains(reference) ? reference : nil)]
    }

    func uses() throws -> ContainerUses { try Containers(paths: paths).uses() }
}

/// Brings an image into the store by its name, for a platform when one is wished.
public typealias Pulling = (_ name: String, _ platform: Platform?) throws -> Void

extension Containers {
    /// Makes a container of the image that was typed, which `puller` brings in when it is to.
    public func create(_ options: RunOptions, puller: Pulling) throws -> Created {
        let store = try ImageStore(root: paths.root)
        if options.pull == .always { try puller(options.image, options.platform) }
        let image = try image(options, store, puller)
        if let wanted = options.platform {
            let has = image.config.platform
            guard has.runs(on: wanted) else {
                throw EngineError(
                    "image with reference \(options.image) was found but its platform (\(has)) does not match the "
                        + "specified platform (\(wanted))")
            }
        }
        return try create(options, image: image, store: store)
    }

    private func image(_ options: RunOptions, _ store: ImageStore, _ puller: Pulling) throws -> Image {
        do throws(ImageError) {
            let image = try store.image(named: options.image)
            let fits = options.platform.map(image.config.platform.runs) ?? true
            if fits || options.pull != .missing { return image }
        } catch {
            guard error.kind == .notFound, options.pull == .missing else { throw error }
        }
        try puller(options.image, options.platform)
        return try store.image(named: options.image)
    }

    /// The document of `inspect`; `measures`: with the sizes of what it has written and of all that it sees.
    public func inspect(_ record: Records.Record, measures: Bool = false) throws -> JSON {
        var summary = ContainerSummary(config: record.config, state: record.state)
        if measures, let measured = try measured([summary]).first { summary = measured }
        return InspectView.container(
            summary,
            directory: paths.container(record.config.id).string,
            layers: layerDirectories(of: record.config.id),
            volumes: Volumes(paths).mounted(by: record.config))
    }

    /// The directories of a container's root, the writable one first; empty when its request is damaged.
    private func layerDirectories(of id: String) -> [String] {
        // What cannot be read is left out of a listing.
        guard let root = try? request(of: id).root, case .overlay(let lower, let upper, _, _) = root else {
            return []
        }
        return [upper.string] + lower.map(\.string)
    }

    /// What they need of the store. One that is removed meanwhile needs nothing any more.
    func uses() throws -> ContainerUses {
        Sweeper(paths: paths).sweepAfterBoot()
        var uses = ContainerUses()
        for id in try records.ids() {
            do {
                let record = try records.read(id)
                uses.all.append(
                    ContainerUse(
                        id: id, image: record.config.image, layers: try layers(of: id),
                        isRunning: record.state.isRunning))
            } catch {
                if try records.exists(id) { uses.unknown.append("\(error)") }
            }
        }
        return uses
    }

    /// The diff ids of the layers below a container, by the directories that its request names.
    func layers(of id: String) throws -> [Digest] {
        guard case .overlay(let lower, _, _, _) = try request(of: id).root else { return [] }
        return lower.compactMap { tree in
            tree.components.reversed().lazy.compactMap { Digest(hex: $0.string) ?? Digest($0.string) }.first
        }
    }
}

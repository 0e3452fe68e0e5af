public import Linux
import OCI
import SystemPackage

extension ImageStore {
    /// Reads a docker archive or an OCI layout archive (plain, gzip or zstd), also from a pipe. All of its
    /// images come in, or none. `onLoaded` is told of each when all are durable.
    @discardableResult
    public func load(
        _ archive: borrowing FD, onLoaded: (LoadedImage) -> Void = { _ in }
    ) throws(ImageError) -> [LoadedImage] {
        let source = SharedFD(try kernel { () throws(SysError) in try archive.duplicate() })
        let loaded = try operation("load") { () throws(ImageError) in
            let staging = try Staging(in: self)
            let files = try ArchiveFiles(
                reading: try kernel { () throws(SysError) in try source.fd.duplicate() }, into: staging,
                budget: try unpackBudget())
            var loader = ArchiveLoader(store: self, files: files, staging: staging)
            try loader.readImages()
            guard loader.images.reduce(0, { $0 + $1.names.count }) <= Self.namesLimit else {
                throw .invalid("the archive gives more than \(Self.namesLimit) names")
            }
            let before = try taken(by: loader.images)
            try commit(loader.images.map { ($0.manifest, $0.names) }, in: staging)
            return try zip(loader.images, before).map { pair throws(ImageError) in
                let found = pair.0
                return LoadedImage(
                    image: try image(ImageEntry(manifest: found.manifest, names: found.names)),
                    names: found.names,
                    taken: pair.1)
            }
        }
        for image in loaded { onLoaded(image) }
        return loaded
    }

    private static let namesLimit = 4096

    /// The names that images of an archive take from others. What damaged images had is taken without a word.
    private func taken(by images: [ArchiveLoader.Found]) throws(ImageError) -> [[(
        name: Reference, from: Digest
    )]] {
        var owners: [Reference: Descriptor] = [:]
        for entry in try readIndex().manifests { if let name = entry.reference { owners[name] = entry } }
        return images.map { found in
            found.names.compactMap { name in
                // An image that cannot be read loses nothing by losing its name.
                guard let owner = owners[name], let old = try? image(ImageEntry(manifest: owner)),
                    old.id != found.config
                else { return nil }
                return (name, old.id)
            }
        }
    }
}

/// Finds the images of an archive and stages what they consist of.
struct ArchiveLoader {
    struct Found {
        let manifest: Descriptor
        let config: Digest
        var names: [Reference]
    }
    let store: ImageStore
    let files: ArchiveFiles
    let staging: Staging
    private(set) var images: [Found] = []

    init(store: ImageStore, files: ArchiveFiles, staging: Staging) {
        (self.store, self.files, self.staging) = (store, files, staging)
    }

    /// `index.json` goes first, because it keeps digests; `manifest.json` adds names, and images of its own.
    mutating func readImages() throws(ImageError) {
        let (index, list) = (files["index.json"], files["manifest.json"])
        guard index != nil || list != nil else {
            throw .invalid(
                "neither index.json nor manifest.json is in the archive "
                    + "(a root file system's tar is brought in with `apus import`)")
        }
        if let index { try readLayout(index) }
        if let list { try readDockerList(list) }
        guard !images.isEmpty else { throw .invalid("the archive holds no image") }
    }

    // MARK: OCI layout

    private mutating func readLayout(_ file: ArchiveFiles.File) throws(ImageError) {
        let json = try files.document(file, limit: DocumentLimit.manifest, "index.json")
        let index = try parsing("index.json") { () throws(JSONError) in try Index(json) }
        for entry in index.manifests {
            let manifest = try resolve(entry, depth: 0)
            // A name with a digest must never come to mean other content.
            guard entry.reference?.digest ?? entry.digest == entry.digest else {
                throw .invalid("index.json: \(entry.reference?.description ?? "") names \(entry.digest)")
            }
            try add(manifest, names: [entry.reference].compactMap(\.self))
        }
    }

    /// The manifest that an entry means: itself, or the one for this platform in the index that it points to.
    private func resolve(_ entry: Descriptor, depth: Int) throws(ImageError) -> Descriptor {
        if [MediaType.manifest, MediaType.dockerManifest].contains(entry.mediaType) { return entry }
        guard [MediaType.index, MediaType.dockerManifestList].contains(entry.mediaType) else {
            throw .invalid("\(entry.digest.short): documents of type \(entry.mediaType) are not supported")
        }
        guard depth < 2 else { throw .invalid("index \(entry.digest.short) is nested too deep") }
        let json = try files.document(
            try files.blob(entry), limit: DocumentLimit.manifest, "index \(entry.digest.short)")
        let index = try parsing("index \(entry.digest.short)") { () throws(JSONError) in try Index(json) }
        let host = Platform.host
        let fitting = index.manifest(for: host)
        guard let fitting else { throw .invalid("index \(entry.digest.short) has no image for \(host)") }
        return try resolve(fitting, depth: depth + 1)
    }

    private mutating func add(_ entry: Descriptor, names: [Reference]) throws(ImageError) {
        if let known = images.firstIndex(where: { $0.manifest.digest == entry.digest }) {
            images[known].names += names
            return
        }
        let file = try files.blob(entry)
        let bytes = try files.bytes(
            of: file, limit: DocumentLimit.manifest, "manifest \(entry.digest.short)")
        let manifest = try CheckedDocuments.manifest(bytes, entry)
        var layers: [ArchiveFiles.File] = []
        for layer in manifest.layers { layers.append(try files.blob(layer)) }
        try stage(config: try files.blob(manifest.config), layers, manifest.layers)
        staging.keep(blob: file.name, file.digest)
        let descriptor = Descriptor(mediaType: entry.mediaType, digest: entry.digest, size: entry.size)
        images.append(Found(manifest: descriptor, config: manifest.config.digest, names: names))
    }

    // MARK: docker archive

    private mutating func readDockerList(_ file: ArchiveFiles.File) throws(ImageError) {
        let list = try files.document(file, limit: DocumentLimit.manifest, "manifest.json")
        guard let entries = list.array else { throw .invalid("manifest.json is not an array") }
        for entry in entries {
            let (config, layers, tags) = try parsing("manifest.json") { () throws(JSONError) in
                (
                    try entry.requireString("Config"), try entry.stringsOrEmpty("Layers"),
                    try entry.stringsOrEmpty("RepoTags")
                )
            }
            var names: [Reference] = []
            for tag in tags {
                do { names.append(try Reference(tag)) } catch { throw .invalid("manifest.json: \(error)") }
                guard names.last?.digest == nil else {
                    throw .invalid("manifest.json: the tag \(quoted(tag.utf8)) has a digest")
                }
            }
            try add(config: config, layers: layers, names: names)
        }
    }

    private func file(_ path: String) throws(ImageError) -> ArchiveFiles.File {
        guard let file = files[path] else {
            throw .invalid("\(quoted(path.utf8)), named in manifest.json, is missing from the archive")
        }
        return file
    }

    private mutating func add(config path: String, layers: [String], names: [Reference]) throws(ImageError) {
        let config = try file(path)
        if let known = images.firstIndex(where: { $0.config == config.digest }) {
            for name in names where !images[known].names.contains(name) { images[known].names.append(name) }
            return
        }
        var found: [ArchiveFiles.File] = []
        var descriptors: [Descriptor] = []
        for layer in layers {
            let file = try file(layer)
            found.append(file)
            let compression = try ByteStream(try staging.open(file.name)).compression
            descriptors.append(
                Descriptor(
                    mediaType: ImageStore.mediaType(of: compression), digest: file.digest, size: file.size))
        }
        try stage(config: config, found, descriptors)
        let manifest = Manifest(
            config: Descriptor(mediaType: MediaType.config, digest: config.digest, size: config.size),
            layers: descriptors)
        let bytes = manifest.json.bytes
        guard bytes.count <= DocumentLimit.manifest else {
            throw .invalid("manifest.json: the manifest of \(config.digest.short) would be too long")
        }
        let descriptor = try staging.add(bytes, mediaType: MediaType.manifest)
        images.append(Found(manifest: descriptor, config: config.digest, names: names))
    }

    // MARK: both

    private func stage(
        config file: ArchiveFiles.File, _ layers: [ArchiveFiles.File], _ descriptors: [Descriptor]
    ) throws(ImageError) {
        let bytes = try files.bytes(of: file, limit: DocumentLimit.config, "config \(file.digest.short)")
        // One that comes twice is unpacked once.
        let (config, first) = try CheckedDocuments.config(bytes, file.digest, layers: layers.map(\.digest))
        let (store, staging) = (store, staging)
        try sideBySide(first.count) { number throws(ImageError) in
            let i = first[number]
            do throws(ImageError) {
                try store.stageLayer(
                    try staging.open(layers[i].name), descriptors[i], diffID: config.diffIDs[i], in: staging)
            } catch { throw error.within("layer \(i + 1)") }
        }
        for file in layers + [file] { staging.keep(blob: file.name, file.digest) }
    }
}

import Linux
public import OCI
import SystemPackage

extension ImageStore {
    /// The image that a user means: a name, an id, or three or more first digits of one. In docker's order: a
    /// name goes before digits.
    public func image(named text: String) throws(ImageError) -> Image {
        let index = try readIndex()
        if let reference = try? Reference(text) {  // or else it can only be an id
            if let entry = index.manifests.first(where: { $0.reference == reference }) {
                return try whole(entry, index)
            }
            if let digest = reference.digest {
                // Content of another repository is not what was asked for.
                let found = try images().first { image in
                    image.digests.contains(reference.at(digest))
                        || ([image.digest] + image.twins.map(\.digest)).contains(digest)
                            && image.names.contains { $0.repository == reference.repository }
                }
                if let found { return found }
            }
        }
        if let found = try image(withID: text, index) { return found }
        do {
            throw ImageError(.notFound, "No such image: \(try Reference(text))")
        } catch let error as ReferenceError {
            if text.hasPrefix("sha256:") { throw ImageError(.notFound, "No such image: \(text)") }
            throw .invalid(error.description)
        } catch {
            throw error as? ImageError ?? .invalid("\(error)")
        }
    }

    private func whole(_ entry: Descriptor, _ index: Index) throws(ImageError) -> Image {
        try image(index.images.first { $0.manifest.digest == entry.digest } ?? ImageEntry(manifest: entry))
    }

    private func image(withID text: String, _ index: Index) throws(ImageError) -> Image? {
        guard let digits = Self.digits(of: text) else { return nil }
        let images = try images()
        let found = images.filter { $0.id.hex.hasPrefix(digits) }
        if found.isEmpty, digits.utf8.count == 64 {
            return images.first { ([$0.digest] + $0.twins.map(\.digest)).contains { $0.hex == digits } }
        }
        guard found.allSatisfy({ $0.id == found.first?.id }) else {
            throw ImageError(.conflict, "multiple IDs found with provided prefix: \(text)")
        }
        return found.first
    }

    /// What is typed for an id without its algorithm; nil when it cannot be one.
    static func digits(of text: String) -> String? {
        let digits = text.hasPrefix("sha256:") ? String(text.dropFirst(7)) : text
        let isHex = digits.utf8.allSatisfy { ($0 >= 0x30 && $0 <= 0x39) || ($0 >= 0x61 && $0 <= 0x66) }
        return isHex && (3...64).contains(digits.utf8.count) ? digits : nil
    }

    /// An image with the other manifests of its configuration, and their names.
    public func withTwins(_ image: Image) throws(ImageError) -> Image {
        try images().first { $0.id == image.id } ?? image
    }

    /// Remembers what a name means in its registry now, unless the name has come to mean another image.
    public func remember(_ digest: Digest, of name: Reference, for image: Image) throws(ImageError) {
        try locked { () throws(ImageError) in
            var index = try readIndex()
            guard let entry = index.manifests.first(where: { $0.reference == name }),
                entry.digest == image.digest, entry.registryDigest != digest
            else { return }
            index.enter(entry, as: name, registryDigest: digest, now: entry.tagged)
            try writeIndex(index)
        }
    }

    /// Gives an image a name, taking it from the one that had it.
    public func tag(_ image: Image, as name: Reference) throws(ImageError) {
        try operation("tag \(name)") { () throws(ImageError) in
            try locked { () throws(ImageError) in
                var index = try readIndex()
                let entries = index.manifests.filter { $0.digest == image.digest }
                guard let entry = entries.first(where: { $0.reference == name }) ?? entries.first else {
                    throw ImageError(.notFound, "No such image: \(image.id)")
                }
                guard entry.reference != name else { return }
                index.enter(entry, as: name)
                try writeIndex(index)
            }
        }
    }
}

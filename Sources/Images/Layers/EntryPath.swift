import Linux
import SystemPackage

/// An entry's name made safe to use: `./a//b/` is `a/b`. `..` is refused, and so is what the kernel would.
struct EntryPath: ~Copyable {
    private var path = PathBuffer()
    private var baseStart = 0

    /// Empty for the root itself.
    var bytes: UnsafeBufferPointer<UInt8> { path.bytes }
    var isRoot: Bool { path.isEmpty }
    /// All but the last component.
    var parent: UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: path.bytes[..<max(baseStart - 1, 0)])
    }
    /// The last component.
    var name: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(rebasing: path.bytes[baseStart...]) }
    /// The last component as a C string, from its byte `offset` on; valid until the next `set`.
    func cName(from offset: Int = 0) -> FD.CName {
        UnsafeRawPointer(path.base + baseStart + offset).assumingMemoryBound(to: CChar.self)
    }

    mutating func set(_ raw: UnsafeBufferPointer<UInt8>, below prefix: [UInt8] = []) throws(ImageError) {
        path.clear()
        baseStart = 0
        guard !raw.isEmpty else { throw .invalid("entry with an empty name") }
        var failure: ImageError?
        prefix.withUnsafeBufferPointer { bytes in
            do throws(ImageError) { try add(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
        try add(raw)
    }

    mutating func set(_ path: FilePath) throws(ImageError) {
        let failure: ImageError? = path.withPlatformString { chars in
            let bytes = UnsafeRawBufferPointer(start: chars, count: path.length)
            do throws(ImageError) { try set(bytes.assumingMemoryBound(to: UInt8.self)) } catch {
                return error
            }
            return nil
        }
        if let failure { throw failure }
    }

    private mutating func add(_ raw: UnsafeBufferPointer<UInt8>) throws(ImageError) {
        var start = 0
        for at in 0...raw.count where at == raw.count || raw[at] == UInt8(ascii: "/") {
            let component = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: raw[start..<at]))
            start = at + 1
            if component.isEmpty || component.elementsEqual([UInt8(ascii: ".")]) { continue }
            guard !component.elementsEqual([UInt8(ascii: "."), UInt8(ascii: ".")]) else {
                throw .invalid("name with .. in it")
            }
            guard component.count <= TarLimit.component else {
                throw .invalid("name component longer than \(TarLimit.component) bytes (ENAMETOOLONG)")
            }
            if !path.isEmpty { try path.append(UInt8(ascii: "/")) }
            baseStart = path.count
            try path.append(component)
        }
    }

    /// Whether any component but the last starts with these bytes.
    func hasParent(startingWith prefix: StaticString) -> Bool {
        parent.split(separator: UInt8(ascii: "/")).contains { component in
            component.starts(
                with: UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))
        }
    }
}

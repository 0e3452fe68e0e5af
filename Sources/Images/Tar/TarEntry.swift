/// What a tar entry makes.
enum TarKind: Equatable, Sendable {
    case file, directory, symlink, hardLink, fifo
    case character(major: UInt32, minor: UInt32)
    case block(major: UInt32, minor: UInt32)
}

/// The numbers of one entry; its names are in the reader's buffers.
struct TarEntry: Equatable, Sendable {
    var kind = TarKind.file
    /// 07777
    var mode: UInt32 = 0
    var uid: UInt32 = 0
    var gid: UInt32 = 0
    /// The file's size; with holes, more than what is stored.
    var size: UInt64 = 0
    var seconds: Int64 = 0
    var nanoseconds: UInt32 = 0
}

/// A piece of a file's content.
struct TarChunk {
    let offset: UInt64
    /// Valid until the reader is asked again.
    let bytes: UnsafeRawBufferPointer
}

/// One stored part of a sparse file.
struct TarExtent: Equatable, Sendable {
    let offset: UInt64
    let count: UInt64
}

/// Bounds on what an archive may ask for (security.md, 3.1).
enum TarLimit {
    static let path = 4095
    static let component = 255
    static let header = 1 << 20
    static let entries = 5_000_000
    static let extents = 100_000
    static let attributes = 64 << 10
    /// Extension headers before one entry.
    static let headers = 32
}

/// A reused buffer for one path: bytes, always followed by a NUL, so that it is a C string too.
struct PathBuffer: ~Copyable {
    let base = UnsafeMutablePointer<UInt8>.allocate(capacity: TarLimit.path + 1)
    private(set) var count = 0

    init() { base[0] = 0 }
    deinit { base.deallocate() }

    var isEmpty: Bool { count == 0 }
    var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: base, count: count) }

    mutating func clear() { truncate(0) }

    mutating func truncate(_ newCount: Int) {
        count = newCount
        base[count] = 0
    }

    /// Refuses a NUL, and a path that is longer than the kernel takes.
    mutating func append(_ more: UnsafeRawBufferPointer) throws(ImageError) {
        guard more.count <= TarLimit.path - count else {
            throw .invalid("path of \(more.count + count) bytes: longer than \(TarLimit.path) (ENAMETOOLONG)")
        }
        guard !more.contains(0) else { throw .invalid("path holds a NUL") }
        (base + count).withMemoryRebound(to: UInt8.self, capacity: more.count) {
            UnsafeMutableRawBufferPointer(start: $0, count: more.count).copyMemory(from: more)
        }
        truncate(count + more.count)
    }

    mutating func append(_ byte: UInt8) throws(ImageError) {
        guard count < TarLimit.path else {
            throw .invalid("path is longer than \(TarLimit.path) (ENAMETOOLONG)")
        }
        base[count] = byte
        truncate(count + 1)
    }
}

import Linux
import SystemPackage

/// The digests of files as they were last read, by what stat says of them: a file that looks the same is not read
/// again. A change of content, mode, owner or attributes moves the ctime, which no program can set back.
///
/// On disk (numbers in the machine's order): magic, count, records sorted by key, SHA-256 of all before it. A
/// file that is damaged in any way counts as empty.
struct StatCache {
    private struct Key: Hashable, Comparable {
        let device, inode, size: UInt64
        let mtime, ctime: Int64
        /// Nanoseconds of mtime above those of ctime.
        let nanoseconds: UInt64

        init(_ status: FileStatus) {
            (device, inode, size) = (status.device, status.inode, status.size)
            (mtime, ctime) = (status.mtime.seconds, status.ctime.seconds)
            nanoseconds = UInt64(status.mtime.nanoseconds) << 32 | UInt64(status.ctime.nanoseconds)
        }

        init(_ record: UnsafeRawBufferPointer) {
            device = record.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
            inode = record.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            size = record.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
            mtime = record.loadUnaligned(fromByteOffset: 24, as: Int64.self)
            ctime = record.loadUnaligned(fromByteOffset: 32, as: Int64.self)
            nanoseconds = record.loadUnaligned(fromByteOffset: 40, as: UInt64.self)
        }

        static func < (a: Key, b: Key) -> Bool {
            (a.device, a.inode, a.size, a.mtime, a.ctime, a.nanoseconds)
                < (b.device, b.inode, b.size, b.mtime, b.ctime, b.nanoseconds)
        }
    }

    private static let magic: [UInt8] = Array("apus stat cache1".utf8)
    private static let recordSize = 48 + 32 + 8
    /// Builds that an entry outlives without being looked up.
    private static let longestIdle: UInt8 = 8
    private static let mostRecords = 1 << 20

    private let file: [UInt8]
    private let count: Int
    private var used: [Bool]
    private var added: [Key: [UInt8]] = [:]
    /// Later changes may have the same time stamp as what was read: such files are not remembered.
    private let youngest: Timestamp

    /// Takes the file's bytes, or nothing.
    init(_ bytes: [UInt8]?, now: Timestamp = .now()) {
        let valid = bytes.flatMap { StatCache.isWhole($0) ? $0 : nil }
        file = valid ?? []
        count = valid.map { ($0.count - 56) / StatCache.recordSize } ?? 0
        used = Array(repeating: false, count: count)
        let margin: Int32 = 100_000_000
        youngest =
            now.nanoseconds >= margin
            ? Timestamp(seconds: now.seconds, nanoseconds: now.nanoseconds - margin)
            : Timestamp(seconds: now.seconds - 1, nanoseconds: now.nanoseconds + 1_000_000_000 - margin)
    }

    private static func isWhole(_ bytes: [UInt8]) -> Bool {
        guard bytes.count >= 56, bytes.starts(with: magic), (bytes.count - 56) % recordSize == 0 else {
            return false
        }
        var hash = SHA256()
        bytes.withUnsafeBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0[..<($0.count - 32)])) }
        return hash.bytes().elementsEqual(bytes.suffix(32))
    }

    /// The digest of a file with this status, when it was read before.
    mutating func digest(of status: FileStatus) -> [UInt8]? {
        let key = Key(status)
        if let digest = added[key] { return digest }
        guard let at = find(key) else { return nil }
        used[at] = true
        let start = 24 + at * Self.recordSize + 48
        return Array(file[start..<(start + 32)])
    }

    mutating func remember(_ digest: [UInt8], for status: FileStatus) {
        let changed = Timestamp(
            seconds: status.ctime.seconds, nanoseconds: Int32(clamping: status.ctime.nanoseconds))
        guard changed < youngest, digest.count == 32 else { return }
        added[Key(status)] = digest
    }

    /// The new content of the file; nil when nothing was learned.
    func bytesIfChanged() -> [UInt8]? {
        guard !added.isEmpty else { return nil }
        var records: [(key: Key, digest: ArraySlice<UInt8>, idle: UInt8)] = added.map {
            ($0.key, $0.value[...], 0)
        }
        file.withUnsafeBytes { bytes in
            for at in 0..<count {
                let record = Self.record(at, in: bytes)
                let idle = used[at] ? 0 : record[80] &+ 1
                let key = Key(record)
                if idle > Self.longestIdle || added[key] != nil { continue }
                records.append((key, Array(record[48..<80])[...], idle))
            }
        }
        if records.count > Self.mostRecords { records.removeLast(records.count - Self.mostRecords) }
        records.sort { $0.key < $1.key }
        return Self.serialize(records)
    }

    private static func serialize(_ records: [(key: Key, digest: ArraySlice<UInt8>, idle: UInt8)]) -> [UInt8]
    {
        var out = magic
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value) { out.append(contentsOf: $0) }
        }
        append(UInt64(records.count))
        for (key, digest, idle) in records {
            append(key.device)
            append(key.inode)
            append(key.size)
            append(key.mtime)
            append(key.ctime)
            append(key.nanoseconds)
            out += digest
            append(UInt64(idle))
        }
        var hash = SHA256()
        hash.update(out)
        return out + hash.bytes()
    }

    private static func record(_ at: Int, in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let start = 24 + at * recordSize
        return UnsafeRawBufferPointer(rebasing: bytes[start..<(start + recordSize)])
    }

    private func find(_ key: Key) -> Int? {
        file.withUnsafeBytes { bytes in
            var (low, high) = (0, count)
            while low < high {
                let middle = (low + high) / 2
                let candidate = Key(Self.record(middle, in: bytes))
                if candidate == key { return middle }
                if candidate < key { low = middle + 1 } else { high = middle }
            }
            return nil
        }
    }
}

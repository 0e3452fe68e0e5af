import Linux
import SystemPackage

@testable import Images

/// An archive: what is read does not depend on how it is read, unpacking stays below its root, and what was unpacked,
/// packed and unpacked again is the same tree.
enum TarPart {
    private struct Reading: Equatable {
        var paths: [[UInt8]] = []
        var entries: [TarEntry] = []
        var counts: [UInt64] = []
        var isRefused = false
    }
    /// More is not packed again: of a sparse file the tar would have all the zeros.
    private static let limit: Int64 = 4 << 20
    /// Nothing that an archive says is newer.
    private static let start = Timestamp.now().seconds - 1

    static func run(_ bytes: [UInt8]) {
        let reading = read(bytes, withContent: true)
        expect(
            reading == read(bytes, withContent: false), "an archive says something else when it is skipped")
        do {
            let scratch = try Scratch()
            if let isOpaque = unpack(bytes, to: try scratch.make("layer"), UnpackRules(budget: 16 << 20)) {
                expect(!reading.isRefused, "an archive that cannot be read can be unpacked")
                let isNew = reading.entries.contains { $0.seconds >= start }
                try check(try scratch.make("layer").fd, isLayer: true, since: isNew ? nil : start)
                do { try packAgain(scratch, isOpaque: isOpaque) } catch {
                    expect(false, "what was unpacked cannot be packed, or not be unpacked again: \(error)")
                }
            }
            let rules = UnpackRules(
                isLayer: false, owner: (7, 8), prefix: Array("p/q".utf8), budget: 16 << 20)
            let archive = try scratch.make("archive")
            _ = unpack(bytes, to: archive, rules)
            try check(archive.fd, isLayer: false, since: nil)
            try scratch.check()
        } catch { expect(false, "the scratch directory cannot be used: \(error)") }
    }

    private static func read(_ bytes: [UInt8], withContent: Bool) -> Reading {
        var reading = Reading()
        do {
            var reader = TarReader(try ByteStream(try FD.inMemory("fuzz", bytes)))
            while try reader.next() {
                reading.paths.append(Array(reader.path.bytes))
                reading.entries.append(reader.entry)
                expect(reader.entry.mode <= 0o7777, "a mode has other bits")
                if withContent { try readContent(&reader) }
            }
            try reader.stream.drain()
            reading.counts = [reader.stream.rawCount, reader.stream.plainCount]
            expect(reader.stream.rawCount == UInt64(bytes.count), "not all of an archive was read")
            expect(reader.stream.digests().raw == SHA256.hex(of: bytes), "a digest is not that of the bytes")
        } catch {
            report(error)
            reading.isRefused = true
        }
        return reading
    }

    private static func readContent(_ reader: inout TarReader) throws {
        var end: UInt64 = 0
        while let chunk = try reader.nextChunk() {
            expect(chunk.offset >= end && !chunk.bytes.isEmpty, "content comes twice, or not at all")
            end = chunk.offset + UInt64(chunk.bytes.count)
            expect(end <= reader.entry.size, "content lies behind the end of its file")
        }
        guard reader.entry.kind == .file, !reader.records.sparse.isSparse else { return }
        expect(end == reader.entry.size, "content is missing")
    }

    /// Nil when it is refused, which it may be in the middle; else whether it hides what is below.
    private static func unpack(_ bytes: [UInt8], to root: SharedFD, _ rules: UnpackRules) -> Bool? {
        do { return try unpack(FD.inMemory("fuzz", bytes), to: root, rules) } catch {
            report(error)
            return nil
        }
    }

    private static func unpack(_ file: consuming FD, to root: SharedFD, _ rules: UnpackRules) throws -> Bool {
        var reader = TarReader(try ByteStream(file))
        var unpacker = Unpacker(into: root, rules: rules)
        try unpacker.unpack(&reader)
        expect(unpacker.bytes <= reader.stream.plainCount, "more was written than came")
        return unpacker.isOpaque
    }

    /// Of a whole layer nothing has the time of its unpacking (`since`): it is the same each time.
    private static func check(_ directory: borrowing FD, isLayer: Bool, since: Int64?) throws {
        try checkAttributes(directory, isLayer)
        for entry in try directory.sortedEntries() {
            let (status, name) = (entry.status, entry.path)
            let isWhiteout = OverlayMarkers.isWhiteout(status)
            expect(isLayer || !isWhiteout, "a device that is a whiteout")
            let isMade = since.map { status.mtime.seconds >= $0 } ?? false
            expect(!isMade, "\(quoted(entry.name)) has the time of its unpacking")
            switch status.type {
            case .directory:
                let child = try directory.open(name, [.readOnly, .directory, .noFollow])
                try check(child, isLayer: isLayer, since: since)
            case .regular: try checkAttributes(directory.open(name, [.readOnly, .noFollow]), isLayer)
            case .symlink, .fifo, .character, .block: break
            case .socket: expect(false, "an archive made a socket")
            }
        }
    }

    private static func checkAttributes(_ file: borrowing FD, _ isLayer: Bool) throws {
        for name in try file.attributeNames() {
            let isOpaque = try OverlayMarkers.isOpaque(file)
            let isOurs = isLayer && isOpaque && name == OverlayMarkers.opaque
            expect(
                isOurs || OverlayMarkers.keeps(attribute: name.utf8), "attribute \(name) came from outside")
        }
    }

    private static func packAgain(_ scratch: Scratch, isOpaque: Bool) throws {
        guard try logicalSize(of: scratch.make("layer").fd) <= limit else { return }
        let tar = try FD.inMemory("fuzz", [])
        var packer = TreePacker(to: try tar.duplicate(), .copied)
        _ = try packer.pack(try scratch.make("layer"))
        expect(packer.isOpaque == isOpaque, "an opaque root is lost in packing")
        try tar.rewind()
        let again = try unpack(tar, to: scratch.make("again"), UnpackRules())
        expect(again == isOpaque, "an opaque root is lost in the tar")
        var comparison = TreeComparison()
        let difference = try comparison.difference(scratch.make("layer").fd, scratch.make("again").fd)
        expect(difference == nil, "packed and unpacked: \(difference ?? "")")
    }

    private static func logicalSize(of directory: borrowing FD) throws -> Int64 {
        var sum: Int64 = 0
        for entry in try directory.sortedEntries() {
            switch entry.status.type {
            case .regular: sum += Int64(clamping: min(entry.status.size, UInt64(limit) * 2))
            case .directory:
                sum += try logicalSize(of: directory.open(entry.path, [.readOnly, .directory, .noFollow]))
            default: break
            }
        }
        return sum
    }
}

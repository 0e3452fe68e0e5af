import CCodecs
import Linux
import OCI

/// How an archive that is written is compressed.
public enum ArchiveCompression: String, CaseIterable, Sendable {
    case none, gzip, zstd
}

/// Packs a stream as one gzip member or one zstd frame: the same content gives the same bytes, which `ByteStream` takes.
struct Compressor: ~Copyable {
    private static let inputSize = 256 << 10, outputSize = 256 << 10
    /// The libraries' own middles: what docker and the tools of this name use.
    private static let gzipLevel: CInt = 6, zstdLevel: CInt = 3
    private let encoder: OpaquePointer
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: outputSize, alignment: 64)
    private var taken: UInt64 = 0, made: UInt64 = 0
    /// Zeros would unpack to more than 1000 times their size. Where that is near, each piece is flushed: four bytes at least.
    private static let ratio: UInt64 = 700, free: UInt64 = 16 << 20, piece = 2048

    /// Nil where nothing is to be compressed.
    init?(_ compression: ArchiveCompression) throws(ImageError) {
        let encoder: OpaquePointer?
        switch compression {
        case .none: return nil
        case .gzip: encoder = cc_gzip_encoder(Self.gzipLevel)
        case .zstd: encoder = cc_zstd_encoder(Self.zstdLevel)
        }
        guard let encoder else { throw ImageError(.system, "compress: out of memory") }
        self.encoder = encoder
    }

    deinit {
        cc_free_encoder(encoder)
        output.deallocate()
    }

    /// Takes the next bytes, all of them; `write` hears what has come out. After the last ones nothing may follow.
    mutating func feed(
        _ bytes: UnsafeRawBufferPointer, isLast: Bool,
        _ write: (UnsafeRawBufferPointer) throws(SysError) -> Void
    ) throws(ImageError) {
        var rest = bytes
        repeat {
            let isTight = taken > Self.free && taken / Self.ratio > made
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(isTight ? Self.piece : rest.count))
            rest = UnsafeRawBufferPointer(rebasing: rest[part.count...])
            try encode(part, isLast && rest.isEmpty ? CC_LAST : isTight ? CC_FLUSH : CC_MORE, write)
        } while !rest.isEmpty
    }

    private mutating func encode(
        _ bytes: UnsafeRawBufferPointer, _ end: cc_end,
        _ write: (UnsafeRawBufferPointer) throws(SysError) -> Void
    ) throws(ImageError) {
        var used = 0
        var isWhole = end == CC_MORE
        while used < bytes.count || !isWhole {
            var (taken, made) = (bytes.count - used, Self.outputSize)
            let answer = cc_encode(
                encoder, bytes.baseAddress.map { $0 + used }, &taken, output.baseAddress, &made, end)
            guard answer >= 0 else { throw ImageError(.system, "compress: out of memory") }
            if answer == 1 { isWhole = true }
            used += taken
            self.taken += UInt64(taken)
            self.made += UInt64(made)
            do throws(SysError) { try write(UnsafeRawBufferPointer(rebasing: output[..<made])) } catch {
                throw ImageError(error)
            }
        }
    }

    /// From where `source` stands to its end; answers digest and size of what was written.
    consuming func pack(
        _ source: borrowing FD, to target: borrowing FD
    ) throws(ImageError) -> (digest: Digest, size: UInt64) {
        var hash = SHA256()
        var size: UInt64 = 0
        let input = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.inputSize, alignment: 64)
        defer { input.deallocate() }
        var count = 0
        repeat {
            count = try kernel { () throws(SysError) in try source.read(into: input) }
            try feed(UnsafeRawBufferPointer(rebasing: input[..<count]), isLast: count == 0) {
                bytes throws(SysError) in
                hash.update(bytes)
                size += UInt64(bytes.count)
                try target.writeAll(bytes)
            }
        } while count > 0
        return (Digest(sha256: hash.hex()), size)
    }
}

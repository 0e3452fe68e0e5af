import CCodecs
import Linux

/// How an archive that is written is compressed.
public enum ArchiveCompression: String, CaseIterable, Sendable {
    case none, gzip, zstd
}

/// Packs a stream as one gzip member or one zstd frame: the same content gives the same bytes.
struct Compressor: ~Copyable {
    private static let inputSize = 256 << 10, outputSize = 256 << 10
    /// The libraries' own middles: what docker and the tools of this name use.
    private static let gzipLevel: CInt = 6, zstdLevel: CInt = 3
    private let encoder: OpaquePointer
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: outputSize, alignment: 64)

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
    func feed(
        _ bytes: UnsafeRawBufferPointer, isLast: Bool,
        _ write: (UnsafeRawBufferPointer) throws(SysError) -> Void
    ) throws(ImageError) {
        var used = 0
        var isWhole = !isLast
        while used < bytes.count || !isWhole {
            var (taken, made) = (bytes.count - used, Self.outputSize)
            let answer = cc_encode(
                encoder, bytes.baseAddress.map { $0 + used }, &taken, output.baseAddress, &made,
                isLast ? 1 : 0)
            guard answer >= 0 else { throw ImageError(.system, "compress: out of memory") }
            if answer == 1 { isWhole = true }
            used += taken
            do throws(SysError) { try write(UnsafeRawBufferPointer(rebasing: output[..<made])) } catch {
                throw ImageError(error)
            }
        }
    }

    /// From where `source` stands to its end; answers digest (in hexadecimal) and size of what was written.
    consuming func pack(
        _ source: borrowing FD, to target: borrowing FD
    ) throws(ImageError) -> (hex: String, size: UInt64) {
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
        return (hash.hex(), size)
    }
}

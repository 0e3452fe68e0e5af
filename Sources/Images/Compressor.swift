import CCodecs
import Linux

/// Packs a file as one gzip member: the same content gives the same bytes.
struct Compressor: ~Copyable {
    private static let inputSize = 256 << 10, outputSize = 256 << 10
    /// zlib's own middle: what gzip and docker use.
    private static let level: CInt = 6
    private let encoder: OpaquePointer
    private let input = UnsafeMutableRawBufferPointer.allocate(byteCount: inputSize, alignment: 64)
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: outputSize, alignment: 64)

    init() throws(ImageError) {
        guard let encoder = cc_gzip_encoder(Self.level) else {
            throw ImageError(.system, "compress: out of memory")
        }
        self.encoder = encoder
    }

    deinit {
        cc_free_encoder(encoder)
        input.deallocate()
        output.deallocate()
    }

    /// From where `source` stands to its end; answers digest (in hexadecimal) and size of what was written.
    consuming func pack(
        _ source: borrowing FD, to target: borrowing FD
    ) throws(ImageError) -> (hex: String, size: UInt64) {
        var hash = SHA256()
        var size: UInt64 = 0
        do throws(SysError) {
            var isWhole = false
            while !isWhole {
                let count = try source.read(into: input)
                var used = 0
                repeat {
                    var (taken, made) = (count - used, Self.outputSize)
                    isWhole =
                        cc_encode(
                            encoder, input.baseAddress.map { $0 + used }, &taken, output.baseAddress, &made,
                            count == 0 ? 1 : 0) == 1
                    used += taken
                    let bytes = UnsafeRawBufferPointer(rebasing: output[..<made])
                    hash.update(bytes)
                    size += UInt64(made)
                    try target.writeAll(bytes)
                } while used < count || (count == 0 && !isWhole)
            }
        } catch { throw ImageError(error) }
        return (hash.hex(), size)
    }
}

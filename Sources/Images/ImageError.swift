import Linux
import SystemPackage

/// Why something about an image failed, in one line: operation, subject, cause and, where there is one, the
/// fix.
public struct ImageError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What a caller may want to tell apart.
    public enum Kind: Equatable, Sendable {
        /// No image has this name or id.
        case notFound
        /// Refused as docker refuses it: in use, or several names.
        case conflict
        /// An archive or document that is damaged, hostile, or of a kind that is not read.
        case invalid
        /// The disk or its inodes are used up.
        case noSpace
        /// A system call failed for another reason.
        case system
    }
    /// Which kind of failure.
    public let kind: Kind
    /// The whole line, without a full stop.
    public let description: String

    /// What documents say may stand in it: it stays one line, of a length that can be read.
    init(_ kind: Kind, _ description: String) {
        self.kind = kind
        var text = description.utf8.count > 4000 ? String(description.prefix(1000)) + "..." : description
        if text.utf8.contains(0x0a) || text.utf8.contains(0x0d) {
            text = String(text.map { $0.isNewline ? " " : $0 })
        }
        self.description = text
    }

    static func invalid(_ description: String) -> ImageError { ImageError(.invalid, description) }

    init(_ error: SysError) {
        let kind: Kind =
            switch error.errno {
            case .noSpace, .diskQuotaExceeded: .noSpace
            // Of names out of archives; our own are short and no links.
            case .tooManySymbolicLinkLevels, .fileNameTooLong, .notDirectory: .invalid
            default: .system
            }
        self.init(kind, error.description)
    }

    /// The same of what a user knows: a descriptor has no name.
    init(_ error: SysError, on subject: String) {
        self.init(SysError(call: error.call, subject: subject, errno: error.errno, hint: error.hint))
    }

    /// The same error, said of something: `load app.tar: entry "a": bad checksum`.
    func within(_ subject: String) -> ImageError { ImageError(kind, "\(subject): \(description)") }

    /// The same error with what the user can do.
    func hinting(_ fix: String) -> ImageError { ImageError(kind, "\(description) (\(fix))") }
}

/// Runs calls of Linux; their errors become ours.
func kernel<R: ~Copyable>(_ body: () throws(SysError) -> R) throws(ImageError) -> R {
    do { return try body() } catch { throw ImageError(error) }
}

/// Names out of images are bytes of an attacker's choice: for messages, what is not printable ASCII is
/// escaped, so that no terminal acts on it.
func quoted(_ bytes: some Sequence<UInt8>) -> String {
    var text = "\""
    for byte in bytes.prefix(256) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += "\\" + String(UnicodeScalar(byte))
        case 0x20..<0x7f: text += String(UnicodeScalar(byte))
        default: text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
    }
    return text + "\""
}

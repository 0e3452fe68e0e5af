/// An operating system and architecture in Go's words (image-spec, image-index.md#platform).
public struct Platform: Hashable, Sendable, CustomStringConvertible {
    /// `linux`; other systems only stand in documents.
    public var os: String
    /// `amd64`, `arm64`.
    public var architecture: String
    /// `v8` of arm64.
    public var variant: String?

    /// A platform of its parts.
    public init(os: String = "linux", architecture: String, variant: String? = nil) {
        (self.os, self.architecture, self.variant) = (os, architecture, variant)
    }

    /// Takes `os/architecture[/variant]`, or one of the two: the other is the host's. The kernel's words for
    /// architectures mean Go's. Nil for anything else.
    public init?(_ text: String) {
        let parts = text.lowercased().split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (1...3).contains(parts.count), parts.allSatisfy(Self.isWord) else { return nil }
        if parts.count == 1 {
            self = .host
            if parts[0] == "linux" { return }
            guard let (architecture, variant) = Self.known[parts[0]] else { return nil }
            (self.architecture, self.variant) = (architecture, variant)
            return
        }
        let (architecture, variant) = Self.known[parts[1]] ?? (parts[1], nil)
        self.init(os: parts[0], architecture: architecture, variant: parts.count == 3 ? parts[2] : variant)
    }

    /// Whether its parts are words that its text can be made of, and read from again.
    var isValid: Bool { [os, architecture, variant ?? "v"].allSatisfy { Self.isWord($0.lowercased()) } }

    private static func isWord(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy {
                $0 >= 0x61 && $0 <= 0x7a || $0 >= 0x30 && $0 <= 0x39 || [0x2d, 0x2e, 0x5f].contains($0)
            }
    }

    /// The names of architectures that stand alone, and what they mean.
    private static let known: [String: (architecture: String, variant: String?)] = [
        "amd64": ("amd64", nil), "x86_64": ("amd64", nil), "x86-64": ("amd64", nil), "386": ("386", nil),
        "i386": ("386", nil), "arm64": ("arm64", nil), "aarch64": ("arm64", nil), "arm": ("arm", nil),
        "armhf": ("arm", "v7"), "armel": ("arm", "v6"), "riscv64": ("riscv64", nil), "s390x": ("s390x", nil),
        "ppc64le": ("ppc64le", nil), "loong64": ("loong64", nil), "mips64le": ("mips64le", nil),
    ]

    /// Whether it is the other one: what a document leaves open fits.
    public func runs(on other: Platform) -> Bool {
        os == other.os && architecture == other.architecture
            && (variant == nil || other.variant == nil || variant == other.variant)
    }

    /// The platform that this program was built for.
    public static var host: Platform {
        #if arch(arm64)
            Platform(architecture: "arm64", variant: "v8")
        #else
            Platform(architecture: "amd64")
        #endif
    }

    /// `os/architecture[/variant]`.
    public var description: String { [os, architecture, variant].compactMap(\.self).joined(separator: "/") }
}

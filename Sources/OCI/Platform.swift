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

    /// Takes `os/architecture[/variant]`; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 || parts.count == 3, parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.init(os: parts[0], architecture: parts[1], variant: parts.count == 3 ? parts[2] : nil)
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

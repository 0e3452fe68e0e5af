// What its name says has no comment.

import CLinux
import Glibc

/// An image that is made to hurt whoever unpacks or runs it, and what must become of it.
public struct HostileImage: Sendable, CustomStringConvertible {
    public enum Outcome: Sendable {
        /// Neither loaded, pulled nor built on.
        case refused
        /// It has these entries, as `HostileImage.listing` prints them.
        case placed([String])
        /// It is unpacked, and no container starts on it; the reason says this.
        case notRun(String)
    }
    /// What its documents say of the last layer and is not so.
    public enum Lie: Sendable { case none, diffID, digest, size }

    public let description: String
    /// Over the root of busybox.
    public let layers: [[UInt8]]
    public let outcome: Outcome
    /// Shell commands that pack the last layer, from standard input to standard output.
    public var packing: String?
    public var lie = Lie.none
    /// The user that it runs as.
    public var user = ""

    public init(_ name: String, _ outcome: Outcome, _ layers: [[UInt8]]) {
        (description, self.outcome, self.layers) = (name, outcome, layers)
    }
    public init(_ name: String, _ build: (inout RawTar) -> Void) {
        self.init(name, .refused, [RawTar.make(build)])
    }
    init(_ name: String, raw: [UInt8]) { self.init(name, .refused, [raw]) }
    init(_ name: String, want: [String], _ build: (inout RawTar) -> Void) {
        self.init(name, .placed(want), [RawTar.make(build)])
    }
    init(_ name: String, raw: [UInt8], want: [String]) { self.init(name, .placed(want), [raw]) }

    /// What a layer's tree has, a line each; markers of what it hides are among them.
    public var tree: [String] { if case .placed(let lines) = outcome { lines } else { [] } }

    /// What the image shows of that: markers are not to be seen.
    public var visible: [String] {
        tree.filter { !$0.hasSuffix(" character 0:0") && !$0.hasSuffix(" opaque=y") }
    }
    /// The names in `visible`.
    public var names: [String] {
        visible.compactMap { line in
            for kind in [" file ", " directory ", " character ", " fifo", " -> ", " absent", " sparse "] {
                if let found = line.firstRange(of: kind) { return String(line[..<found.lowerBound]) }
            }
            return nil
        }
    }

    /// Prints the lines of `visible` for its arguments.
    public static let listing = """
        cd /; for p; do
            m=$(stat -c %a "$p" 2>/dev/null)
            if [ -L "$p" ]; then echo "$p -> $(readlink "$p")"
            elif [ -d "$p" ]; then echo "$p directory $m"
            elif [ -p "$p" ]; then echo "$p fifo $m"
            elif [ -c "$p" ]; then echo "$p character $(stat -c %t:%T "$p")"
            elif [ -f "$p" ] && [ $(stat -c %s "$p") -gt 1000000 ]; then echo "$p sparse $(stat -c '%s %b' "$p")"
            elif [ -f "$p" ]; then echo "$p file $m $(cat "$p")"
            else echo "$p absent"; fi
        done
        """
}

extension HostileImage {
    /// Writes the image into a new directory: an OCI image layout, with docker's `manifest.json` beside its index.
    public func write(to directory: String, name: String, base: [UInt8]) throws {
        let blobs = directory + "/blobs/sha256"
        for path in [directory, directory + "/blobs", blobs] { mkdir(path, 0o755) }
        let all = [base] + layers
        var stored = all
        if let packing, let last = all.last { stored[all.count - 1] = try pack(last, packing, directory) }
        var diffIDs = all.map(digest)
        if lie == .diffID { diffIDs[all.count - 1] = digest([1]) }
        let config = Array(configuration(diffIDs).utf8)
        let manifest = Array(manifest(stored, config).utf8)
        for blob in stored + [config, manifest] { try writeFile("\(blobs)/\(digest(blob))", bytes: blob) }
        if lie == .digest, let last = stored.last {
            try writeFile("\(blobs)/\(digest(last))", bytes: last.reversed())
        }
        try writeFile(directory + "/oci-layout", "{\"imageLayoutVersion\": \"1.0.0\"}")
        try writeFile(
            directory + "/index.json",
            """
            {"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": "sha256:\(digest(manifest))", "size": \(manifest.count),
            "annotations": {"io.containerd.image.name": \(json(name))}}]}
            """)
        let paths = stored.map { json("blobs/sha256/\(digest($0))") }.joined(separator: ", ")
        try writeFile(
            directory + "/manifest.json",
            """
            [{"Config": "blobs/sha256/\(digest(config))", "RepoTags": [\(json(name))], "Layers": [\(paths)]}]
            """)
    }

    private func configuration(_ diffIDs: [String]) -> String {
        let layers = diffIDs.map { json("sha256:\($0)") }.joined(separator: ", ")
        #if arch(x86_64)
            let architecture = "amd64"
        #else
            let architecture = "arm64"
        #endif
        return """
            {"architecture": "\(architecture)", "os": "linux", "config": {"Cmd": ["/bin/sh"], "User": \(json(user)),
            "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}, "rootfs": {"type": "layers", "diff_ids": [\(layers)]}}
            """
    }

    private func manifest(_ layers: [[UInt8]], _ config: [UInt8]) -> String {
        let kind = "application/vnd.oci.image"
        let described = layers.enumerated().map { number, layer in
            let isLast = number == layers.count - 1
            let suffix = isLast && packing != nil ? "+gzip" : ""
            return """
                {"mediaType": "\(kind).layer.v1.tar\(suffix)", "digest": "sha256:\(digest(layer))",
                "size": \(layer.count + (isLast && lie == .size ? 512 : 0))}
                """
        }
        return """
            {"schemaVersion": 2, "mediaType": "\(kind).manifest.v1+json", "config": {
            "mediaType": "\(kind).config.v1+json", "digest": "sha256:\(digest(config))", "size": \(config.count)},
            "layers": [\(described.joined(separator: ", "))]}
            """
    }

    private func pack(_ layer: [UInt8], _ commands: String, _ directory: String) throws -> [UInt8] {
        try writeFile(directory + "/plain", bytes: layer)
        let outcome = try execute(["sh", "-c", "cd \(directory) && { \(commands); } <plain >packed"])
        guard outcome.code == 0 else { throw Trouble(because: "\(commands): \(outcome)") }
        let packed = try readBytes(directory + "/packed")
        for name in ["plain", "packed"] { unlink("\(directory)/\(name)") }
        return packed
    }
}

/// The hexadecimal digits of a SHA-256.
private func digest(_ bytes: some Sequence<UInt8>) -> String {
    var state = cl_sha256()
    cl_sha256_init(&state)
    Array(bytes).withUnsafeBytes { cl_sha256_update(&state, $0.baseAddress, $0.count) }
    var digest = [UInt8](repeating: 0, count: 32)
    cl_sha256_final(&state, &digest)
    return digest.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
}

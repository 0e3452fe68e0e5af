import Support
import Testing

/// What goes out of the store comes back the same, through our own commands and through other tools: digests where the
/// content is the same, and trees entry by entry (`tree.py` beside this file says what is compared).
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class RoundTripTests {
    static let skopeo = Host.has("/usr/bin/skopeo")
    static let umoci = Host.has("/usr/bin/umoci")
    static let registry = Host.has("/usr/bin/docker-registry")

    let apus: Engine
    /// Seven layers with every kind of entry, whiteouts, links, attributes, odd names and times.
    private let name = "fixture/everything"
    private let whole = "docker.io/fixture/everything:latest"
    private let digest: String
    private let tree: [String]

    init() throws {
        apus = try Engine()
        do {
            try apus.must("load", "-i", Host.fixture("archives/everything.tar"))
            digest = try Self.digest(name, apus)
            tree = try Self.tree(of: name, apus)
            guard tree.count > 300 else { throw Trouble(because: "the tree has \(tree.count) entries") }
        } catch {
            apus.tearDown()
            throw error
        }
    }
    deinit { apus.tearDown() }

    /// Of the manifest and of the configuration.
    private static func digest(_ name: String, _ apus: Engine, root: String? = nil) throws -> String {
        let root = root ?? apus.root
        let full = (name.hasPrefix("127.") ? "" : "docker.io/") + name + ":latest"
        let ask =
            ".manifests[] | select(.annotations[\"org.opencontainers.image.ref.name\"] == \"\(full)\") | .digest"
        let manifest = try apus.shell("jq -r '\(ask)' \(root)/index.json")
        let id = try apus.must("--root", root, "images", "-q", "--no-trunc", name)
        guard manifest.text.hasPrefix("sha256:"), manifest.lines.count == 1, id.hasPrefix("sha256:") else {
            throw Trouble(because: "\(name): \(manifest), \(id)")
        }
        return "\(manifest.text) \(id)"
    }

    /// A line for each entry of a directory or a tar.
    private static func tree(at path: String) throws -> [String] {
        let script = #filePath.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/tree.py"
        let outcome = try execute(["python3", script, path])
        guard outcome.code == 0 else { throw Trouble(because: "\(path): \(outcome)") }
        return outcome.lines
    }

    /// What a new container of the image has, without the file that tells programs where they are.
    private static func tree(of name: String, _ apus: Engine) throws -> [String] {
        let file = apus.directory + "/exported.tar"
        let id = try apus.must("create", name, "true")
        try apus.must("export", "-o", file, id)
        try apus.must("rm", id)
        return try tree(at: file).filter { !$0.hasPrefix(".dockerenv ") }
    }

    private func expectSame(
        _ found: [String], as wanted: [String]? = nil, location: SourceLocation = #_sourceLocation
    ) {
        let difference = found.difference(from: wanted ?? tree)
        #expect(difference.isEmpty, "\(difference)", sourceLocation: location)
    }

    /// Loads an archive into a store of its own: the image there has the digest.
    private func expectLoads(
        _ file: String, _ name: String, digest: String, location: SourceLocation = #_sourceLocation
    ) throws {
        let root = apus.directory + "/other"
        let loaded = try apus("--root", root, "load", "-q", "-i", file)
        #expect(loaded.code == 0, "\(loaded)", sourceLocation: location)
        let found = try Self.digest(name, apus, root: root)
        #expect(found == digest, sourceLocation: location)
        try apus.shell("rm -rf \(root)")
    }

    private func must(_ script: String) throws {
        let outcome = try apus.shell("cd \(apus.directory) && " + script)
        guard outcome.code == 0 else { throw Trouble(because: "\(script): \(outcome)") }
    }

    // MARK: our own commands

    @Test func savedAndLoadedItIsTheSame() throws {
        let file = apus.directory + "/saved.tar"
        try apus.must("save", "-o", file, name)
        try apus.must("rmi", name)
        try apus.must("load", "-i", file)
        #expect(try Self.digest(name, apus) == digest)
        expectSame(try Self.tree(of: name, apus))
        // Saving depends on nothing but the image.
        try apus.must("save", "-o", file + "2", name)
        try must("cmp \(file) \(file)2")
    }

    @Test func exportedAndImportedItIsTheSame() throws {
        let id = try apus.must("create", name, "true")
        let file = apus.directory + "/root.tar"
        try apus.must("export", "-o", file, id)
        try apus.must("import", file, "again")
        expectSame(try Self.tree(of: "again", apus))
        #expect(try apus("system", "check").code == 0)
    }

    @Test(.enabled(if: registry, "docker-registry is not installed"))
    func pushedAndPulledItIsTheSame() throws {
        try apus.startRegistry()
        let remote = "127.0.0.1:5000/team/everything"
        try apus.must("tag", name, remote)
        try apus.must("push", "-q", remote)
        for image in [remote, name] { try apus.must("rmi", image) }
        try apus.must("pull", "-q", remote)
        #expect(try Self.digest(remote, apus) == digest)
        expectSame(try Self.tree(of: remote, apus))
    }

    /// What is deleted and linked in a build's layer is what unpacking its blob again gives.
    @Test func whatIsBuiltIsWhatItsLayersSay() throws {
        try apus.write(
            "context/Dockerfile",
            """
            FROM \(name)
            RUN rm -rf /home /keep/two /first /opaque && mkdir /opaque
            RUN ln -s /x /s1 && ln /s1 /s2 && mkfifo /p1 && ln /p1 /p2
            """)
        try apus.must("build", "-q", "-t", "built", apus.directory + "/context")
        let check = try apus("system", "check")
        #expect(check.code == 0, "\(check)")
        try apus.must("save", "-o", apus.directory + "/built.tar", "built")
        let built = try Self.tree(of: "built", apus)
        try apus.must("rmi", "-f", "built")
        try apus.must("builder", "prune", "-af")
        try apus.must("load", "-i", apus.directory + "/built.tar")
        #expect(try Self.tree(of: "built", apus) == built)
        for (name, first) in [("s2", "s1"), ("p2", "p1")] {
            #expect(built.contains { $0.hasPrefix("\(name) ") && $0.hasSuffix(" is \(first)") }, "\(name)")
        }
    }

    // MARK: skopeo

    @Test(.enabled(if: skopeo, "skopeo is not installed"))
    func skopeoReadsTheStore() throws {
        let source = "oci:\(apus.root):\(whole)"
        let manifest = digest.prefix { $0 != " " }
        for form in ["oci:layout:\(whole)", "oci-archive:oci.tar:\(whole)", "dir:directory"] {
            try must("skopeo copy -q \(source) \(form)")
            let read = form.hasPrefix("dir") ? "dir:directory" : form
            let found = try apus.shell("cd \(apus.directory); skopeo inspect --format '{{.Digest}}' \(read)")
            #expect(found.text == manifest, "\(form): \(found)")
        }
        try expectLoads(apus.directory + "/oci.tar", name, digest: digest)
        // An archive of docker's has plain layers: another manifest, the same image.
        try must("skopeo copy -q \(source) docker-archive:docker.tar:\(name):latest")
        let root = apus.directory + "/other"
        try apus.must("--root", root, "load", "-q", "-i", apus.directory + "/docker.tar")
        #expect(try Self.digest(name, apus, root: root).hasSuffix(digest.drop { $0 != " " }))
        #expect(try apus("--root", root, "system", "check").code == 0)
    }

    @Test(.enabled(if: skopeo, "skopeo is not installed"))
    func skopeoReadsWhatWasSaved() throws {
        try apus.must("save", "-o", apus.directory + "/saved.tar", name)
        try must("skopeo copy -q oci-archive:saved.tar:latest oci-archive:copy.tar:\(whole)")
        try expectLoads(apus.directory + "/copy.tar", name, digest: digest)
        try must(
            "skopeo copy -q docker-archive:saved.tar:\(name):latest docker-archive:copy2.tar:\(name):latest")
        let ids = ["saved", "copy2"].map { file in
            "skopeo inspect --raw docker-archive:\(file).tar | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"config\"][\"digest\"])'"
        }
        let id = "\(digest.drop { $0 != " " }.dropFirst())"
        let found = try apus.shell("cd \(apus.directory); " + ids.joined(separator: "; "))
        #expect(found.lines == [id, id], "\(found)")
    }

    @Test(.enabled(if: skopeo, "skopeo is not installed"))
    func whatSkopeoWritesIntoTheStoreIsAnImage() throws {
        let archive = Host.fixture("archives/docker.tar")
        try must("skopeo copy -q docker-archive:\(archive) oci:\(apus.root):docker.io/by/skopeo:1")
        #expect(try apus.must("run", "--rm", "--network", "none", "by/skopeo:1", "echo", "ran") == "ran")
        // Names that were there stay.
        #expect(try Self.digest(name, apus) == digest)
        #expect(try apus("system", "check").code == 0)
        try apus.must("rmi", "by/skopeo:1")
        #expect(try apus("system", "check").code == 0)
    }

    @Test(
        .enabled(if: skopeo && registry, "skopeo or docker-registry is not installed"))
    func skopeoAndWeReadEachOthersPushes() throws {
        try apus.startRegistry()
        let (theirs, ours) = ("127.0.0.1:5000/by/skopeo", "127.0.0.1:5000/by/us")
        try must("skopeo copy -q --dest-tls-verify=false oci:\(apus.root):\(whole) docker://\(theirs):latest")
        try apus.must("tag", name, ours)
        try apus.must("push", "-q", ours)
        try must(
            "skopeo copy -q --src-tls-verify=false docker://\(ours):latest oci-archive:ours.tar:\(whole)")
        try expectLoads(apus.directory + "/ours.tar", name, digest: digest)
        for image in [ours, name] { try apus.must("rmi", image) }
        try apus.must("pull", "-q", theirs)
        #expect(try Self.digest(theirs, apus) == digest)
        expectSame(try Self.tree(of: theirs, apus))
        // Docker's own media types, and its plain archives.
        let archive = Host.fixture("archives/docker.tar")
        try must(
            "skopeo copy -q --dest-tls-verify=false --format v2s2 docker-archive:\(archive) docker://\(theirs):v2s2"
        )
        #expect(
            try apus.must("run", "-q", "--rm", "--network", "none", "\(theirs):v2s2", "echo", "ran") == "ran")
    }

    // MARK: umoci

    @Test(.enabled(if: umoci, "umoci is not installed"))
    func umociUnpacksTheStoreToTheSameTree() throws {
        try must("umoci unpack --image \(apus.root):\(whole) bundle")
        expectSame(try Self.tree(at: apus.directory + "/bundle/rootfs"))
    }

    @Test(.enabled(if: umoci, "umoci is not installed"))
    func whatUmociPacksIntoTheStoreIsAnImage() throws {
        let image = "--image \(apus.root):\(whole)"
        // It packs whole seconds.
        let change = "rm -r keep && echo new > made && touch -d @1600000000 made ."
        try must("umoci unpack \(image) bundle && cd bundle/rootfs && \(change)")
        try must("umoci repack --image \(apus.root):docker.io/by/umoci:2 bundle")
        let run = try apus(
            "run", "--rm", "--network", "none", "by/umoci:2", "sh", "-c", "cat /made; ls /keep")
        #expect(run.out == "new\n" && run.code != 0 && run.err.contains("/keep"), "\(run)")
        #expect(try Self.digest(name, apus) == digest)
        let packed = try Self.tree(at: apus.directory + "/bundle/rootfs")
        expectSame(try Self.tree(of: "by/umoci:2", apus), as: packed)
    }
}

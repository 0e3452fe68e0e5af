import Build
import Engine
import Linux
import OCI
import SystemPackage

/// `images`, `rmi`, `tag`, `import`, `load` and `save`.
enum ImagesCommand {
    static let images = Command(
        "images", group: "image", as: ["ls", "list"], "[REPOSITORY[:TAG]]", "List images", words: 0...1,
        flags: [
            .toggle("all", "a", "Show all images (none is hidden here)"),
            .toggle("digests", "Show digests"),
            .list(
                "filter", "f", "filter",
                "Filter output by before=, since=, until=, label=, reference= or dangling="),
            .value("format", "Print 'table', 'table TEMPLATE', 'json' or a Go template"),
            .toggle("no-trunc", "Don't truncate output"),
            .toggle("quiet", "q", "Only show image IDs"),
            .toggle("tree", "List images with what is here of them for each platform"),
        ]
    ) { arguments, session in
        let repository = arguments.words.first.flatMap { $0.isEmpty ? nil : $0 }
        var filters = ImageFilters()
        try arguments.eachFilter { text throws(UsageError) in try filters.add(text) }
        if arguments.isOn("tree") {
            for other in ["digests", "format", "no-trunc", "quiet"] where arguments.value(other) != nil {
                throw CommandFailure("conflicting options: --tree and --\(other)")
            }
            let trees = try session.imagesIfThere()?.trees(
                repository: repository, filters: filters
            ) { Standard.error("WARNING: \($0)") }
            try Listings.print(ImagesView.tree(trees ?? []), format: nil)
            return 0
        }
        let images = try session.imagesIfThere()?.list(
            repository: repository, filters: filters
        ) { Standard.error("WARNING: \($0)") }
        let format = arguments.value("format") ?? (arguments.isOn("quiet") ? "{{.ID}}" : nil)
        let listing = ImagesView.listing(
            images ?? [], now: .now(), truncates: !arguments.isOn("no-trunc"),
            showsDigests: arguments.isOn("digests"))
        try Listings.print(listing, format: format)
        return 0
    }

    static let remove = Command(
        "rmi", group: "image", as: ["rm", "remove"], "IMAGE [IMAGE...]", "Remove one or more images",
        words: Command.atLeast(1),
        flags: [
            .toggle("force", "f", "Force removal of the image")
        ] + Flag.accepted("no-prune", toggle: true) + Flag.later("platform")
    ) { arguments, session in
        let images = try session.images()
        let force = arguments.isOn("force")
        return try EachName.run(arguments.words) { name in
            guard let lines = try images.remove(name, force: force) else {
                return Standard.error("apus: No such image: \(name)")
            }
            for line in lines { try Standard.out("\(line)\n") }
        }
    }

    static let tag = Command(
        "tag", group: "image", "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
        "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", words: 2...2
    ) { arguments, session in
        try session.images().tag(arguments.words[0], as: arguments.words[1])
        return 0
    }

    static let importRoot = Command(
        "import", group: "image", "file|URL|- [REPOSITORY[:TAG]]",
        "Import the contents from a tarball to create a filesystem image", words: 1...2,
        flags: [
            .list("change", "c", "Apply Dockerfile instruction to the created image"),
            .value("message", "m", "string", "Set commit message for imported image"),
        ] + Flag.later("platform")
    ) { arguments, session in
        let source = arguments.words[0]
        let images = try session.images()
        let name = arguments.words.dropFirst().first
        let (message, changes) = (arguments.value("message"), arguments.values("change"))
        let id: Digest
        if source.contains("://") {
            Standard.error("Downloading from \(source)")
            id = try waiting {
                try await images.importRoot(
                    from: source, as: name, message: message, changes: changes,
                    environment: session.environment)
            }
        } else {
            let tar = try input(source == "-" ? nil : source)
            id = try naming(source) {
                try images.importRoot(tar, as: name, message: message, changes: changes)
            }
        }
        try Standard.out("\(id)\n")
        return 0
    }

    static let load = Command(
        "load", group: "image", "", "Load an image from a tar archive or STDIN",
        flags: [
            .value("input", "i", "string", "Read from tar archive file, instead of STDIN"),
            .accepted("quiet", "q"),
        ] + Flag.later("platform")
    ) { arguments, session in
        if arguments.value("input") == nil, Terminal.isTerminal(0) {
            throw CommandFailure.bare("requested load from stdin, but stdin is empty")
        }
        let archive = try input(arguments.value("input"))
        var failure: SysError?
        let images = try session.images()
        try naming(arguments.value("input") ?? "-") {
            try images.load(archive) { line in
                do throws(SysError) { try Standard.out("\(line)\n") } catch { failure = error }
            }
        }
        if let failure { throw failure }
        return 0
    }

    static let save = Command(
        "save", group: "image", "IMAGE [IMAGE...]",
        "Save one or more images to a tar archive (streamed to STDOUT by default)",
        words: Command.atLeast(1),
        flags: [
            .value("compression", "How to compress the archive: none, gzip or zstd"),
            .value("output", "o", "string", "Write to a file, instead of STDOUT"),
        ] + Flag.later("platform")
    ) { arguments, session in
        let images = try session.images()
        try OutputFile.write(arguments.value("output"), "failed to save image") {
            try images.save(arguments.words, to: $0, compression: arguments.value("compression") ?? "none")
        }
        return 0
    }

    /// Errors about what was read say which file it was.
    private static func naming<R>(_ source: String, _ body: () throws -> R) throws -> R {
        do { return try body() } catch let error as DockerfileError {
            throw error
        } catch let error as ReferenceError {
            throw error
        } catch {
            let text = "\(error)"
            throw CommandFailure(source == "-" || text.contains(source) ? text : "\(source): \(text)")
        }
    }

    /// A file of the user's, or stdin.
    private static func input(_ path: String?) throws -> FD {
        guard let path else { return try Standard.duplicate(0) }
        do { return try FD.open(FilePath(path)) } catch {
            throw CommandFailure.bare("open \(path): \("\(error.errno)".lowercased())")
        }
    }
}

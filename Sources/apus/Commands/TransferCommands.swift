import Engine
import Linux
import OCI

/// `pull` and `push`.
enum TransferCommands {
    private static let progress = Flag.value(
        "progress", "Kind of progress output: auto, tty, plain, json or quiet")

    static let pull = Command(
        "pull", group: "image", "NAME[:TAG|@DIGEST]", "Download an image from a registry", words: 1...1,
        flags: [
            .toggle("all-platforms", "Pull the images for all platforms; the name means the host's"),
            .toggle("all-tags", "a", "Download all tagged images in the repository"),
            .value("platform", "Set platform if server is multi-platform capable"),
            .toggle("quiet", "q", "Suppress verbose output"), progress,
        ] + Flag.constant("disable-content-trust")
    ) { arguments, session in
        let display = try ProgressDisplay(mode(arguments), to: 1)
        let title = try display.telling {
            let name = try reference(arguments, on: display)
            let (images, choice) = (try session.images(), try choice(arguments))
            let pulled = try waiting {
                try await images.pull(name, choice, environment: session.environment) {
                    show($0, on: display)
                }
            }
            for image in pulled where choice.platform.map({ !image.platform.runs(on: $0) }) ?? false {
                Standard.error(
                    "WARNING: image with reference \(image.name) was found but does not match the specified "
                        + "platform: wanted \(choice.platform ?? .host), actual: \(image.platform)")
            }
            return choice.hasAllTags ? name.repository : name.canonical
        }
        if mode(arguments) != "json" { try Standard.out("\(title)\n") }
        return 0
    }

    private static func choice(_ arguments: Arguments) throws -> PullChoice {
        var choice = PullChoice()
        choice.hasAllTags = arguments.isOn("all-tags")
        choice.hasAllPlatforms = arguments.isOn("all-platforms")
        guard let text = arguments.value("platform") else { return choice }
        guard let platform = Platform(text) else {
            throw CommandFailure("\"\(text)\" is an invalid platform: it is os/architecture[/variant]")
        }
        if choice.hasAllPlatforms {
            throw CommandFailure("conflicting options: --platform and --all-platforms")
        }
        choice.platform = platform
        return choice
    }

    static let push = Command(
        "push", group: "image", "NAME[:TAG]", "Upload an image to a registry", words: 1...1,
        flags: [
            .toggle("all-tags", "a", "Push all tags of an image to the repository"),
            .toggle("quiet", "q", "Suppress verbose output"), progress,
        ] + Flag.later("platform") + Flag.constant("disable-content-trust")
    ) { arguments, session in
        let display = try ProgressDisplay(mode(arguments), to: 1)
        let names = try display.telling {
            let name = try reference(arguments, on: display)
            let images = try session.images()
            let names = arguments.isOn("all-tags") ? try images.tags(of: name) : [name]
            try waiting {
                try await images.push(names, environment: session.environment) { show($0, on: display) }
            }
            return names
        }
        if mode(arguments) == "quiet" {
            for name in names { try Standard.out("\(name.canonical)\n") }
        }
        return 0
    }

    private static func mode(_ arguments: Arguments) -> String {
        arguments.isOn("quiet") ? "quiet" : arguments.value("progress") ?? "auto"
    }

    /// The name that was typed; that a tag is taken for granted is told.
    private static func reference(
        _ arguments: Arguments, on display: ProgressDisplay
    ) throws -> Reference {
        let text = arguments.words[0]
        let name: Reference
        do { name = try Reference(text) } catch { throw CommandFailure("\(error)") }
        let hasTag = Reference.hasTagOrDigest(text)
        if arguments.isOn("all-tags") {
            guard !hasTag else { throw CommandFailure("tag can't be used with --all-tags/-a") }
        } else if !hasTag {
            display.say("Using default tag: latest")
        }
        return name
    }

    // MARK: what is shown, in docker's words

    private static func show(_ event: PullEvent, on display: ProgressDisplay) {
        switch event {
        case .begun(let name):
            display.say("Pulling from \(name.path)", id: name.digest.map { "\($0)" } ?? name.tag)
        case .warning(let text): Standard.error("WARNING: \(text)")
        case .waiting: display.say("Waiting for another pull of the same layers")
        case .layer(let id, let state): show(id, state, on: display)
        case .done(let image):
            display.say("Digest: \(image.digest)")
            display.say(
                image.isUpToDate
                    ? "Status: Image is up to date for \(image.name)"
                    : "Status: Downloaded newer image for \(image.name)")
        }
    }

    private static func show(_ id: String, _ state: PullEvent.LayerState, on display: ProgressDisplay) {
        switch state {
        case .found: display.show(id, "Already exists")
        case .pulling: display.show(id, "Pulling fs layer")
        case .downloading(let count, let size): display.show(id, "Downloading", (count, size))
        case .unpacking: display.show(id, "Extracting")
        case .complete: display.show(id, "Pull complete")
        case .again(let reason): display.show(id, "Retrying (\(escapeControls(reason)))")
        }
    }

    private static func show(_ event: PushEvent, on display: ProgressDisplay) {
        switch event {
        case .begun(let name): display.say("The push refers to repository [\(name.repository)]")
        case .warning(let text): Standard.error("WARNING: \(text)")
        case .layer(let id, let state):
            switch state {
            case .preparing: display.show(id, "Preparing")
            case .sending(let count, let size): display.show(id, "Pushing", (count, size))
            case .sent: display.show(id, "Pushed")
            case .found: display.show(id, "Layer already exists")
            case .mounted(let path): display.show(id, "Mounted from \(path)")
            }
        case .done(let tag, let digest, let size):
            display.say("digest: \(digest) size: \(size)", id: tag)
            display.end(
                .fields(["Tag": .string(tag), "Digest": .string("\(digest)"), "Size": .int(Int64(size))]))
        }
    }
}

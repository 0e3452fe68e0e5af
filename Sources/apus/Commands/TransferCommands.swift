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
            .value("platform", "Set platform if server is multi-platform capable"),
            .toggle("quiet", "q", "Suppress verbose output"), progress,
        ] + Flag.later("all-tags", toggle: true) + Flag.later("disable-content-trust", toggle: true)
    ) { arguments, session in
        let name = try reference(arguments.words[0])
        let display = try ProgressDisplay(mode(arguments), to: 1)
        if name.tag == "latest", !arguments.words[0].hasSuffix(":latest") {
            display.say("Using default tag: latest")
        }
        var platform: Platform?
        if let text = arguments.value("platform") {
            platform = Platform(text)
            guard platform != nil else {
                throw CommandFailure("\"\(text)\" is an invalid platform: it is os/architecture[/variant]")
            }
        }
        let (images, chosen) = (try session.images(), platform)
        let pulled = try waiting {
            try await images.pull(name, platform: chosen, environment: session.environment) {
                show($0, on: display)
            }
        }
        if mode(arguments) != "json" { try Standard.out("\(pulled.name.canonical)\n") }
        return 0
    }

    static let push = Command(
        "push", group: "image", "NAME[:TAG]", "Upload an image to a registry", words: 1...1,
        flags: [.toggle("quiet", "q", "Suppress verbose output"), progress]
            + Flag.later("all-tags", toggle: true) + Flag.later("platform")
            + Flag.later("disable-content-trust", toggle: true)
    ) { arguments, session in
        let name = try reference(arguments.words[0])
        let display = try ProgressDisplay(mode(arguments), to: 1)
        if name.tag == "latest", !arguments.words[0].hasSuffix(":latest") {
            display.say("Using default tag: latest")
        }
        let images = try session.images()
        try waiting {
            try await images.push(name, environment: session.environment) { show($0, on: display) }
        }
        if mode(arguments) == "quiet" { try Standard.out("\(name.canonical)\n") }
        return 0
    }

    private static func mode(_ arguments: Arguments) -> String {
        arguments.isOn("quiet") ? "quiet" : arguments.value("progress") ?? "auto"
    }

    private static func reference(_ text: String) throws -> Reference {
        do { return try Reference(text) } catch { throw CommandFailure("\(error)") }
    }

    // MARK: what is shown, in docker's words

    private static func show(_ event: PullEvent, on display: ProgressDisplay) {
        switch event {
        case .begun(let name):
            display.say("Pulling from \(name.path)", id: name.digest.map { "\($0)" } ?? name.tag)
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
        case .layer(let id, let state):
            switch state {
            case .preparing: display.show(id, "Preparing")
            case .sending(let count, let size): display.show(id, "Pushing", (count, size))
            case .sent: display.show(id, "Pushed")
            case .found: display.show(id, "Layer already exists")
            case .mounted(let path): display.show(id, "Mounted from \(path)")
            }
        case .done(let tag, let digest, let size): display.say("digest: \(digest) size: \(size)", id: tag)
        }
    }
}

import Build
import Engine
import Linux
import OCI
import SystemPackage

/// `build`.
enum BuildCommand {
    static let build = Command(
        "build", group: "image", "PATH | -", "Build an image from a Dockerfile", words: 1...1,
        flags: [
            .list("build-arg", "Set build-time variables"),
            .value("file", "f", "string", "Name of the Dockerfile (default: PATH/Dockerfile)"),
            .value("iidfile", "Write the image ID to the file"),
            .list("label", "Set metadata for an image"),
            .value("network", "Set the networking mode for the RUN instructions (default, none, host)"),
            .toggle("no-cache", "Do not use cache when building the image"),
            .toggle("pull", "Always attempt to pull all referenced images"),
            .toggle("quiet", "q", "Suppress the build output and print image ID on success"),
            .list("tag", "t", "list", "Name and optionally a tag in the \"name:tag\" format"),
            .value("platform", "Build for this platform: the host's (os/architecture)"),
            .value("target", "Set the target build stage to build"),
        ]
            + Flag.later(
                "add-host", "memory", "memory-swap", "cpu-shares", "cpu-period",
                "cpu-quota", "cpuset-cpus", "cpuset-mems", "shm-size", "ulimit", "secret", "ssh", "output",
                "cgroup-parent", "build-context", "cache-to", "allow", "annotation", "attest",
                "metadata-file", "no-cache-filter", "provenance", "sbom", "builder")
            + Flag.later("push", "check", toggle: true)
            // Intermediate containers are always removed, images are here at once.
            + Flag.accepted("load", "rm", "force-rm", toggle: true)
            + Flag.accepted("progress", "cache-from")
            + Flag.ignored("compress", "squash", toggle: true) + Flag.constant("disable-content-trust")
            + Flag.ignored("isolation", "security-opt")
    ) { arguments, session in
        var failure: SysError?
        let options = try options(arguments, session)
        do {
            let puller = session.puller(policy: .always, isQuiet: options.quiet)
            try session.images().build(options, puller: puller) { report in
                do throws(SysError) { try print(report) } catch { failure = failure ?? error }
            }
        } catch let error as BuildError {
            // docker ends with the code of the command that failed.
            throw CommandFailure("\(error)", code: error.exitCode)
        }
        if let failure { throw failure }
        return 0
    }

    private static func print(_ report: BuildReport) throws(SysError) {
        switch report {
        case .line(let text): try Standard.out(text + "\n")
        case .warning(let text): Standard.error(text)
        case .output(let bytes): try Standard.write(bytes, to: 1)
        case .log(let bytes): try Standard.write(bytes, to: 2)
        }
    }

    private static func options(_ arguments: Arguments, _ session: Session) throws -> BuildOptions {
        let path = arguments.words[0]
        if path == "-" { throw CommandFailure("a context from stdin is not supported yet: give a directory") }
        if path.contains("://") || path.hasPrefix("git@") {
            throw CommandFailure(
                "a remote context is not supported yet: fetch \(path) first and give its directory")
        }
        var options = BuildOptions(contextPath: FilePath(path))
        options.dockerfilePath = arguments.value("file").map { FilePath($0) }
        options.tags = try arguments.eachParsed("tag") { try Reference($0) }
        options.buildArguments = arguments.values("build-arg").map { text in
            let name = String(text.prefix { $0 != "=" })
            let value =
                text.contains("=") ? String(text.dropFirst(name.count + 1)) : session.environment[name]
            return (name: name, value: value)
        }
        options.labels = try arguments.eachParsed("label") { text in
            let label = try EnvFile.label(text)
            return (name: label.key, value: label.value)
        }
        if let text = arguments.value("platform") { try requireHost(text) }
        options.target = arguments.value("target")
        options.noCache = arguments.isOn("no-cache")
        options.pulls = arguments.isOn("pull")
        options.quiet = arguments.isOn("quiet")
        options.idFile = arguments.value("iidfile").map { FilePath($0) }
        options.network = try arguments.parsed("network", network) ?? "default"
        options.sourceDateEpoch = session.environment["SOURCE_DATE_EPOCH"]
        return options
    }

    private static func requireHost(_ text: String) throws {
        let host = Platform.host
        guard let wanted = Platform(text) else {
            throw CommandFailure("\"\(text)\" is an invalid platform: want os/architecture, as in \(host)")
        }
        guard wanted.os == host.os, wanted.architecture == host.architecture else {
            throw CommandFailure(
                "--platform \(text) is not supported yet: builds are for this host's \(host)")
        }
    }

    private static func network(_ text: String) throws(UsageError) -> String {
        switch text {
        case "default", "bridge": return "default"
        case "none", "host": return text
        default:
            throw UsageError("network mode \"\(text)\" not supported by build: use default, none or host")
        }
    }
}

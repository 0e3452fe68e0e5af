import Engine
import Linux
import OCI
import SystemPackage

/// One call of the program: its global options and what it inherited.
struct Session: Sendable {
    /// `--root` and `--run` as typed.
    var root: String?
    var run: String?
    /// Say on stderr what is done.
    var debugs = false
    /// DOCKER_CONFIG is what `--config` said.
    var environment: [String: String]

    init(environment: [String]) {
        var variables: [String: String] = [:]
        for variable in environment {
            guard let equals = variable.firstIndex(of: "=") else { continue }
            variables[String(variable[..<equals])] = String(variable[variable.index(after: equals)...])
        }
        self.environment = variables
    }

    /// The client's own environment, directory and files, for what refers to them.
    func client() throws -> Client {
        let directory = try FD.open("/proc/self", .path).readSymlink("cwd").string
        return Client(environment: environment, directory: directory) { path in
            do throws(SysError) {
                return try FD.open(FilePath(path)).readAll(limit: 16 << 20)
            } catch { throw UsageError("open \(path): \("\(error.errno)".lowercased())") }
        }
    }

    /// Where this engine keeps what.
    func paths() throws -> EnginePaths {
        try EnginePaths(root: root, run: run, environment: { environment[$0] }, configuration())
    }

    /// What the host's administrator has chosen.
    func configuration() throws -> Configuration {
        let path = environment["APUS_CONFIG"] ?? Configuration.standardPath
        do {
            return try Configuration(FD.open(FilePath(path)).readAll(limit: 1 << 20))
        } catch let error as SysError
            where error.errno == .noSuchFileOrDirectory
            && environment["APUS_CONFIG"] == nil
        {
            return Configuration()
        } catch let error as UsageError {
            throw CommandFailure("the configuration \(path): \(error)", code: 125)
        }
    }

    func containers() throws -> Containers { Containers(paths: try paths()) }

    func volumes() throws -> VolumeCatalog { VolumeCatalog(paths: try paths()) }

    func images() throws -> ImageCatalog { try ImageCatalog(paths: try paths()) }

    /// nil where no engine has been yet: a mere look makes nothing.
    func imagesIfThere() throws -> ImageCatalog? {
        let paths = try paths()
        return try FD.directoryIfThere(paths.root) == nil ? nil : ImageCatalog(paths: paths)
    }

    /// Pulls by a process of its own: that needs threads, and this one is about to start a container. Its progress goes to
    /// stderr, where docker has it too.
    func puller(policy: RunOptions.Pull, isQuiet: Bool) -> Pulling {
        { name, platform in
            // What is no name, pulling refuses.
            let reference = try? Reference(name)
            if policy == .missing, !isQuiet {
                Standard.error("Unable to find image '\(reference.map { "\($0)" } ?? name)' locally")
            }
            var words = ["apus"]
            if let root { words += ["--root", root] }
            if let run { words += ["--run", run] }
            words += ["pull"] + (isQuiet ? ["--quiet"] : [])
            if let platform { words += ["--platform", "\(platform)"] }
            let own = try FD.open("/proc/self", .path).readSymlink("exe")
            let pid = try Process.spawn(
                path: own, arguments: words + ["--", reference?.canonical ?? name],
                environment: environment.map { "\($0.key)=\($0.value)" }, stdio: [-1, 2, -1])
            // Why, it has said itself.
            guard try Process.wait(pid: pid).code == 0 else {
                throw EngineError("\(escapeControls(name)) was not pulled")
            }
        }
    }

    /// Where --debug asks for it, the plan of a start; what is wrong with it is the start's to tell.
    func debugPlan(_ id: String, _ containers: Containers) {
        guard debugs else { return }
        do {
            let plan = try containers.plan(of: id).text
            debug(plan)
        } catch { debug("no plan: \(error)") }
    }

    /// Says what is done, where --debug asks for it.
    func debug(_ text: @autoclosure () -> String) {
        guard debugs else { return }
        for line in text().split(separator: "\n") {
            Standard.error("debug: \(line)")
        }
    }
}

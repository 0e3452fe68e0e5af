import Linux
import OCI
import Runtime
import SystemPackage

extension Command {
    static let exec = Command(
        "exec", "[FLAGS] ID [COMMAND [ARG...]]", "start one more process in a running container",
        flags: [
            "process,p=", "console-socket=", "pid-file=", "pidfd-socket=", "detach,d", "tty,t", "cwd=",
            "env,e=",
            "user,u=", "additional-gids,g=", "cap,c=", "apparmor=", "process-label=", "no-new-privs",
            "preserve-fds=", "cgroup=", "ignore-paused", "no-subreaper",
        ]
    ) { context throws(RuntimeError) in
        guard let id = context.arguments.words.first else {
            throw RuntimeError("\"exec\" requires a container id")
        }
        do throws(RuntimeError) {
            let options = try makeOptions(id, context)
            let process = try hidingArguments { () throws(RuntimeError) in try execInContainer(options) }
            if context.arguments.has("detach") { return 0 }
            return try Foreground.stay(with: process)
        } catch {
            // As runc: apart from most codes of a command that did run. Engines look at the words.
            throw RuntimeError(error.description, exitCode: 255)
        }
    }
}

private func makeOptions(_ id: String, _ context: Context) throws(RuntimeError) -> ExecOptions {
    let arguments = context.arguments
    var options = ExecOptions(id: id, root: context.root, process: try makeProcess(context))
    (options.pidFile, options.consoleSocket) = (context.path("pid-file"), context.path("console-socket"))
    options.pidfdSocket = context.path("pidfd-socket")
    options.preservedDescriptors = try arguments.preservedDescriptors()
    options.cgroup = context.path("cgroup")
    options.ignoresPause = arguments.has("ignore-paused")
    options.warn = context.warn
    if arguments.has("detach"), options.process.terminal, options.consoleSocket == nil {
        throw RuntimeError("cannot allocate tty if runc will detach without setting console socket")
    }
    return options
}

/// The document of `--process`, or the container's own process with the changes that the flags say.
private func makeProcess(_ context: Context) throws(RuntimeError) -> ExecProcess {
    if let file = context.path("process") {
        do {
            return .given(try RuntimeSpec.Process(JSON(parsing: FD.open(file).readAll(limit: 16 << 20))))
        } catch {
            throw RuntimeError("unable to read the process of \(file): \(error)")
        }
    }
    let arguments = context.arguments
    var changes = ExecChanges()
    changes.args = Array(arguments.words.dropFirst())
    guard !changes.args.isEmpty else { throw RuntimeError("process args cannot be empty") }
    changes.env = arguments.all("env")
    (changes.cwd, changes.terminal, changes.user) = (
        arguments["cwd"], arguments.has("tty"), arguments["user"]
    )
    for text in arguments.all("additional-gids") {
        guard let gid = UInt32(text) else { throw RuntimeError("invalid additional gid \"\(text)\"") }
        changes.additionalGids.append(gid)
    }
    changes.capabilities = arguments.all("cap")
    (changes.apparmorProfile, changes.selinuxLabel) = (arguments["apparmor"], arguments["process-label"])
    if arguments.has("no-new-privs") { changes.noNewPrivileges = true }
    return .changed(changes)
}

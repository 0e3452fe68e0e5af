import Linux
public import OCI
import SystemPackage

/// The points of a container's life at which hooks run, in their order (runtime-spec 1.2, config.md#posix-platform-hooks).
///
/// `prestart` and `createRuntime` run on the host when the container's mounts are there and its process has not
/// pivoted, `createContainer` then in that process before the pivot (paths are still the host's),
/// `startContainer` in it after `start`, before its exec; `poststart` and `poststop` on the host.
public enum HookPoint: String, CaseIterable, Sendable {
    case prestart, createRuntime, createContainer, startContainer, poststart, poststop

    /// Whether the hooks run in the container's own first process, where the bundle has another name or none.
    var isInside: Bool { self == .createContainer || self == .startContainer }
}

extension RuntimeSpec.Hooks {
    /// The hooks of one point, in their order.
    public subscript(point: HookPoint) -> [RuntimeSpec.Hook] {
        switch point {
        case .prestart: prestart
        case .createRuntime: createRuntime
        case .createContainer: createContainer
        case .startContainer: startContainer
        case .poststart: poststart
        case .poststop: poststop
        }
    }
}

/// Runs the hooks of a point one after the other, each with `state` on its standard input. The first one that
/// fails ends it with an error in runc's words: the container is then stopped and destroyed. The caller has one
/// thread; a child between clone and exec may call this too, with the pid that it has itself in `state`.
/// `environment` is that of a hook without its own (runc gives `startContainer` hooks the process's).
public func runHooks(
    _ hooks: [RuntimeSpec.Hook], at point: HookPoint, state: ContainerState, environment: [String] = []
) throws(RuntimeError) {
    for (i, given) in hooks.enumerated() {
        var hook = given
        if hook.env.isEmpty { hook.env = environment }
        if let failure = run(hook, i, at: point, state) { throw failure }
    }
}

/// Runs the hooks after a container was deleted: what fails is for the log, and the others run nevertheless.
public func runPoststopHooks(_ hooks: [RuntimeSpec.Hook], state: ContainerState) -> [RuntimeError] {
    hooks.indices.compactMap { run(hooks[$0], $0, at: .poststop, state) }
}

private func run(
    _ hook: RuntimeSpec.Hook, _ position: Int, at point: HookPoint, _ state: ContainerState
) -> RuntimeError? {
    let failure: String?
    do {
        let process = try HookProcess(
            hook, directory: point.isInside ? nil : state.bundle, input: state.json().bytes)
        failure = try process.wait()
    } catch {
        failure = "\(error.call) \(error.subject): \("\(error.errno)".lowercased())"
    }
    return failure.map { RuntimeError("error running \(point.rawValue) hook #\(position): \($0)") }
}

/// A hook that runs.
private struct HookProcess: ~Copyable {
    /// Of each stream; a child tells its parent of the failure in one message of 4096 bytes.
    static let outputLimit = 1500

    private let pidfd: Pidfd
    private let output: Linux.Pipe
    private let errors: Linux.Pipe
    private let timeout: Int32?

    /// Starts it with exactly the arguments and the environment of its configuration. Its input is a file in
    /// memory, so that it may leave it unread.
    init(_ hook: RuntimeSpec.Hook, directory: String?, input: [UInt8]) throws(SysError) {
        let stdin = try FD.inMemory("container-state", input)
        let output = try Pipe()
        let errors = try Pipe()
        try output.read.setNonBlocking(true)
        try errors.read.setNonBlocking(true)
        let before = directory.map(enter) ?? nil
        let pidfd: Pidfd
        do {
            pidfd = try Process.spawnHeld(
                path: FilePath(hook.path), arguments: hook.args.isEmpty ? [hook.path] : hook.args,
                environment: hook.env, stdio: [stdin.raw, output.write.raw, errors.write.raw])
        } catch {
            leave(to: before)
            // runc's words, which engines look for.
            throw error.call == "execve"
                ? SysError(call: "fork/exec", subject: hook.path, errno: error.errno) : error
        }
        leave(to: before)
        self.pidfd = pidfd
        self.output = output
        self.errors = errors
        timeout = hook.timeout
    }

    /// Waits for its end or the end of its time; why it failed, nil when it did not.
    func wait() throws(SysError) -> String? {
        var (stdout, stderr) = ([UInt8](), [UInt8]())
        let started = Timestamp.sinceBoot()
        while true {
            var poll = Poll()
            poll.add(pidfd.fd, .readable)
            poll.add(output.read, .readable)
            poll.add(errors.read, .readable)
            let rest = timeout.map { Double($0) - Timestamp.sinceBoot().elapsed(since: started) }
            _ = try poll.wait(milliseconds: rest.map { Int32(clamping: Int(max($0, 0) * 1000) + 1) } ?? -1)
            output.read.drain(into: &stdout)
            errors.read.drain(into: &stderr)
            if poll[0].contains(.readable) { break }
            if let timeout, let rest, rest <= 0 {
                try pidfd.send(signal: Signal.kill)
                _ = try pidfd.reap(wait: true)
                return "hook ran past specified timeout of \(timeout).0s"
            }
        }
        guard let status = try pidfd.reap(wait: true), status.code != 0 else { return nil }
        let reason = status.signal.map { "signal: \(Signal.text($0))" } ?? "exit status \(status.code)"
        return "\(reason), stdout: \(text(stdout)), stderr: \(text(stderr))"
    }

    private func text(_ bytes: [UInt8]) -> String {
        var bytes = bytes
        while bytes.last == 0x0a { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension FD {
    /// Takes what is there and keeps what fits: a hook that says much does not wait for a reader.
    fileprivate func drain(into kept: inout [UInt8]) {
        // EAGAIN: nothing more now.
        while let bytes = try? readSome(limit: 4096), !bytes.isEmpty {
            kept += bytes.prefix(HookProcess.outputLimit - kept.count)
        }
    }
}

/// Goes to the bundle, as runc's hooks find themselves there; answers the directory to come back to. A bundle that
/// is gone when the container is deleted is no reason to skip its hooks.
private func enter(_ directory: String) -> FD? {
    guard let before = try? FD.open(".", [.path, .directory]),  // nowhere to come back to
        let bundle = try? FD.open(FilePath(directory), [.path, .directory])  // see above
    else { return nil }
    try? Kernel.changeDirectory(bundle)  // see above
    return before
}

private func leave(to before: borrowing FD?) {
    before.withFD { try? Kernel.changeDirectory($0) }  // it was the directory of this process
}

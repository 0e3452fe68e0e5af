import Linux
import OCI
import SystemPackage

/// What a plan needs to know of a process described by a runtime-spec document: numbers only, so the container's
/// files are read for nothing but its user's home.
func processFacts(
    _ process: RuntimeSpec.Process, seccomp: RuntimeSpec.Seccomp?, in root: borrowing FD,
    _ record: ContainerRecord, stateRoot: FilePath, warn: @escaping (String) -> Void
) throws(RuntimeError) -> CreateFacts {
    let user = process.user
    var groups = [user.gid]
    for group in user.additionalGids where !groups.contains(group) { groups.append(group) }
    let credentials = Credentials(
        uid: user.uid, gid: user.gid, groups: groups, home: home(of: user.uid, process.env, in: root, warn))
    let stdio: ProcessStdio =
        process.terminal
        ? .terminal(process.consoleSize.map { WindowSize(rows: $0.height, columns: $0.width) })
        : .descriptors(stdin: 0, stdout: 1, stderr: 2)
    let filter = try seccomp.map { spec throws(RuntimeError) in
        try SeccompFilter(
            spec, cache: SeccompCache(directory: stateRoot.appending(StateDirectory.filters)),
            ignoresUnknownCalls: record.annotations[Annotations.failsOnUnknownCalls] == nil)
    }
    var facts = CreateFacts(
        credentials: credentials, stdio: stdio, seccomp: filter ?? .unconfined,
        keyringName: "_ses.\(record.id)")
    facts.warn = warn
    facts.seccompListener = seccomp.flatMap {
        SeccompListener($0, state: record.state(.creating, pid: record.pid))
    }
    return facts
}

/// A container that spoils its user database cannot keep us from starting processes in it.
private func home(
    of uid: UInt32, _ env: [String], in root: borrowing FD, _ warn: (String) -> Void
) -> String {
    guard (env.last { $0.hasPrefix("HOME=") } ?? "HOME=") == "HOME=" else { return "/" }
    do throws(SysError) { return try UserDatabase(root: root).home(of: uid) } catch {
        warn("HOME is / without a user database: \(error)")
        return "/"
    }
}

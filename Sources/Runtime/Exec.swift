public import Linux
public import OCI
import SystemPackage

/// Plans a further process in a running container: the same order of stdio, limits, user, capabilities and seccomp
/// as its first one, from the same function.
public func planExec(
    _ process: RuntimeSpec.Process, of linux: RuntimeSpec.Linux = RuntimeSpec.Linux(), _ facts: CreateFacts
) throws(RuntimeError) -> CreatePlan {
    var steps: [ChildStep] = try planLabels(process) + [.joinNamespaces]
    if let name = facts.keyringName { steps.append(.joinSessionKeyring(name)) }
    steps.append(.newSession)
    if case .terminal(let size) = facts.stdio { steps.append(.openTerminal(size)) }
    steps.append(.awaitParent)
    let attributes = try ProcessAttributes(process, of: linux)
    steps += try planProcess(process, attributes, facts)
    return CreatePlan(
        namespaces: NamespacePlan(uidMap: facts.uidMap), steps: steps, process: process,
        attributes: attributes, facts)
}

/// Starts a process in the namespaces and the cgroup of a running container. This process has one thread and is
/// used for nothing else: its children are in the container's pid namespace from here on.
public func execProcess(
    _ plan: CreatePlan, _ facts: CreateFacts, in container: borrowing Pidfd, cgroup: CInt?
) throws(RuntimeError) -> RunningProcess {
    var plan = plan
    if plan.foreign.contains(.user), Process.effectiveUser != 0 {
        // Only inside of the user namespace may we join the others.
        plan.namespaces.joined = [Namespaces.user, .pid].map {
            NamespacePlan.Joined(kind: $0, path: "/proc/\(container.pid)/ns/\($0.fileName)")
        }
    } else {
        do {
            try Process.enter(.pid, of: container.fd)
        } catch {
            throw RuntimeError("unable to enter the container: \(error)")
        }
    }
    let target = try asStartError { () throws(SysError) in try container.fd.duplicate() }
    return try startProcess(plan, facts, root: target, cgroup: cgroup) { _ throws(RuntimeError) in
        // Its pid may have become somebody else's while we looked at its namespaces.
        guard !container.hasEnded() else { throw RuntimeError("container not running") }
    }
}

extension Pidfd {
    /// Which of its user and time namespaces are not ours: only another user namespace can be joined (setns(2)), and
    /// to join another clock costs time.
    func foreignNamespaces() throws(SysError) -> Namespaces {
        var foreign: Namespaces = []
        for kind: Namespaces in [.user, .time] {
            let name = "ns/\(kind.fileName)"
            do {
                let own = try FD.open(FilePath("/proc/self/\(name)")).status()
                let other = try FD.open(FilePath("/proc/\(pid)/\(name)")).status()
                // Times are no part of what it is: the kernel makes them anew with each look.
                if (own.device, own.inode) != (other.device, other.inode) { foreign.insert(kind) }
            } catch {
                // A kernel without namespaces of this kind.
                guard error.errno == .noSuchFileOrDirectory, !hasEnded() else { throw error }
            }
        }
        return foreign
    }
}

/// The root directory of a running container, for looking at its files by descriptor.
public func openRoot(of container: borrowing Pidfd) throws(SysError) -> FD {
    let root = try FD.open(FilePath("/proc/\(container.pid)/root"), [.path, .directory])
    guard !container.hasEnded() else {
        throw SysError(call: "open", subject: "root of process \(container.pid)", errno: .noSuchProcess)
    }
    return root
}

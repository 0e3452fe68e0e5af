import Linux
import OCI

extension CreatePlan {
    /// What will be done, a line each and in this order, in the kernel's words: the clone, and then what the child does
    /// up to its exec.
    public var lines: [String] {
        let kinds = namespaces.created.names + (namespaces.makesTime ? ["time"] : [])
        let clone =
            "clone3 into the cgroup"
            + (kinds.isEmpty ? "" : ", with new namespaces: " + kinds.joined(separator: " "))
        return namespaces.joined.map { "join \($0.kind.fileName) namespace \($0.path)" } + [clone]
            + steps.map { $0.line(of: self) }
    }
}

extension Namespaces {
    fileprivate var names: [String] {
        let all: [Namespaces] = [.user, .mount, .pid, .network, .ipc, .uts, .cgroup, .time]
        return all.filter(contains).map(\.fileName)
    }
}

extension ChildStep {
    fileprivate func line(of plan: CreatePlan) -> String {
        switch self {
        case .awaitPlacement: "wait for ids and cgroup"
        case .openLabels: "open the files of the security labels"
        case .becomeRoot: "setresuid, setresgid 0 in the user namespace"
        case .joinMountNamespace: "setns mnt"
        case .joinSessionKeyring(let name): "keyctl join session keyring \(name)"
        case .newSession: "setsid"
        case .newCgroupNamespace: "unshare cgroup"
        case .joinNamespaces: "setns of the container's namespaces"
        case .makeWorkingDirectory(let path): "mkdir \(path), if it is missing"
        case .setSysctl(let sysctl): "write /proc/sys/\(sysctl.path) = \(sysctl.value)"
        case .setHostname(let name): "sethostname \(name)"
        case .setDomainname(let name): "setdomainname \(name)"
        case .runHooks(let point): "run the \(point.rawValue) hooks"
        case .reportRoot: "wait for hooks that look at the mounts"
        case .awaitParent: "wait for network and ids"
        case .connectStdio: "dup2 of the standard streams"
        case .setRlimit(_, let name, let soft, let hard):
            "setrlimit \(name) \(Self.limit(soft)):\(Self.limit(hard))"
        case .setUmask(let mask): "umask 0\(String(mask, radix: 8))"
        case .enterWorkingDirectory(let path): "chdir \(path)"
        case .applyLabels: "set the security labels of the exec"
        case .loadSeccomp: "seccomp, a filter of \(plan.seccomp.program.count / 8) instructions"
        case .dropBoundingSet(let sets): "drop from the bounding set all but \(Self.text(sets.bounding))"
        case .setUser(let user):
            "setgroups \(user.groups.map(String.init).joined(separator: ",")), setresgid \(user.gid), "
                + "setresuid \(user.uid)"
        case .setCapabilities(let sets):
            "capset effective \(Self.text(sets.effective)); ambient \(Self.text(sets.ambient))"
        case .noNewPrivileges: "prctl no_new_privs"
        case .findExecutable: "look for \(plan.command)"
        case .awaitStart: "wait for start"
        case .setAttributes: "set oom score, scheduler and CPU affinity, where asked for"
        case .closeDescriptors(let first): "close_range, close on exec from \(first) on"
        case .execute: "execve \(plan.command)"
        case .executeInit: "execve our init, which starts \(plan.command)"
        case .detachPropagation, .isolateParentOfRoot, .attachRoot, .openRoot, .mount, .makeDevice,
            .makeDeviceLinks, .openConsole, .openTerminal, .mask, .makeReadOnly, .makeRootReadOnly,
            .makeMountReadOnly, .pivot, .setRootPropagation:
            rootLine
        }
    }

    /// Of a step that makes the container's files.
    private var rootLine: String {
        switch self {
        case .detachPropagation(let propagation): "make / \(propagation), recursively"
        case .isolateParentOfRoot(let path): "make the parent mount of \(path) private"
        case .attachRoot(let path): "move_mount of the root over \(path)"
        case .openRoot(let path): "open_tree \(path)"
        case .mount(let step): step.line
        case .makeDevice(let device):
            "mknod \(device.path) \(device.kind.rawValue) \(device.major):\(device.minor)"
        case .makeDeviceLinks: "symlink /dev/fd, stdin, stdout, stderr, ptmx"
        case .openConsole: "open a terminal of the new devpts, mount it on /dev/console"
        case .openTerminal: "open a terminal of the container's devpts"
        case .mask(let paths): "mask \(paths.joined(separator: " "))"
        case .makeReadOnly(let path): "mount_setattr ro \(path)"
        case .makeRootReadOnly: "mount_setattr ro /"
        case .makeMountReadOnly(let path): "mount_setattr ro \(path), with its file system"
        case .setRootPropagation(let propagation, let recursive):
            "make / \(propagation)" + (recursive ? ", recursively" : "")
        default: "pivot_root, umount the host's root"
        }
    }

    private static func limit(_ value: UInt64) -> String { value == .max ? "unlimited" : String(value) }

    private static func text(_ set: CapabilitySet) -> String {
        if set == .all(CapabilitySet.lastOfKernel) { return "all" }
        let names = set.names.map { $0.dropFirst(4).lowercased() }
        return names.isEmpty ? "none" : names.joined(separator: ",")
    }
}

extension MountStep {
    fileprivate var line: String {
        let what =
            switch source {
            case .new(let type, _): "mount \(type)"
            case .bind(let path, _): "bind \(path)"
            case .requested: "bind what the parent opened"
            case .cgroup: "mount cgroup2"
            case .remount: "remount"
            }
        let words = options.words
        return "\(what) on \(destination)" + (words.isEmpty ? "" : " (\(words.joined(separator: ",")))")
    }
}

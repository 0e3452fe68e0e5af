import Linux
import OCI
import SystemPackage

/// The container's first process between clone and exec: a copy of the parent with one thread, which applies its
/// steps in order and ends with the exec or with `_exit`. What can be made before the clone was made there.
final class Child {
    let plan: CreatePlan
    let sync: FD
    private(set) var root: FD
    let argv: CStrings
    let envp: CStrings
    var stdio: ProcessStdio
    var terminal: FD?
    let credentials: Credentials
    let gate: StartGate?
    private let keepsLineFeeds: Bool
    /// The one that is joined.
    private let mountNamespace: NamespaceFile?
    private let shield: ShieldedStdio
    private var labelFiles: LabelFiles?
    private var hasParent = true
    private var words = ParentWords()

    init(
        plan: CreatePlan, facts: CreateFacts, stdio: consuming ShieldedStdio, mountNamespace: NamespaceFile?,
        sync: consuming FD, root: consuming FD, argv: CStrings, envp: CStrings
    ) {
        (self.plan, self.argv, self.envp) = (plan, argv, envp)
        (self.stdio, credentials, gate) = (stdio.stdio, facts.credentials, facts.gate)
        shield = stdio
        keepsLineFeeds = facts.keepsLineFeeds
        self.mountNamespace = mountNamespace
        self.sync = sync
        self.root = root
    }

    /// Applies all steps; does not come back.
    func run() -> Never {
        // Of what is made for the container, whoever called; the process gets its own later.
        Kernel.setUmask(0o022)
        for step in plan.steps {
            if case .runHooks(let point) = step {
                run(point)
                continue
            }
            do {
                try apply(step)
            } catch {
                let isExec = step == .execute || step == .findExecutable
                tell(
                    .failed(
                        errno: error.errno.rawValue, isExec: isExec,
                        text: isExec ? error.subject : error.inRuncsWords))
                Process.exitNow(1)
            }
        }
        Process.exitNow(1)
    }

    private func run(_ point: HookPoint) {
        guard var state = plan.state else { return }
        state.pid = Process.pid
        if point == .startContainer { state.status = .created }
        // runc's hooks find themselves in the root, which is not `/` yet.
        if point == .createContainer { try? Kernel.changeDirectory(root) }  // its hooks will say so
        do {
            // As in runc, a hook there without its own environment has the process's.
            try runHooks(
                plan.hooks[point], at: point, state: state,
                environment: point == .startContainer ? plan.environment : [])
        } catch {
            tell(.failed(errno: 0, isExec: false, text: error.description))
            Process.exitNow(1)
        }
    }

    /// The parent, or `start` after it, hears why; nobody is left to tell when they are gone.
    private func tell(_ failure: SyncMessage) {
        if hasParent {
            _ = try? sync.sendMessage(failure.bytes)  // see above
        } else {
            gate?.report(failure)
        }
    }

    private func apply(_ step: ChildStep) throws(SysError) {
        switch step {
        case .awaitPlacement:
            try awaitParent(.placed)
            try Kernel.setDumpable(false)
        case .openLabels(let labels): labelFiles = try LabelFiles(labels)
        case .becomeRoot: try Kernel.becomeRoot()
        case .joinMountNamespace: try mountNamespace?.enter()
        case .joinSessionKeyring(let name): try Kernel.joinSessionKeyring(name)
        case .newSession: try Kernel.newSession()
        case .newCgroupNamespace: try Process.unshare(.cgroup)
        case .detachPropagation(let propagation): try Mounts.setPropagation("/", propagation)
        case .isolateParentOfRoot(let path): try Mounts.isolate(mountOf: FilePath(path))
        case .attachRoot(let path): try attachRoot(FilePath(path))
        case .openRoot(let path): root = try openRoot(.directory(path), allowDevices: true)
        case .joinNamespaces: try joinNamespaces()
        case .openTerminal(let size): try openTerminal(size, below: FD.open("/", [.path, .directory]))
        case .mount(let mount): try mount.apply(in: root, requestTree)
        case .makeDevice(let device): try makeDevice(device, in: root)
        case .makeDeviceLinks: try makeDeviceLinks(in: root)
        case .openConsole(let size): try openConsole(size)
        case .makeWorkingDirectory(let path): try makeWorkingDirectory(path)
        case .mask(let paths): try mask(paths, in: root)
        case .makeReadOnly(let path): try makeReadOnly(path, in: root)
        case .makeMountReadOnly(let path): try makeMountReadOnly(path, in: root)
        case .makeRootReadOnly: try root.setAttributes(.readOnly)
        case .setSysctl(let sysctl): try sysctl.apply()
        case .setHostname(let name): try Kernel.setHostname(name)
        case .setDomainname(let name): try Kernel.setDomainname(name)
        case .reportRoot: _ = try sync.sendMessage(SyncMessage.rooted.bytes)
        case .awaitParent: try awaitParent(.go)
        case .pivot: try pivot()
        default: try applyToProcess(step)
        }
    }

    private func applyToProcess(_ step: ChildStep) throws(SysError) {
        switch step {
        case .setRootPropagation(let propagation, let recursive):
            try Mounts.setPropagation("/", propagation, recursive: recursive)
        case .connectStdio: try connectStdio()
        case .setRlimit(let resource, let name, let soft, let hard):
            try Kernel.setRlimit(resource, name: name, soft: soft, hard: hard)
        case .setUmask(let mask): Kernel.setUmask(mask)
        case .enterWorkingDirectory(let path): try enterWorkingDirectory(path)
        case .applyLabels: try labelFiles?.write()
        case .loadSeccomp: try loadFilter()
        case .dropBoundingSet(let sets): try sets.dropBounding(last: plan.lastCapability)
        case .setUser(let user): try Kernel.setUser(user)
        case .setCapabilities(let sets): try sets.apply(last: plan.lastCapability)
        case .noNewPrivileges: try Kernel.setNoNewPrivileges()
        case .findExecutable: try findExecutable()
        case .awaitStart: try awaitStart()
        case .setAttributes: try plan.attributes.apply()
        case .closeDescriptors(let first): try closeDescriptors(from: first)
        case .execute: try execute()
        case .executeInit: try executeInit()
        default: preconditionFailure("a step of the root was planned after the pivot")
        }
    }

    /// Over its own directory, or over `/` of this namespace, it hides nothing that is still used: paths of the host go
    /// on from the old root until the pivot.
    private func attachRoot(_ path: FilePath) throws(SysError) {
        let place = try FD.open(path, [.path, .directory])
        try root.attach(to: place, as: path.string)
    }

    /// A tree that only the parent can make; it ends us when it cannot.
    private func requestTree(_ number: Int) throws(SysError) -> FD {
        _ = try sync.sendMessage(SyncMessage.request(UInt32(number)).bytes)
        while true {
            var answer = try sync.receiveMessage(limit: 16)
            switch words.hear(answer.bytes, hasDescriptor: answer.descriptor.raw != nil, awaiting: .tree) {
            case false?: continue
            case true?:
                guard let tree = answer.descriptor.take() else { Process.exitNow(1) }
                return tree
            case nil: Process.exitNow(1)
            }
        }
    }

    private func awaitParent(_ word: SyncMessage) throws(SysError) {
        if words.has(word) { return }
        let message = try sync.receiveMessage(limit: 16)
        let heard = words.hear(message.bytes, hasDescriptor: message.descriptor.raw != nil, awaiting: word)
        guard heard == true else { Process.exitNow(1) }
    }

    private func pivot() throws(SysError) {
        try Kernel.changeDirectory(root)
        try Mounts.pivotIntoCurrentDirectory()
    }

    /// A user namespace of its own is joined last, because what belongs to the host can only be joined before, and
    /// what belongs to it only after.
    private func joinNamespaces() throws(SysError) {
        if plan.namespaces.joinsUsers { return try joinWithin() }
        if plan.foreign.contains(.time) { try Process.enter(.time, of: root) }
        guard plan.foreign.contains(.user) else { return try Process.enter(.ofContainer, of: root) }
        var later: Namespaces = []
        for kind: Namespaces in [.cgroup, .uts, .ipc, .network, .mount] {
            do {
                try Process.enter(kind, of: root)
            } catch {
                guard error.errno == .notPermitted else { throw error }
                later.insert(kind)
            }
        }
        try Process.enter(later.union(.user), of: root)
        try Kernel.becomeRoot()
    }

    /// From within the user namespace: what belongs to others is ours already, or cannot be joined.
    private func joinWithin() throws(SysError) {
        try Kernel.becomeRoot()
        for kind: Namespaces in [.time, .cgroup, .uts, .ipc, .network, .mount] {
            do {
                try Process.enter(kind, of: root)
            } catch {
                guard error.errno == .notPermitted, kind != .mount else { throw error }
            }
        }
    }

    private func openConsole(_ size: WindowSize?) throws(SysError) {
        try openTerminal(size, below: root)
        guard let peer = terminal.take() else { return }
        try bindConsole(peer, in: root)
        terminal = consume peer
    }

    /// The terminal is of the container's own devpts, opened through its ptmx by descriptor.
    private func openTerminal(_ size: WindowSize?, below root: borrowing FD) throws(SysError) {
        let devices = try root.open("dev/pts", [.path, .directory], resolve: [.inRoot, .noSymlinks])
        guard try devices.isDevpts() else {
            throw SysError(
                call: "open", subject: "/dev/pts", errno: .noSuchAddressOrDevice, hint: "not a devpts")
        }
        let master = try devices.open(
            "ptmx", [.readWrite, .noTTY], resolve: [.beneath, .noSymlinks, .noCrossDevice])
        let peer = try Terminal.openPeer(of: master)
        if let size { try Terminal.setWindowSize(master, size) }
        if keepsLineFeeds { try Terminal.keepLineFeeds(master) }
        try Kernel.changeOwner(peer, uid: credentials.uid, gid: nil)
        try sync.sendMessage(SyncMessage.console.bytes, descriptor: master)
        terminal = consume peer
    }

    private func connectStdio() throws(SysError) {
        switch stdio {
        case .descriptors(let stdin, let stdout, let stderr):
            for (target, source) in [stdin, stdout, stderr].enumerated() {
                try Kernel.duplicate(source, onto: CInt(target))
            }
        case .terminal:
            guard let peer = terminal.take() else { return }
            for target in 0..<3 { try Kernel.duplicate(peer.raw, onto: CInt(target)) }
            try Terminal.makeControlling(0)
        }
    }

    /// As runc: before the root may become read-only, inside of it. What stands in the way is said on entering.
    private func makeWorkingDirectory(_ path: String) throws(SysError) {
        do {
            try makeMissing(FilePath(path), in: root, isDirectory: true)
        } catch {
            guard [.notDirectory, .readOnlyFileSystem, .permissionDenied].contains(error.errno) else {
                throw error
            }
        }
    }

    /// runc's words, which engines look for.
    static let workingDirectoryCall = "chdir to cwd"

    /// Proven to be inside: a directory that came from a leaked descriptor has no path here (CVE-2024-21626).
    private func enterWorkingDirectory(_ path: String) throws(SysError) {
        do {
            let directory = try FD.open("/", [.path, .directory])
                .open(FilePath(path), [.path, .directory], resolve: [.inRoot, .noMagicLinks])
            try Kernel.changeDirectory(directory)
        } catch {
            throw SysError(
                call: Self.workingDirectoryCall, subject: "(\"\(path)\") set in config.json",
                errno: error.errno)
        }
        guard Kernel.currentDirectory()?.first == UInt8(ascii: "/") else {
            throw SysError(
                call: "chdir", subject: path, errno: .permissionDenied, hint: "outside of the container")
        }
    }

    /// Who waits for its start holds nothing of the host but its gate: no lock, no directory.
    private func closeDescriptors(from first: UInt32) throws(SysError) {
        if let gate { try Kernel.closeAll(from: first, except: gate.descriptors + [sync.raw]) }
        try Kernel.closeOnExec(from: first)
    }

    /// From here on there is no parent: it ends with our message.
    private func awaitStart() throws(SysError) {
        Kernel.endOnSignals()
        _ = try sync.sendMessage(SyncMessage.ready.bytes)
        hasParent = false
        try gate?.awaitRelease()
    }

    /// What `execute` will say, as far as it can be known before.
    private func findExecutable() throws(SysError) {
        var failure: Errno = .noSuchFileOrDirectory
        for candidate in plan.candidates {
            let errno = Kernel.checkExecutable(candidate)
            guard let errno else {
                guard isDirectory(candidate) else { return }
                failure = .isDirectory
                continue
            }
            if errno == .permissionDenied { failure = errno }
        }
        throw SysError(call: "exec", subject: plan.command, errno: failure)
    }

    /// As execvp(3): the first candidate that is there; a permission problem is remembered and reported last.
    private func execute() throws(SysError) {
        Kernel.resetSignals()
        var failure: Errno = .noSuchFileOrDirectory
        for candidate in plan.candidates {
            let errno = Kernel.execute(candidate, argv, envp)
            guard errno == .noSuchFileOrDirectory || errno == .notDirectory else {
                failure = errno
                guard errno == .permissionDenied else { break }
                if isDirectory(candidate) { failure = .isDirectory }
                continue
            }
            // It is there, so what it needs is not.
            guard Kernel.checkExecutable(candidate) != nil else {
                throw SysError(call: "exec", subject: candidate, errno: .libraryUnavailable)
            }
        }
        throw SysError(call: "exec", subject: plan.command, errno: failure)
    }

    private func executeInit() throws(SysError) {
        Kernel.resetSignals()
        guard let errno = plan.initProgram?.execute(argv, envp) else { return }
        throw SysError(call: "execveat", subject: "the init process", errno: errno)
    }

    private func loadFilter() throws(SysError) {
        guard plan.seccomp.notifies else { return try loadSeccomp(plan.seccomp) }
        let hasListener = try loadSeccomp(plan.seccomp, telling: sync, SyncMessage.listenerTag)
        guard hasListener else { Process.exitNow(1) }  // the parent is gone
    }

    private func isDirectory(_ path: String) -> Bool {
        (try? FD.open(FilePath(path), [.path, .directory])) != nil  // what cannot be opened is none
    }
}

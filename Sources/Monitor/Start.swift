import Linux
import OCI
import Runtime
import SystemPackage

/// A process's standard streams before it has them: its side to give away, ours to keep.
struct ProcessStreams: ~Copyable {
    /// What the process is to get.
    let stdio: ProcessStdio
    private var theirs: ProcessEnds?
    private var output: FD?
    private var error: FD?
    private var input: FD?

    /// A terminal, which the process makes itself.
    init(terminal size: WindowSize?) { stdio = .terminal(size) }

    private init(
        stdin: consuming StandardInput, stdout: consuming FD, stderr: consuming FD, output: consuming FD,
        error: consuming FD?
    ) throws(SysError) {
        let ends = ProcessEnds(stdin: try stdin.takeProcessSide(), stdout: stdout, stderr: stderr)
        stdio = .descriptors(stdin: ends.stdin.raw, stdout: ends.stdout.raw, stderr: ends.stderr.raw)
        input = stdin.ours.take()
        theirs = consume ends
        self.output = consume output
        self.error = error
    }

    /// Our side; the process's is closed, so that its end is seen.
    consuming func monitorSide(console: consuming FD?) throws(SysError) -> ProcessIO {
        if let console = console.take() { return try ProcessIO(console: console) }
        return ProcessIO(output: output.take(), error: error.take(), input: input.take())
    }

    /// FIFOs of the run directory for stdout and stderr; `merged`: one for both.
    static func fifos(
        in directory: borrowing FD, opensStdin: Bool, merged: Bool
    ) throws(SysError) -> ProcessStreams {
        // Our ends first: a FIFO that nobody reads cannot be opened for writing alone, and no byte may be lost.
        let output = try StandardFIFOs.monitorEnd("out", in: directory)
        let error = merged ? nil : try StandardFIFOs.monitorEnd("err", in: directory)
        return try ProcessStreams(
            stdin: StandardInput(opens: opensStdin), stdout: StandardFIFOs.containerEnd("out", in: directory),
            stderr: StandardFIFOs.containerEnd(merged ? "out" : "err", in: directory), output: output,
            error: error)
    }

    /// Anonymous pipes.
    static func pipes(opensStdin: Bool) throws(SysError) -> ProcessStreams {
        let out = try Pipe()
        let err = try Pipe()
        try out.read.setNonBlocking(true)
        try err.read.setNonBlocking(true)
        return try ProcessStreams(
            stdin: StandardInput(opens: opensStdin), stdout: out.write.duplicate(),
            stderr: err.write.duplicate(), output: out.read.duplicate(), error: err.read.duplicate())
    }
}

/// stdin: a pipe, or /dev/null.
private struct StandardInput: ~Copyable {
    var ours: FD?
    private var theirs: FD?

    init(opens: Bool) throws(SysError) {
        if opens {
            let pipe = try Pipe()
            try pipe.write.setNonBlocking(true)
            ours = try pipe.write.duplicate()
            theirs = try pipe.read.duplicate()
        } else {
            theirs = try FD.open("/dev/null", .readOnly)
        }
    }

    mutating func takeProcessSide() throws(SysError) -> FD {
        guard let side = theirs.take() else {
            throw SysError(call: "pipe", subject: "stdin", errno: .badFileDescriptor)
        }
        return side
    }
}

/// Who a process runs as, by the files of the root it will see.
func resolveUser(
    _ user: String, _ groups: [String], in root: borrowing FD
) throws(RuntimeError) -> Credentials {
    let database = try asStartError { () throws(SysError) in try UserDatabase(root: root) }
    do throws(UserError) {
        return try database.resolve(user, additional: groups)
    } catch {
        throw RuntimeError(error.description)
    }
}

/// The compiled filter for a process with these capabilities, from the cache when it is there.
func compiledFilter(
    _ choice: SeccompChoice, _ capabilities: RuntimeSpec.Capabilities?, _ cache: FilePath
) throws(RuntimeError) -> SeccompFilter {
    switch choice {
    case .unconfined: return .unconfined
    case .profile(let profile): return try SeccompFilter(profile, cache: SeccompCache(directory: cache))
    case .standard(let includes32Bit):
        do {
            let set = try CapabilitySet(names: capabilities?.bounding ?? [])
            return SeccompFilter(
                try SeccompCache(directory: cache).containerDefault(
                    capabilities: set, includes32Bit: includes32Bit))
        } catch {
            throw RuntimeError("unable to apply the seccomp filter: \(error)")
        }
    }
}

/// A working directory that is missing is made, root's, whoever the user is, as docker does.
func makeWorkingDirectory(_ path: FilePath, in root: borrowing FD) throws(RuntimeError) {
    do throws(SysError) {
        _ = try root.open(path, [.path, .directory])
    } catch {
        if error.errno == .notDirectory { throw RuntimeError("Cannot mkdir: \(path) is not a directory") }
        try asStartError { () throws(SysError) in
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            try makeMissing(path, in: root, isDirectory: true)
        }
    }
}

// What its name says has no comment.

import CLinux
import Glibc

/// What a program that has ended left behind.
public struct Outcome: Sendable, CustomStringConvertible {
    /// Exit code; 128+n after a signal; -1 when it had to be killed because it took too long.
    public var code: Int32 = -1
    public var out = ""
    public var err = ""
    /// Something that it started still holds its stdout or stderr.
    public var isHeldOpen = false

    /// stdout without the white space around it.
    public var text: String { trimmed(out) }
    public var lines: [String] { out.split(separator: "\n").map(String.init) }
    public var errorLines: [String] { err.split(separator: "\n").map(String.init) }
    public var description: String { "exit code \(code)\nstdout: \(out)\nstderr: \(err)" }
}

/// Without white space at both ends.
public func trimmed(_ text: String) -> String {
    var part = text[...]
    while part.first?.isWhitespace == true { part = part.dropFirst() }
    while part.last?.isWhitespace == true { part = part.dropLast() }
    return String(part)
}

/// A started program whose output is collected until it ends.
public final class Running {
    public let pid: Int32
    private var streams: [CInt]
    private var collected: [[UInt8]] = [[], []]
    private var input: CInt
    private var status: Int32?

    /// Starts `arguments[0]`, looked up in PATH, with pipes as its three streams. With `stdin` nil the pipe stays open
    /// for `send`.
    public init(_ arguments: [String], environment: [String: String] = [:], stdin: String? = "") throws {
        let (inputEnds, outEnds, errEnds) = (try makePipe(), try makePipe(), try makePipe())
        defer { for fd in [inputEnds.read, outEnds.write, errEnds.write] { close(fd) } }
        pid = try spawn(
            arguments, environment: environment, stdio: [inputEnds.read, outEnds.write, errEnds.write],
            session: false)
        streams = [outEnds.read, errEnds.read]
        input = inputEnds.write
        for fd in streams { _ = fcntl(fd, F_SETFL, O_NONBLOCK) }
        if let stdin {
            send(stdin)
            closeInput()
        }
    }

    deinit {
        closeInput()
        for fd in streams { close(fd) }
    }

    /// Everything that came on stdout until now.
    public var output: String {
        collect(for: 0)
        return String(decoding: collected[0], as: UTF8.self)
    }

    public func send(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    public func closeInput() {
        if input >= 0 { close(input) }
        input = -1
    }

    /// Whether it still runs; reads what came meanwhile.
    public var isRunning: Bool {
        collect(for: 0)
        if status == nil {
            var raw: Int32 = 0
            if waitpid(pid, &raw, WNOHANG) == pid { status = exitCode(raw) }
        }
        return status == nil
    }

    /// Waits for the end; after `timeout` seconds (`patience` times as long) kills the process group.
    public func finish(timeout: Double = 60) -> Outcome {
        let deadline = now() + timeout * patience
        var outcome = Outcome()
        while isRunning {
            if now() > deadline {
                kill(-pid, SIGKILL)
                kill(pid, SIGKILL)
                var raw: Int32 = 0
                waitpid(pid, &raw, 0)
                status = -1
                collected[1] += Array("\n[killed by the test: no end after \(timeout) s]\n".utf8)
            }
            collect(for: 0.01)
        }
        // What the ended program wrote is in the pipes already; a pipe that stays open has another holder.
        collect(for: 0)
        outcome.isHeldOpen = !streams.allSatisfy { $0 < 0 }
        outcome.code = status ?? -1
        outcome.out = String(decoding: collected[0], as: UTF8.self)
        outcome.err = String(decoding: collected[1], as: UTF8.self)
        return outcome
    }

    private func collect(for seconds: Double) {
        var waiting = streams.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var timeout = Int32(seconds * 1000)
        while poll(&waiting, nfds_t(waiting.count), timeout) > 0 {
            timeout = 0
            for (index, entry) in waiting.enumerated() where entry.fd >= 0 && entry.revents != 0 {
                let bytes = readSome(entry.fd)
                collected[index] += bytes
                guard bytes.isEmpty else { continue }
                close(entry.fd)
                streams[index] = -1
                waiting[index].fd = -1
            }
            if streams.allSatisfy({ $0 < 0 }) { return }
        }
        if streams.allSatisfy({ $0 < 0 }) && seconds > 0 { pause(seconds / 2) }
    }
}

/// Runs a program to its end.
public func execute(
    _ arguments: [String], environment: [String: String] = [:], stdin: String = "", timeout: Double = 60
) throws -> Outcome {
    try Running(arguments, environment: environment, stdin: stdin).finish(timeout: timeout)
}

func makePipe() throws -> (read: CInt, write: CInt) {
    var ends: [CInt] = [-1, -1]
    guard cl_pipe2(&ends, O_CLOEXEC) == 0 else { throw Trouble("pipe2") }
    return (ends[0], ends[1])
}

func exitCode(_ status: Int32) -> Int32 {
    let signal = status & 0x7f
    return signal == 0 ? (status >> 8) & 0xff : 128 + signal
}

/// posix_spawn with clean signals; `session`: the child leads a session, and `stdio[0]` is the path's terminal that it
/// takes as its controlling terminal.
func spawn(
    _ arguments: [String], environment: [String: String], stdio: [CInt], session: Bool,
    terminal: String? = nil
) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
        posix_spawn_file_actions_destroy(&actions)
        posix_spawnattr_destroy(&attributes)
    }
    if let terminal {
        // Opened by a session's leader that has none, a terminal becomes its controlling one.
        posix_spawn_file_actions_addopen(&actions, 0, terminal, O_RDWR, 0)
        for fd in CInt(1)...2 { posix_spawn_file_actions_adddup2(&actions, 0, fd) }
    } else {
        for (fd, source) in stdio.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, source, CInt(fd))
        }
    }
    var all = sigset_t()
    var none = sigset_t()
    sigfillset(&all)
    sigemptyset(&none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setsigmask(&attributes, &none)
    let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | (session ? 0x80 : POSIX_SPAWN_SETPGROUP)
    posix_spawnattr_setflags(&attributes, Int16(flags))

    let base = [
        "PATH": Host.environment("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C",
    ]
    let variables = base.merging(environment) { $1 }.map { "\($0)=\($1)" }
    var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    var envp: [UnsafeMutablePointer<CChar>?] = variables.map { strdup($0) } + [nil]
    defer { for pointer in argv + envp { free(pointer) } }
    var pid: pid_t = 0
    let problem = posix_spawnp(&pid, arguments[0], &actions, &attributes, &argv, &envp)
    guard problem == 0 else {
        errno = problem
        throw Trouble("start \(arguments[0])")
    }
    return pid
}

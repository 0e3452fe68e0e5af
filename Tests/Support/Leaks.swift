// What its name says has no comment.

/// Everything on a machine that a container engine could leave behind.
public struct MachineState: Equatable {
    public var mounts: Set<String> = []
    public var links: Set<String> = []
    public var cgroups: Set<String> = []
    public var processes: Set<String> = []
    public var elements: Set<String> = []
    public var runFiles: Set<String> = []

    /// What is there now, seen from where the engine is.
    public init(of engine: Engine) throws {
        mounts = try MachineState.lines(engine, "cut -d' ' -f 3-6,9- /proc/self/mountinfo")
        links = try MachineState.lines(engine, "ip -o link | cut -d: -f 2")
        // Other engines on the machine have cgroups of their own.
        cgroups = try MachineState.lines(engine, "find \(engine.cgroup) -type d")
        // A container's process may be called anything: all that run in the enclosure are counted, by pid and name.
        let processes =
            "for p in /proc/[0-9]*; do echo ${p#/proc/} $(cat $p/comm 2>/dev/null); done | grep -E ' apus'"
        self.processes = try MachineState.lines(engine, processes)
        elements = try MachineState.elements(engine)
        // Locks stay, because a file that is locked must not be removed; they are empty. So does the mark of the boot.
        runFiles = try MachineState.lines(
            engine, "find \"$APUS_RUN\" ! -type d ! -empty ! -name swept -o -type p -o -type s")
    }

    /// What is here and was not there before, one line each; empty when nothing leaked.
    public func added(since before: MachineState) -> [String] {
        func new(_ kind: String, _ part: KeyPath<MachineState, Set<String>>) -> [String] {
            self[keyPath: part].subtracting(before[keyPath: part]).sorted().map { "\(kind): \($0)" }
        }
        return new("mount", \.mounts) + new("link", \.links) + new("cgroup", \.cgroups)
            + new("process", \.processes) + new("nft element", \.elements) + new("file", \.runFiles)
    }

    private static func lines(_ engine: Engine, _ script: String) throws -> Set<String> {
        Set(try engine.shell("{ \(script); } 2>/dev/null").lines.map(trimmed))
    }

    /// The elements of all sets and maps, each word of nft's listing that stands between braces.
    private static func elements(_ engine: Engine) throws -> Set<String> {
        let listing = try engine.shell("command -v nft >/dev/null && nft list ruleset || true").out
        var found: Set<String> = []
        for part in listing.split(separator: "elements = {").dropFirst() {
            for element in part.prefix(while: { $0 != "}" }).split(separator: ",") {
                found.insert(trimmed(String(element)))
            }
        }
        return found
    }
}

extension Engine {
    /// Runs `body`, then waits until nothing is on the machine that was not there before; answers what stayed. A network
    /// namespace ends some 50 ms after its last user, hence the waiting.
    public func leaks(within seconds: Double = 10, after body: () throws -> Void) throws -> [String] {
        let before = try MachineState(of: self)
        try body()
        var left: [String] = []
        _ = try eventually(within: seconds) {
            left = try MachineState(of: self).added(since: before)
            return left.isEmpty
        }
        return left
    }
}

import Support

/// A command that changes a store, for sweeps that make it fail at each of its system calls in turn. Scripts run in the
/// test's directory with `apus` in PATH; `base.tar`, `extra.tar`, `kept.tar` and `two.tar.gz` are there, and the image
/// `kept`, which a container uses.
struct StoreWork: Sendable, CustomStringConvertible {
    let name: String
    let command: [String]
    /// Once, before all.
    var begin = "true"
    /// Back to where the command starts, whatever was left.
    let again: String
    var description: String { name }

    private static let forget = "apus rmi two > /dev/null 2>&1"

    /// Those that work without a network.
    static let all = [
        StoreWork(name: "load", command: ["load", "-q", "-i", "two.tar.gz"], again: forget),
        StoreWork(
            name: "import", command: ["import", "base.tar", "base"], again: "apus rmi base > /dev/null 2>&1"),
        StoreWork(
            name: "tag", command: ["tag", "kept", "again"], again: "apus rmi again > /dev/null 2>&1"),
        StoreWork(name: "rmi", command: ["rmi", "two"], again: "apus load -q -i two.tar.gz"),
        StoreWork(
            name: "commit", command: ["commit", "keeper", "made"], again: "apus rmi made > /dev/null 2>&1"),
        StoreWork(
            name: "image prune", command: ["image", "prune", "-af"],
            again: "apus load -q -i two.tar.gz && apus import extra.tar"),
        StoreWork(
            name: "build", command: ["build", "-q", "-t", "made", "context"],
            again: "apus rmi made > /dev/null 2>&1; apus builder prune -af"),
        StoreWork(
            name: "builder prune", command: ["builder", "prune", "-af"],
            again: "apus build -q -t made context && apus rmi made"),
        StoreWork(
            name: "save", command: ["save", "-o", "saved.tar", "kept"], again: "rm -f saved.tar .saved.tar.*"
        ),
    ]
    static let pull = StoreWork(
        name: "pull", command: ["pull", "-q", "127.0.0.1:5000/two"],
        begin: """
            apus load -q -i two.tar.gz && apus tag two 127.0.0.1:5000/two && apus push -q 127.0.0.1:5000/two &&
            apus rmi two 127.0.0.1:5000/two
            """,
        again: "apus rmi 127.0.0.1:5000/two > /dev/null 2>&1")

    /// What the scripts count on: a base of a few files of every kind, an image of two layers on it, and one to keep.
    static let files = """
        mkdir -p tree/bin tree/etc tree/d context && tar -xf \(Host.fixture("busybox.tar")) -O bin/busybox > tree/bin/busybox &&
        chmod 755 tree/bin/busybox && ln -s busybox tree/bin/sh && ln -s busybox tree/bin/touch && ln tree/bin/sh tree/bin/other &&
        echo one > tree/etc/one && echo two > tree/etc/two && mkfifo tree/d/pipe && 
        python3 -c 'import os; os.setxattr("tree/etc/one", "user.a", b"b")' &&
        head -c 300000 /dev/urandom > tree/d/large && tar --xattrs -C tree -cf base.tar . &&
        echo extra > tree/etc/extra && tar -C tree -cf extra.tar ./etc ./bin &&
        echo kept > tree/etc/kept && tar -C tree -cf kept.tar ./etc ./bin ./d &&
        echo copied > context/file && printf 'FROM kept\\nCOPY file /copied\\nENV A=b\\nCOPY file /again/\\n' > context/Dockerfile
        """
    static let images = """
        apus import base.tar base && apus import kept.tar kept &&
        apus run --name work --network none base sh -c 'echo x > /x; mkdir /y; rm -r /d /etc/one; mkdir /d; touch /d/new' &&
        apus commit work two && apus save two | gzip > two.tar.gz && apus rm work && apus rmi two base &&
        apus run --name keeper --network none kept sh -c 'echo x > /x; mkdir /y; rm -r /d /etc/one'
        """
}

/// An engine in which a command's work is made to fail, and what is expected of it afterwards.
struct StoreSweep {
    let apus: Engine
    let work: StoreWork
    /// What there is before and after the command.
    let (before, after): (String, String)

    init(_ work: StoreWork, on apus: Engine) throws {
        (self.apus, self.work) = (apus, work)
        func must(_ script: String) throws {
            let outcome = try Self.shell(script, apus)
            guard outcome.code == 0 else { throw Trouble(because: "\(work): \(script): \(outcome)") }
        }
        try must(StoreWork.files)
        try must(StoreWork.images)
        try must(work.begin)
        _ = try Self.shell(work.again, apus)
        before = try Self.state(apus)
        try must((["apus"] + work.command).joined(separator: " "))
        after = try Self.state(apus)
        _ = try Self.shell(work.again, apus)
        guard try Self.state(apus) == before else { throw Trouble(because: "\(work): no way back") }
    }

    static func shell(_ script: String, _ apus: Engine) throws -> Outcome {
        try apus.shell("cd \(apus.directory) && PATH=\(Host.bin):$PATH\n\(script)")
    }

    /// The images by name and id, but for those whose id is another each time, and the archive that `save` writes.
    private static func state(_ apus: Engine) throws -> String {
        let script = """
            apus images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sed 's/^made:.*/made/' | sort
            sha256sum saved.tar 2> /dev/null
            """
        let outcome = try shell(script, apus)
        guard outcome.code == 0 || outcome.err.isEmpty else { throw Trouble(because: "images: \(outcome)") }
        return outcome.out
    }

    /// Where the work makes these calls.
    func points(_ calls: Set<String>) throws -> [CallPoint] {
        let points = try apus.points(of: words, calls: calls)
        _ = try Self.shell(work.again, apus)
        return points
    }

    /// The command, wherever it is started.
    private var words: [String] {
        work.command.map { word in
            let isFile = word.hasSuffix("tar") || word.hasSuffix("gz") || word == "context"
            return isFile ? apus.directory + "/" + word : word
        }
    }

    /// Runs the work with a fault and goes back: what there is after it is what was before or what should be, and whole;
    /// the next command needs no repair and clears up.
    func run(with fault: String, at point: CallPoint) throws -> (outcome: Outcome, problems: [String]) {
        let outcome = try apus.run(words, with: fault, at: point)
        return (outcome, try problems(after: outcome))
    }

    func problems(after outcome: Outcome) throws -> [String] {
        var problems: [String] = []
        let state = try Self.state(apus)
        // What has not been done in full is warned of.
        if outcome.code == 0, outcome.err.isEmpty, state != after {
            problems.append("it succeeded, but there is:\n\(state)")
        }
        if !isBetween(state) { problems.append("neither old nor new:\n\(state)") }
        let check = try Self.shell("apus system check", apus)
        if check.code != 0 || !check.err.isEmpty { problems.append("system check: \(check)") }
        let again = try Self.shell(work.again, apus)
        if try Self.state(apus) != before { problems.append("there is no way back: \(again)") }
        let litter = try Self.shell(Self.litter, apus).out
        if !litter.isEmpty { problems.append("left behind: \(litter)") }
        return problems
    }

    /// Nothing that stays is missing, and nothing is there that nobody asked for: one command may remove several.
    private func isBetween(_ state: String) -> Bool {
        let (old, new, now) = (Set(before.lines), Set(after.lines), Set(state.lines))
        return old.intersection(new).isSubset(of: now) && now.isSubset(of: old.union(new))
    }

    /// What only a command at work may have.
    private static let litter = """
        ls -A "$APUS_ROOT/staging"; find "$APUS_ROOT" -path "$APUS_ROOT/layers" -prune -o -name '.*' -name '*tmp*' -print
        """

    /// The work done at last leaves nothing of what came before.
    func finalProblems() throws -> [String] {
        let outcome = try Self.shell((["apus"] + work.command).joined(separator: " "), apus)
        var problems = try Self.state(apus) == after && outcome.code == 0 ? [] : ["\(outcome)"]
        let litter = try Self.shell(Self.litter + "; ls -A \"$APUS_ROOT/downloads\" 2> /dev/null", apus).out
        if !litter.isEmpty { problems.append("left behind: \(litter)") }
        return problems
    }
}

extension String {
    fileprivate var lines: [Substring] { split(separator: "\n") }
}

import Support
import Testing

/// What came of one case on one side.
struct Answer {
    var code = ""
    var out = ""
    var err = ""
}

/// Every case of the tables, run once by docker and once by apus, each in a node of its own with the same image.
struct Comparison {
    /// What came of each case, in the tables' order.
    let docker: [Answer]
    let apus: [Answer]

    init(_ cases: [Case]) throws {
        let nodes = [try Node("docker"), try Node("apus")]
        defer { for node in nodes { node.tearDown() } }
        try nodes[0].daemon("containerd", "containerd", ready: "ctr version")
        try nodes[0].daemon(
            "dockerd", "dockerd --containerd /run/containerd/containerd.sock", ready: "docker version")
        try nodes[0].must("mkdir /run/own && ln -s /usr/bin/docker /run/own/apus")
        try nodes[1].must(
            "mkdir /run/own && cp /run/bin/apus /run/own && cp /run/bin/runtime /run/own/apus-runtime")
        // Side by side: each mostly waits.
        let script = Self.script(cases).split(separator: "\n", omittingEmptySubsequences: false)
        let sides = try nodes.map { node in
            // In pieces: one argument of a command has at most 128 KiB.
            for start in stride(from: 0, to: script.count, by: 300) {
                let piece = script[start..<min(start + 300, script.count)].joined(separator: "\n")
                try node.must("cat >> /run/cases <<'END'\n\(piece)\nEND\n")
            }
            return try node.start("bash /run/cases")
        }
        let results = try sides.map { try Self.results($0.finish(timeout: 600), cases.count) }
        (docker, apus) = (results[0], results[1])
    }

    /// Tables that look at all there is: nothing else runs meanwhile.
    private static let alone: Set = [
        "empty", "events", "images", "lists", "machine", "objects", "system", "templates", "volumes",
    ]

    /// Runs each case with time to end, then prints what came of all: after a record separator `NUMBER.STREAM`,
    /// a line feed and the bytes. Cases may say `soon 'CONDITION'`.
    private static func script(_ cases: [Case]) -> String {
        var script = """
            export PATH=/run/own:/usr/sbin:/usr/bin:/sbin:/bin
            mkdir /run/results
            apus load -q -i /run/docker.tar && apus tag fixture/docker:plain busybox
            soon() {
                for try in $(seq 75); do
                    eval "$1" >/dev/null 2>&1 && return
                    sleep 0.2
                done
                return 1
            }
            export -f soon
            one() {
                timeout -k 1 20 bash -c "$2" </dev/null >/run/results/$1.out 2>/run/results/$1.err
                echo $? >/run/results/$1.code
            }
            tidy() {
                apus rm -fv $(apus ps -aq) >/dev/null 2>&1
                apus volume rm $(apus volume ls -q) >/dev/null 2>&1
            }

            """
        var tables: [String] = []
        for (number, each) in cases.enumerated() {
            if tables.last != each.file {
                script +=
                    (tables.isEmpty ? "" : "}\n") + "\(each.file)() {\nmkdir -p /run/work/\(each.file)\n"
                script += "cd /run/work/\(each.file)\n"
                tables.append(each.file)
            }
            script += "one \(number) '\(each.script.replacing("'", with: #"'\''"#))'\n"
        }
        script += "}\n"
        for table in tables where !alone.contains(table) { script += "\(table) &\n" }
        script += "wait\n"
        for table in tables where alone.contains(table) { script += "tidy\n\(table)\n" }
        return script + """
            cd /run/results
            for file in *; do printf '\\036%s\\n' $file; tr '\\000\\036' '??' <$file; done

            """
    }

    private static func results(_ all: Outcome, _ count: Int) throws -> [Answer] {
        var results = [Answer](repeating: Answer(), count: count)
        var seen = 0
        for part in all.out.split(separator: "\u{1e}") {
            let line = part.prefix { $0 != "\n" }
            let name = line.split(separator: ".")
            guard name.count == 2, let number = Int(name[0]), results.indices.contains(number) else {
                continue
            }
            let content = String(part.dropFirst(line.count + 1))
            seen += 1
            switch name[1] {
            case "code": results[number].code = trimmed(content)
            case "out": results[number].out = content
            default: results[number].err = content
            }
        }
        guard seen == 3 * count else {
            throw Trouble(because: "\(seen) results of \(count) cases: \(all.err)")
        }
        return results
    }
}

extension Case {
    /// What is wrong with the results of the two, in words; empty where they are as the table has it.
    func complaints(docker: Answer, apus: Answer) -> [String] {
        let streams: [(Stream, [String], [String])] = [
            (.code, Normal.code(docker), Normal.code(apus)),
            (.out, Normal.out(docker, sorted: isUnordered), Normal.out(apus, sorted: isUnordered)),
            (.err, Normal.err(docker), Normal.err(apus)),
        ]
        var found: [String] = []
        for (stream, theirs, ours) in streams {
            func report(_ what: String) {
                found.append(
                    "\(what) of \(script)\n"
                        + theirs.map { "  docker: \($0)\n" }.joined()
                        + ours.map { "    apus: \($0)\n" }.joined())
            }
            guard let difference = differences.first(where: { $0.stream == stream }) else {
                if theirs != ours { report("different \(stream)") }
                continue
            }
            if theirs == ours { report("\(difference.key) is named, but the same is the \(stream)") }
            if let expected = difference.expected, expected != (ours.isEmpty ? [""] : ours) {
                report("unexpected \(stream)")
            }
        }
        return found
    }
}

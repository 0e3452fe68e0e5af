import Support
import Testing

/// Fails when `condition` has not become true within ten seconds.
func expectSoon(location: SourceLocation = #_sourceLocation, _ condition: () throws -> Bool) throws {
    let came = try eventually(condition)
    #expect(came, "it did not come", sourceLocation: location)
}

extension Engine {
    /// What a user sees of a refusal: the code, one line on stderr that names what it is about, nothing on stdout. Of a
    /// wrong command line the usage may stand below.
    func expectRefusal(
        _ arguments: String..., code: Int32, mentions: [String], stdin: String = "",
        location: SourceLocation = #_sourceLocation
    ) throws {
        let outcome = try apus(arguments, stdin: stdin)
        #expect(outcome.code == code, "\(arguments): \(outcome)", sourceLocation: location)
        let complaints = outcome.errorLines.prefix { !$0.hasPrefix("Usage: ") && !$0.hasPrefix("Run 'apus ") }
        #expect(
            complaints.count == 1, "\(arguments): one line, not \(outcome.err)",
            sourceLocation: location)
        for word in mentions {
            #expect(
                outcome.err.contains(word), "\(arguments): '\(word)' in \(outcome.err)",
                sourceLocation: location)
        }
        #expect(outcome.out.isEmpty, "\(arguments): \(outcome.out)", sourceLocation: location)
    }

    /// The store answers and its image still runs.
    func expectWholeStore(location: SourceLocation = #_sourceLocation) throws {
        let images = try self("images")
        #expect(images.code == 0 && images.out.contains("busybox"), "\(images)", sourceLocation: location)
        let run = try self("run", "--rm", "--network", "none", "busybox", "echo", "whole")
        #expect(run.text == "whole", "\(run)", sourceLocation: location)
    }

    /// What a shell script prints in a new container of the image `busybox`, without network unless flags say otherwise.
    func inContainer(_ script: String, flags: [String] = ["--network", "none"]) throws -> Outcome {
        try apus(["run", "--rm"] + flags + ["busybox", "sh", "-c", script])
    }

    /// The pids, where the engine is, of a container's first process and of its monitor.
    func processes(of container: String) throws -> (first: String, monitor: String) {
        let first = try must("inspect", "--format", "{{.State.Pid}}", container)
        return (first, try shell("awk '/^PPid/ { print $2 }' /proc/\(first)/status").text)
    }
}

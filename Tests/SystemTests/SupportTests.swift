import Support
import Testing

/// The tests' own machinery, which needs no binaries.
@Suite struct SupportTests {
    @Test func commandsAnswerStreamsAndCodes() throws {
        let outcome = try execute(["sh", "-c", "cat; echo oops >&2; exit 7"], stdin: "in")
        #expect(outcome.out == "in" && outcome.err == "oops\n" && outcome.code == 7 && !outcome.isHeldOpen)
        #expect(try execute(["sh", "-c", "kill -9 $$"]).code == 137)
        #expect(try execute(["sleep", "10"], timeout: 0.2).code == -1)
        #expect(try execute(["sh", "-c", "sleep 1 & echo x"]).isHeldOpen)
    }

    @Test func terminalsHaveASizeAndControl() throws {
        let terminal = try Terminal([
            "sh", "-c", "stty size; trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done",
        ])
        try terminal.expect("24 80")
        try terminal.expect("ready")
        terminal.resize(rows: 30, columns: 100)
        try terminal.expect("30 100")
        terminal.send(bytes: [3])
        #expect(terminal.wait() == 130)
    }

    @Test(.enabled(if: Host.isRoot, "namespaces need root"))
    func enclosuresHaveLinksOfTheirOwnAndANeighbour() throws {
        let enclosure = try Enclosure()
        defer { enclosure.end() }
        let links = try execute(enclosure.prefix + ["ip", "-o", "link"])
        #expect(links.lines.count == 2, "lo and the wire: \(links)")
        let first = try execute(enclosure.prefix + ["sh", "-c", "readlink /proc/1/exe; ps -e | wc -l"])
        #expect(first.out.contains("bash"))
        #expect(
            try execute(enclosure.neighbourPrefix + ["busybox", "ping", "-c", "1", "-W", "2", "192.0.2.1"])
                .code == 0)
    }
}

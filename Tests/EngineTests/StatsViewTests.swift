import Linux
import OCI
import Testing

@testable import Engine

@Suite struct StatsViewTests {
    private func usage(_ processors: UInt64?, at seconds: Int64) -> ContainerUsage {
        var usage = ContainerUsage(taken: Timestamp(seconds: seconds))
        usage.processors = processors
        return usage
    }

    private func text(_ before: ContainerUsage?, _ now: ContainerUsage, _ format: String) throws -> String {
        let sample = StatsView.Sample(
            id: String(repeating: "0f", count: 32), name: "box", container: "b", before: before, now: now)
        return try StatsView.listing([sample], truncates: true).render(format: format)
    }

    @Test func sharesAreThoseOfTheTimeBetween() throws {
        let format = "{{.ID}} {{.Container}} {{.CPUPerc}}"
        #expect(
            try text(usage(1_000_000_000, at: 1), usage(4_000_000_000, at: 3), format)
                == "0f0f0f0f0f0f b 150.00%\n")
        // A restarted container counts from nothing again; of a first look nothing is known.
        #expect(try text(usage(9, at: 1), usage(4, at: 3), "{{.CPUPerc}}") == "0.00%\n")
        #expect(try text(usage(9, at: 3), usage(19, at: 3), "{{.CPUPerc}}") == "0.00%\n")
        #expect(try text(nil, usage(4, at: 3), "{{.CPUPerc}}") == "--\n")
    }

    @Test func whatIsNotKnownIsNotNothing() throws {
        let all = "{{.CPUPerc}}|{{.MemUsage}}|{{.MemPerc}}|{{.NetIO}}|{{.BlockIO}}|{{.PIDs}}"
        #expect(try text(nil, usage(nil, at: 0), all) == "--|-- / --|--|-- / --|-- / --|--\n")
        #expect(
            try text(nil, .none(at: Timestamp(seconds: 0)), all) == "0.00%|0B / 0B|0.00%|0B / 0B|0B / 0B|0\n")
    }

    @Test func aCgroupsNumbersAreTaken() throws {
        let document = """
            {"cpu":{"usage":{"total":7}},"memory":{"usage":{"usage":3145728,"limit":18446744073709551615},
            "raw":{"inactive_file":1048576}},"pids":{"current":3},"blkio":{"ioServiceBytesRecursive":[
            {"op":"Read","value":1000},{"op":"Write","value":1},{"op":"Read","value":1500},{"op":"Discard","value":9}]}}
            """
        var now = usage(nil, at: 0)
        Containers.take(
            try JSON(parsing: Array(document.utf8)), hasProcessors: true, memoryOfHost: 8 << 30, into: &now)
        (now.received, now.sent) = (1040, 0)
        #expect(now.processors == 7)
        #expect(
            try text(nil, now, "{{.MemUsage}}|{{.MemPerc}}|{{.NetIO}}|{{.BlockIO}}|{{.PIDs}}")
                == "2MiB / 8GiB|0.02%|1.04kB / 0B|2.5kB / 1B|3\n")
        var none = usage(nil, at: 0)
        Containers.take(.object([]), hasProcessors: false, memoryOfHost: 1, into: &none)
        #expect(none == usage(nil, at: 0))
    }

    @Test func interfacesAreAddedButTheLoopback() {
        let table = """
            Inter-|   Receive                                                |  Transmit
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
                lo:     500       5    0    0    0     0          0         0      500       5    0    0
              eth0:    1000       5    0    0    0     0          0         0      200       5    0    0
              eth1:1 2 3 4 5 6 7 8 9 10
              bad: 1
            """
        let bytes = Containers.networkBytes(table)
        #expect(bytes.received == 1001 && bytes.sent == 209)
        #expect(StatsView.binary(2_088_763_392) == "1.945GiB" && StatsView.binary(512) == "512B")
    }
}

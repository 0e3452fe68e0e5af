import Build
import Dispatch
import Linux
import OCI
import SystemPackage
import Testing

@testable import Engine

@Suite struct PruneTests {
    @Test(arguments: [
        ("busybox", "busybox", true), ("busy*", "busybox", true), ("*", "team/app", false),
        ("*/a?p", "team/app", true), ("[a-c]usybox", "busybox", true), ("[^b]usybox", "busybox", false),
        ("b\\*", "busybox", false), ("b\\*", "b*", true), ("[]b]x", "bx", false), ("[a-", "a", false),
        ("", "", true), ("a[", "a[", false),
    ])
    func patternsAreGos(pattern: String, text: String, matches: Bool) {
        #expect((PathPattern(pattern, doubleStars: false)?.matches(text) ?? false) == matches)
    }

    @Test func filtersOfPrunes() throws {
        let now = Timestamp(seconds: 1_000_000)
        var filters = PruneFilters()
        try filters.add("until=1h", now: now)
        try filters.add("label=a", now: now)
        try filters.add("label!=b=2", now: now)
        let old = Timestamp(seconds: 1_000_000 - 3601)
        #expect(filters.holds(created: old, labels: ["a": ""]))
        #expect(!filters.holds(created: now, labels: ["a": ""]))
        #expect(!filters.holds(created: old, labels: [:]))
        #expect(!filters.holds(created: old, labels: ["a": "", "b": "2"]))
        #expect(filters.holds(created: old, labels: ["a": "", "b": "3"]))
        #expect(filters.shown == ["until=1h", "label=a", "label!=b=2"])
        for (text, message) in [
            ("x", "bad format of filter (expected name=value)"), ("name=x", "invalid filter 'name'"),
            ("until=1h", "more than one until filter specified"),
        ] {
            #expect(throws: UsageError(message)) { try filters.add(text, now: now) }
        }
    }

    @Test func noPruneComesBetweenAVolumeAndItsRecord() throws {
        let scratch = try Scratch()
        defer { withExtendedLifetime(scratch) {} }
        let paths = scratch.paths
        let id = String(repeating: "ab", count: 32)
        var image = ImageConfig(platform: Platform(architecture: "amd64"))
        (image.process.cmd, image.process.volumes) = (["sh"], ["/data"])
        let config = try ContainerConfig(
            id: id, name: "box", created: .now(), image: try #require(Digest(hex: id)), config: image,
            options: RunOptions(image: "busybox"))
        let (volumes, ended) = (Volumes(paths), DispatchSemaphore(value: 0))
        var waits = false
        try volumes.withoutPrune(of: config) {
            let volume = try #require(volumes.anonymous(of: config).first)
            _ = try FD.directory(volume.appending("_data"), make: true)
            DispatchQueue.global().async {
                _ = try? VolumeCatalog(paths: paths).prune(isDryRun: false)  // what it did is looked at
                ended.signal()
            }
            // It waits.
            waits = ended.wait(timeout: .now() + 0.3) == .timedOut
            #expect(throws: Never.self) { _ = try FD.open(volume, .path) }
            try Records(paths).create(config, durable: false) { _ in }
        }
        #expect(waits)
        if waits { ended.wait() }
        #expect(try volumes.usage(by: [config]).map(\.links) == [1])
    }

    @Test func imagesFiltersAreChecked() throws {
        var filters = ImageFilters()
        try filters.add("until=24h")
        #expect(throws: (any Error).self) { try filters.add("until=tomorrow") }
        #expect(throws: (any Error).self) { try filters.add("reference=[a") }
    }

    @Test func diskUsageLooksAsDockers() throws {
        var usage = DiskUsage.none
        usage.rows[0] = .init(type: "Images", total: 2, active: 1, bytes: 4_261_550, reclaimable: 1_000_000)
        usage.rows[3] = .init(type: "Build Cache", total: 3, active: 0, bytes: 12, reclaimable: 12)
        #expect(
            try DiskUsageView.summary(usage).render(format: nil) == """
                TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE
                Images          2         1         4.262MB   1MB (23%)
                Containers      0         0         0B        0B
                Local Volumes   0         0         0B        0B
                Build Cache     3         0         12B       12B
                Other           0         0         0B        0B

                """)
    }
}

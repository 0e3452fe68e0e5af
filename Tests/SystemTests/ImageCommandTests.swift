import Support
import Testing

/// What `images`, `history`, `inspect` and `system check` print.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class ImageCommandTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func created(_ zone: String) throws -> [String] {
        try [
            ["images", "--format", "{{.CreatedAt}}"], ["history", "--format", "{{.CreatedAt}}", "busybox"],
        ].map { try apus.apus($0, environment: ["TZ": zone]).text }
    }

    /// The static program reads the zone's file; where it finds none, it is UTC.
    @Test(.enabled(if: Host.has("/usr/share/zoneinfo/Asia/Tokyo"), "tzdata is not installed"))
    func timesAreLocal() throws {
        let utc = try created("UTC")
        #expect(utc[0].hasSuffix(" +0000 UTC") && utc[1].hasSuffix("Z"), "\(utc)")
        let tokyo = try created("Asia/Tokyo")
        #expect(tokyo[0].hasSuffix(" +0900 JST") && tokyo[1].hasSuffix("+09:00"), "\(tokyo)")
        #expect(try created("Nowhere/Land") == utc)
        #expect(try created("") == utc)
    }

    @Test func inspectKnowsDockersOtherNames() throws {
        let id = try apus.must("images", "-q", "--no-trunc", "busybox")
        #expect(try apus.must("inspect", "-f", "{{.ID}} {{.Id}}", "busybox") == "\(id) \(id)")
        let box = try apus.must("create", "busybox", "true")
        #expect(try apus.must("inspect", "-f", "{{.ID}}", box) == box)
        let image = try apus("inspect", "-s", "busybox")
        #expect(image.code == 0 && image.err == "WARNING: --size ignored for images\n", "\(image)")
        #expect(!image.out.contains("\"ID\""))
        let sizes = try apus.must("inspect", "--size", "-f", "{{.SizeRw}} {{gt .SizeRootFs 1000000}}", box)
        #expect(sizes == "0 true")
    }

    /// It takes no room, and works where a layer cannot be made again.
    @Test func aLookUnpacksNothing() throws {
        let id = try apus.must("images", "-q", "--no-trunc", "busybox")
        #expect(try apus.shell("rm -r \"$APUS_ROOT\"/layers/*").code == 0)
        #expect(try apus.must("image", "inspect", "-f", "{{.Id}}", "busybox") == id)
        #expect(try apus.shell("ls \"$APUS_ROOT\"/layers").text.isEmpty)
    }

    @Test func aStoreWithoutDamageIsCounted() throws {
        #expect(try apus.must("system", "check") == "1 image, 1 layer: no damage")
    }

    /// libdispatch would end the process by a signal.
    @Test func withFewDescriptorsAListingFailsInWords() throws {
        let program = "\(Host.bin)/apus"
        #expect(try apus.shell("tar -C / -c etc/hostname | \(program) import - other").code == 0)
        for limit in 6...24 {
            let listed = try apus.shell("ulimit -n \(limit); exec \(program) images -q")
            let isTold = listed.err.contains("Too many open files")
            #expect(listed.lines.count == 2 || isTold, "\(limit): \(listed)")
        }
    }

    @Test func filtersThatAreNoneAreRefused() throws {
        let unknown = try apus("images", "-f", "bad=x")
        #expect(unknown.code == 1 && unknown.err == "apus: invalid filter 'bad'\n", "\(unknown)")
        let shapeless = try apus("images", "-f", "bad")
        #expect(shapeless.code == 125 && shapeless.err.contains("for \"-f, --filter\" flag"), "\(shapeless)")
        let dangling = try apus("image", "prune", "-f", "--filter", "dangling=maybe")
        #expect(
            dangling.code == 1 && dangling.err.contains("invalid filter 'dangling=[maybe]'"), "\(dangling)")
        #expect(try apus.must("image", "prune", "-f", "--filter", "dangling=true").hasSuffix(": 0B"))
        #expect(
            try apus.must("image", "prune", "-f", "--filter", "dangling=false").contains("untagged: busybox"))
    }
}

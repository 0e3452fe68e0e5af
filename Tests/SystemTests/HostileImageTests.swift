import Support
import Testing

/// Every case of the corpus of attack images by each way in: loaded as docker's archive and as OCI's, pulled, and pulled
/// by a build that starts on it. Beside what must become of the image: nothing on the host changes, memory stays bounded,
/// what is refused leaves nothing.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class HostileImageTests {
    /// One enclosure for each, because it takes longer than a case.
    enum Group: CaseIterable {
        case refused, placed, stacked, startless, packed
        var images: [HostileImage] {
            switch self {
            // A layer without a byte has no entries; without a byte a whole root is refused.
            case .refused: HostileImage.refused.filter { $0.description != "empty" }
            case .placed: HostileImage.placed
            case .stacked: HostileImage.stacked
            case .startless: HostileImage.startless
            case .packed: HostileImage.packed
            }
        }
    }

    let apus: Engine
    private let registry: FakeRegistry
    private let base: [UInt8]
    /// The id of the image that the first way gave.
    private var pulled: String?
    private let before: [String]
    /// Of any command, in KiB.
    private static let most = 64 * 1024

    init() throws {
        apus = try Engine(withBusybox: true)
        do {
            // The canary: symlinks of the images lead to it, were they followed on the host.
            let canary = """
                mount -t tmpfs tmpfs /srv && chmod 751 /srv && echo victim > /srv/f && chmod 640 /srv/f &&
                echo evil:x:0:0::/:/bin/sh > /srv/passwd && touch -d @1000000000 /srv/* /srv && mkdir \(apus.directory)/layouts
                """
            let made = try apus.shell(canary)
            guard made.code == 0 else { throw Trouble(because: "no canary: \(made)") }
            before = try Self.host(apus)
            base = try readBytes(Host.fixture("busybox.tar"))
            registry = try FakeRegistry(beside: apus, environment: ["LAYOUTS": apus.directory + "/layouts"])
        } catch {
            apus.tearDown()
            throw error
        }
    }

    deinit { apus.tearDown() }

    /// What an attack would change on the host, with times and numbers of links.
    private static func host(_ apus: Engine) throws -> [String] {
        let outcome = try apus.shell(
            """
            find /srv -printf '%p %y %m %U:%G %n %s %T@ %C@\\n' | sort; cat /srv/*
            stat -c '%n %F %a %u:%g %h %s %Y %Z' /etc/passwd /etc/shadow /dev/null
            ls -d /tmp/apus-esc* /evil /x /f /h /y 2>/dev/null
            """)
        return outcome.lines
    }

    /// The owner of the store's disk has devices made and cannot use them from a container's root.
    @Test func devicesOfAnImageAreNotOpened() throws {
        let layer = RawTar.make { $0.device("zero", 1, 5) }
        let image = HostileImage("25 devices", .placed([]), [layer])
        try image.write(to: apus.directory + "/device", name: "device:latest", base: base)
        try apus.shell("cd \(apus.directory)/device && tar -cf ../device.tar .")
        try apus.must("load", "-q", "-i", apus.directory + "/device.tar")
        for flags in [[], ["--cap-add", "ALL"]] {
            let run = try apus.apus(
                ["run", "--rm", "--network", "none"] + flags + ["device", "head", "-c", "1", "/zero"])
            #expect(run.code == 1 && run.out.isEmpty && run.err.contains("Permission denied"), "\(run)")
        }
    }

    /// As many files as there are inodes, on a file system of few.
    @Test func moreFilesThanInodesAreRefusedAndGone() throws {
        let layer = RawTar.make { tar in for number in 0..<5000 { tar.file("f\(number)") } }
        let name = "\(registry.host)/layout/case"
        let image = HostileImage("83 very many small files", .refused, [layer])
        try image.write(to: apus.directory + "/layouts/case", name: name + ":latest", base: base)
        let small = apus.directory + "/small"
        let made = try apus.shell(
            """
            cd \(apus.directory)/layouts/case && tar -cf ../case.tar . && mkdir \(small) &&
            mount -t tmpfs -o nr_inodes=3000,mode=700 tmpfs \(small)
            """)
        #expect(made.code == 0, "\(made)")
        try apus.must("--root", small, "load", "-q", "-i", Host.fixture("archives/docker.tar"))
        try apus.write("context/Dockerfile", "FROM \(name)\nRUN true\n")
        let used = "find \(small) ! -name lock | wc -l"
        let before = try apus.shell(used).text
        for way in [
            ["load", "-i", apus.directory + "/layouts/case.tar"], ["pull", "-q", name],
            ["build", apus.directory + "/context"],
        ] {
            let taken = try bounded(["--root", small] + way)
            #expect(taken.code == 1 && taken.err.contains("o space left"), "\(way): \(taken)")
            let left = try apus.shell("find \(small) -newer \(apus.directory)/context/Dockerfile")
            #expect((Int(try apus.shell(used).text) ?? 0) <= (Int(before) ?? 0) + 4, "\(way): \(left)")
        }
        let run = ["run", "--rm", "--network", "none", "fixture/docker:plain", "true"]
        #expect(try apus.apus(["--root", small] + run).code == 0)
        try apus.shell("umount \(small)")
    }

    // MARK: one case

    @Test(arguments: Group.allCases)
    func becomesWhatItMust(_ group: Group) throws {
        // Both forms of archives differ in what stands around the layers.
        let isAboutOneLayer = group == .refused || group == .placed
        for image in group.images { try check(image, asDockers: !isAboutOneLayer) }
    }

    private func check(_ image: HostileImage, asDockers: Bool) throws {
        let name = "\(registry.host)/layout/case"
        let directory = apus.directory + "/layouts/case"
        try image.write(to: directory, name: name + ":latest", base: base)
        let pack = """
            cd \(directory) && tar -cf ../oci.tar blobs oci-layout index.json && tar -cf ../docker.tar blobs manifest.json
            """
        #expect(try execute(["sh", "-c", pack]).code == 0)
        try apus.write("context/Dockerfile", "FROM \(name)\nCOPY Dockerfile /copied\nRUN cp /copied /ran\n")
        let ways = [
            ["pull", "-q", name], ["load", "-q", "-i", apus.directory + "/layouts/oci.tar"],
            ["load", "-q", "-i", apus.directory + "/layouts/docker.tar"],
            ["build", "--network", "none", "-t", "built", apus.directory + "/context"],
        ]
        let left = try leftovers()
        pulled = nil
        for way in ways {
            // What an archive of docker's says of its layers are their diff_ids, nothing else.
            let hasDigests = image.lie == .digest || image.lie == .size
            if way.last?.hasSuffix("docker.tar") == true, hasDigests || !asDockers { continue }
            try expect(try bounded(way), image, way: way, name)
            if case .refused = image.outcome {
                let now = try leftovers()
                #expect(now == left, "\(image): \(way): left \(Set(now).subtracting(left))")
            } else if way[0] != "build" {
                // Each way unpacks it anew.
                try apus.must("rmi", name)
            }
        }
        let present = try apus.must("images", "-q", name) + apus.must("images", "-q", "built")
        if case .refused = image.outcome { #expect(present.isEmpty, "\(image)") }
        if !present.isEmpty { _ = try apus("rmi", "-f", "built", name) }
        #expect(try Self.host(apus) == before, "\(image)")
        _ = try execute(["rm", "-r", directory])
    }

    /// Runs a command that has to end, and stay small.
    private func bounded(_ words: [String]) throws -> Outcome {
        let file = apus.directory + "/peak"
        let command = [Host.probe, "peak", file, Host.bin + "/apus"] + words
        let outcome = try execute(
            (apus.enclosure?.prefix ?? []) + command, environment: apus.environment, timeout: 20)
        let peak = Int(trimmed(readFile(file) ?? "")) ?? .max
        #expect(peak <= Self.most, "\(words): \(peak) KiB")
        #expect(!(outcome.out + outcome.err).contains("\u{1b}"), "an escape sequence: \(outcome)")
        return outcome
    }

    private func expect(_ taken: Outcome, _ image: HostileImage, way: [String], _ name: String) throws {
        let isBuild = way[0] == "build"
        let run = ["run", "--rm", "--network", "none", "--pull", "never", isBuild ? "built" : name]
        switch image.outcome {
        case .refused:
            #expect(
                taken.code == 1 && taken.errorLines.last?.hasPrefix("apus: ") == true,
                "\(image): \(way): \(taken)")
        case .placed(_):
            #expect(taken.code == 0, "\(image): \(way): \(taken)")
            if way[0] == "load" {
                // The id names the content of every layer.
                #expect(try apus.must("images", "-q", "--no-trunc", name) == pulled, "\(image): \(way)")
                return
            }
            if !isBuild { pulled = try apus.must("images", "-q", "--no-trunc", name) }
            let shown = try apus.apus(run + ["sh", "-c", HostileImage.listing, "sh"] + image.names)
            #expect(shown.lines.sorted() == image.visible.sorted(), "\(image): \(way): \(shown)")
        case .notRun(let reason):
            // Its end may be seen first by whoever makes its network.
            let reasons = [reason, "setns namespaces: No such process"]
            let outcome = isBuild ? taken : try apus.apus(run + ["true"], timeout: 10)
            #expect(taken.code == (isBuild ? 1 : 0), "\(image): \(way): \(taken)")
            #expect(
                (isBuild ? 1...1 : 125...126).contains(outcome.code)
                    && reasons.contains { outcome.err.contains($0) },
                "\(image): \(way): \(outcome)")
        }
    }

    /// What is in the store.
    private func leftovers() throws -> [String] {
        let places = ["layers", "blobs/sha256", "staging", "downloads", "containers"].map {
            "\(apus.root)/\($0)"
        }
        return try execute(["ls", "-A"] + places).lines.filter { !$0.hasPrefix("/") }
    }
}

import Support
import Testing

@Suite(.enabled(if: Caller.buildah.isReady, Caller.buildah.reason), .serialized)
final class BuildahTests {
    let node: Node
    init() throws {
        node = try Node()
        do { try node.configurePodman() } catch {
            node.tearDown()
            throw error
        }
    }
    deinit { node.tearDown() }

    private func build(_ instructions: String) throws -> Outcome {
        try node.must("mkdir -p /tmp/context && printf '\(instructions)' > /tmp/context/Dockerfile")
        return try node(
            "buildah bud --isolation oci --runtime /run/bin/apus-runtime --network none -t made /tmp/context")
    }

    @Test func stepsRunAndTheirFilesStay() throws {
        let base = "docker-archive:/run/docker.tar"
        try node.must("buildah pull \(base)")
        try node.expectNoTraces {
            let outcome = try build(
                "FROM localhost/fixture/docker:plain\\nRUN id -u > /made\\nUSER app\\nRUN id -u > /tmp/made\\n"
            )
            #expect(outcome.code == 0, "\(outcome)")
        }
        let mount = "m=$(buildah mount $(buildah from localhost/made))"
        #expect(try node("\(mount) && cat $m/made $m/tmp/made").lines == ["0", "1000"])
        #expect(try node.called().isSuperset(of: ["create", "start", "state", "delete"]))
    }

    @Test func aFailedStepHasItsExitCode() throws {
        try node.must("buildah pull docker-archive:/run/docker.tar")
        try node.expectNoTraces {
            let outcome = try build("FROM localhost/fixture/docker:plain\\nRUN exit 4\\n")
            #expect(outcome.code == 4 && outcome.err.contains("RUN exit 4"), "\(outcome)")
        }
    }

    /// Images go both ways in archives, with the digests that they have.
    @Test func archivesAreReadByBoth() throws {
        let apus = "APUS_ROOT=/var/lib/apus APUS_RUN=/run/apus /run/bin/apus"
        try node.must(
            "\(apus) load -q -i /run/oci-plain.tar && \(apus) save -o /run/saved.tar fixture/oci:plain")
        let id = try node.must("\(apus) images -q --no-trunc fixture/oci:plain").dropFirst(7)
        #expect(try node.must("buildah pull -q oci-archive:/run/saved.tar") == id)
        try node.must("buildah push -q \(id) oci-archive:/run/pushed.tar:docker.io/by/buildah:1")
        try node.must("\(apus) load -q -i /run/pushed.tar")
        #expect(try node.must("\(apus) images -q --no-trunc by/buildah:1") == "sha256:\(id)")
        #expect(try node.must("buildah pull -q docker-archive:/run/saved.tar") == id)
    }
}

import Support
import Testing

/// Two nodes on one wire, a Docker Swarm over both, every task on our runtime. Where the kernel has no IPVS,
/// services have no virtual addresses; nothing here needs them.
@Suite(.enabled(if: Caller.docker.isReady, Caller.docker.reason), .serialized)
final class SwarmTests {
    let manager: Node
    let worker: Node
    init() throws {
        manager = try Node("manager")
        do { worker = try Node("worker") } catch {
            manager.tearDown()
            throw error
        }
        do { try gather() } catch {
            tearDown()
            throw error
        }
    }
    deinit { tearDown() }

    private func tearDown() {
        worker.tearDown()
        manager.tearDown()
    }

    private func gather() throws {
        try manager.wire(to: worker)
        for node in [manager, worker] {
            try node.startDocker()
            try node.must("docker tag fixture/docker:plain site:1 && docker tag site:1 site:2")
        }
        try manager.must("docker swarm init --advertise-addr 10.77.0.1 --dispatcher-heartbeat 2s")
        let token = try manager.must("docker swarm join-token -q worker")
        try worker.must("docker swarm join --advertise-addr 10.77.0.2 --token \(token) 10.77.0.1:2377")
        try expectSoon(within: 30) { try manager("docker node ls").out.contains("worker") }
    }

    private static let script = "trap \"exit 0\" TERM; echo up; while :; do sleep 0.1; done"

    private func createService(_ flags: String = "") throws {
        try manager.must(
            "docker service create --detach=false --quiet --no-resolve-image --name web --replicas 4 "
                + "--update-monitor 1s --rollback-monitor 1s --update-parallelism 2 --rollback-parallelism 2 "
                + "\(flags) site:1 sh -c '\(SwarmTests.script)'", timeout: 180)
    }

    /// Node and image of each task that is meant to run and does.
    private func running() throws -> [String] {
        let format = "{{.Node}} {{.Image}} {{.CurrentState}}"
        let listing = try manager("docker service ps web --filter desired-state=running --format '\(format)'")
        return listing.lines.filter { $0.contains(" Running ") }.map {
            $0.split(separator: " ").prefix(2).joined(separator: " ")
        }.sorted()
    }

    private func updateState() throws -> String {
        try manager("docker service inspect -f '{{.UpdateStatus.State}}' web").text
    }

    @Test func aServiceIsUpdatedAndRolledBack() throws {
        try createService()
        let spread = ["manager site:1", "manager site:1", "worker site:1", "worker site:1"]
        #expect(try running() == spread)
        #expect(try manager.count("create") == 2 && worker.count("create") == 2)
        #expect(try manager("docker service logs web").lines.filter { $0.hasSuffix("| up") }.count == 4)

        try manager.must(
            "docker service update --detach=false --quiet --no-resolve-image --image site:2 web", timeout: 180
        )
        #expect(try updateState() == "completed")
        #expect(try running().filter { $0.hasSuffix("site:2") }.count == 4)

        try manager.must("docker service rollback --detach=false --quiet web", timeout: 180)
        #expect(try updateState() == "rollback_completed")
        #expect(try running().filter { $0.hasSuffix("site:1") }.count == 4)
        try removalLeavesNothing()
    }

    @Test func anUpdateThatFailsIsTakenBack() throws {
        try createService()
        let update = try manager(
            "docker service update --detach=false --quiet --no-resolve-image "
                + "--update-failure-action rollback --restart-condition none --args \"sh -c 'exit 5'\" web",
            timeout: 180)
        #expect(try updateState() == "rollback_completed", "\(update)")
        try expectSoon(within: 60) { try running().count == 4 }
        try removalLeavesNothing()
    }

    @Test func tasksLeaveANodeThatIsCutOff() throws {
        try createService()
        try worker.must("ip link set wire0 down")
        try expectSoon(within: 60) {
            try manager("docker node inspect -f '{{.Status.State}}' worker").text == "down"
        }
        try expectSoon(within: 90) { try running() == Array(repeating: "manager site:1", count: 4) }
        #expect(try manager.count("start") == 4)

        try worker.must("ip link set wire0 up")
        try expectSoon(within: 60) {
            try manager("docker node inspect -f '{{.Status.State}}' worker").text == "ready"
        }
        // The tasks that were replaced end there too.
        try expectSoon(within: 60) { try worker("docker ps -q").lines.isEmpty }
    }

    private func removalLeavesNothing() throws {
        try manager.must("docker service rm web")
        for node in [manager, worker] {
            try expectSoon(within: 60) { try node("docker ps -aq").lines.isEmpty }
            // What begins with @ is the runtime's cache.
            let state = "find /run/docker/runtime-runc/moby -mindepth 1 -maxdepth 1 ! -name '@*'"
            try expectSoon { try node(state).text.isEmpty }
        }
    }
}

extension Node {
    /// How often one of the runtime's commands was called.
    func count(_ command: String) throws -> Int {
        try calls().count { $0.hasPrefix(command + " ") }
    }
}

import Linux
import OCI
import Testing

@testable import Engine

@Suite struct CommitConfigTests {
    private func container(_ change: (inout RunOptions) -> Void = { _ in }) throws -> ContainerConfig {
        var image = ImageConfig()
        image.process.cmd = ["sh"]
        image.process.env = ["PATH=/bin", "A=1"]
        var options = RunOptions(image: "busybox")
        change(&options)
        return try ContainerConfig(
            id: String(repeating: "0f", count: 32), name: "c", created: .now(),
            image: #require(Digest(hex: String(repeating: "ab", count: 32))), config: image, options: options)
    }

    @Test func theContainersOwnSettingsAndTheChangesAreTheImages() throws {
        let container = try container {
            $0.command = ["echo", "a b"]
            $0.env = ["B=2", "A"]
            $0.workingDirectory = "/w"
            $0.labels = ["l": "1"]
        }
        var options = CommitOptions()
        options.changes = ["USER 7", "EXPOSE 80", "LABEL m=2"]
        options.message = "why"
        let time = Timestamp(seconds: 1_000_000_000)
        let config = try Containers.committed(container, on: ImageConfig(), options, at: time)
        #expect(config.process.cmd == ["echo", "a b"] && config.process.env == ["B=2", "PATH=/bin"])
        #expect(config.process.user == "7" && config.process.exposedPorts == ["80/tcp"])
        #expect(config.process.labels == ["l": "1", "m": "2"] && config.process.workingDir == "/w")
        #expect(config.history == [.init(created: config.created, createdBy: "echo a b", comment: "why")])
        #expect(config.created == "2001-09-09T01:46:40.000000000Z")
    }

    @Test func stepsThatTheBaseKeepsQuietAboutAreFilledIn() throws {
        var base = ImageConfig()
        base.diffIDs = ["1", "2"].compactMap { Digest(hex: String(repeating: $0, count: 64)) }
        base.history = [.init(createdBy: "ENV", emptyLayer: true), .init(createdBy: "COPY")]
        let config = try Containers.committed(container(), on: base, CommitOptions(), at: .now())
        #expect(config.history.map(\.createdBy) == ["ENV", "COPY", nil, "sh"])
        let steps = HistoryView.steps(of: config, id: base.diffIDs[0]) { $0 == base.diffIDs[1] ? 2 : 1 }
        #expect(steps.map(\.size) == [0, 2, 1, 0])
    }
}

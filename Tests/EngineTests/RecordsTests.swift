import Linux
import OCI
import SystemPackage
import Testing

@testable import Engine

@Suite struct RecordsTests {
    /// A record that says running, of a process that is gone, with or without its run directory.
    private func phase(hasRunDirectory: Bool) throws -> Engine.ContainerState.Phase {
        let scratch = try Scratch()
        defer { withExtendedLifetime(scratch) {} }
        let paths = scratch.paths
        let id = String(repeating: "ab", count: 32)
        var image = ImageConfig(platform: Platform(architecture: "amd64"))
        image.process.cmd = ["sh"]
        let digest = try #require(Digest(hex: id))
        let config = try ContainerConfig(
            id: id, name: "box", created: .now(), image: digest, config: image,
            options: RunOptions(image: "busybox"))
        // Process 1 is older than this.
        let state = Engine.ContainerState(
            phase: .running(pid: 1, startTime: .max >> 2, bootID: try Process.bootID()))
        let records = Records(paths)
        try records.create(config, durable: false) { directory in
            try directory.replace("state.json", with: state.json.bytes, durable: false)
        }
        if hasRunDirectory { _ = try FD.directory(paths.runContainer(id), make: true) }
        return try records.read(id).state.phase
    }

    @Test func whatHasNeitherProcessNorRunDirectoryHasEnded() throws {
        #expect(try phase(hasRunDirectory: false) == .exited(code: nil))
    }

    @Test func aMonitorMayStillRecordTheEnd() throws {
        guard case .running = try phase(hasRunDirectory: true) else {
            Issue.record("the end is the monitor's to record")
            return
        }
    }
}

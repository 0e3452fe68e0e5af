import Support
import Testing

/// What an engine and its runtime may leave behind on a node, as lines. The cgroup above its containers', and
/// podman's for conmon, is the engine's and stays; what begins with @ is the runtime's cache.
private func traces(on node: Node) throws -> Set<String> {
    let script = """
        cut -d' ' -f 5,9- /proc/self/mountinfo | sed 's/^/mount: /'
        ip -o link | cut -d: -f 2 | sed 's/^/link:/; s/@.*//'
        find /sys/fs/cgroup -mindepth 2 -type d ! -name conmon | sed 's/^/cgroup: /'
        for p in /proc/[0-9]*; do [ $$ = ${p#/proc/} ] || echo "process: ${p#/proc/} $(cat $p/comm)"; done
        find /run/containerd/runc/* /run/docker/runtime-runc/* /run/apus-runtime -mindepth 1 -maxdepth 1 ! -name '@*' \
        | sed 's/^/state: /'
        """
    let passing = [" cut", " sed", " find", " cat", " sh", " ip", " sleep"]
    return Set(
        try node("{ \(script); } 2>/dev/null").lines.filter { line in
            !line.hasPrefix("process: ") || !passing.contains { line.hasSuffix($0) }
        })
}

extension Node {
    /// Runs `body`, then waits until nothing is here that was not there before; what stays is a failure.
    func expectNoTraces(
        location: SourceLocation = #_sourceLocation, after body: () throws -> Void
    ) throws {
        let before = try traces(on: self)
        try body()
        var left: Set<String> = []
        _ = try eventually(within: 15) {
            left = try traces(on: self).subtracting(before)
            return left.isEmpty
        }
        #expect(left.isEmpty, "\(left.sorted().joined(separator: "\n"))", sourceLocation: location)
    }
}

/// Fails when `condition` has not become true in time.
func expectSoon(
    within seconds: Double = 15, location: SourceLocation = #_sourceLocation, _ condition: () throws -> Bool
) throws {
    let came = try eventually(within: seconds, condition)
    #expect(came, "it did not come", sourceLocation: location)
}

/// The engines whose packages may be missing.
enum Caller: String {
    case containerd, docker, podman, buildah

    private var programs: [String] {
        switch self {
        case .containerd: ["/usr/bin/containerd", "/usr/bin/ctr"]
        case .docker: ["/usr/sbin/dockerd", "/usr/bin/docker", "/usr/sbin/iptables"]
        case .podman: ["/usr/bin/podman", "/usr/bin/conmon", "/usr/lib/podman/netavark"]
        case .buildah: ["/usr/bin/buildah"]
        }
    }
    /// nil, or why this engine cannot be tested here.
    private var obstacle: String? {
        guard let missing = programs.first(where: { !Host.has($0) }) else { return Host.obstacle }
        return "\(missing) is missing; scripts/install-packages --engines installs it"
    }
    var isReady: Bool { obstacle == nil }
    /// The reason for a skip.
    var reason: Comment { Comment(rawValue: "\(rawValue): \(obstacle ?? "ready")") }
}

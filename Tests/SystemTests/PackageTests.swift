import Support
import Testing

/// The one test outside an enclosure: a build fetches packages from the mirror that this machine's apt uses, through the
/// engine's own bridge in the machine's own network namespace, which is removed afterwards.
@Suite(.serialized)
struct PackageTests {
    private static let obstacle: String? = {
        if let obstacle = Host.obstacle { return obstacle }
        if !Host.has(Host.fixture("debian.tar")) {
            return "no Debian root: the package mirror could not be reached"
        }
        let probe = """
            site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
            eval "$(apt-config shell proxy Acquire::http::Proxy)"
            curl -sfLI -m 20 ${proxy:+--proxy "$proxy"} "${site%/}/dists/bookworm/InRelease"
            """
        guard let outcome = try? execute(["sh", "-c", probe]), outcome.code == 0 else {
            return "the package mirror cannot be reached from this machine"
        }
        return nil
    }()

    @Test(.enabled(if: obstacle == nil, Comment(rawValue: obstacle ?? "ready")))
    func aWebServerIsInstalledFromTheMirrorAndServes() throws {
        let forwarding = readFile("/proc/sys/net/ipv4/ip_forward") ?? "0"
        let apus = try Engine(network: .machine)
        defer {
            apus.tearDown()
            // Best effort: on a machine that forwards anyway nothing changes.
            try? writeFile("/proc/sys/net/ipv4/ip_forward", forwarding)
        }
        try apus.must("import", Host.fixture("debian.tar"), "debian:12")
        try apus.write("web/index.html", "served by apus\n")
        try apus.write(
            "web/Dockerfile",
            """
            FROM debian:12
            RUN apt-get update && apt-get install -y --no-install-recommends nginx-light
            COPY index.html /var/www/html/index.html
            EXPOSE 80
            CMD ["nginx", "-g", "daemon off;"]
            """)
        let built = try apus("build", "-t", "web", apus.directory + "/web", timeout: 300)
        #expect(built.code == 0, "\(built)")
        try apus.must("run", "-d", "--name", "web", "-p", "18080:80", "web")
        try expectSoon {
            try execute(["curl", "--silent", "--max-time", "3", "http://127.0.0.1:18080/"]).out
                == "served by apus\n"
        }
        try apus.must("stop", "web")
    }
}

import Support
import Testing

/// What needs the mirror that this machine's apt uses runs outside an enclosure, here and in `ScenarioDatabaseTests`: a
/// build fetches packages through the engine's own bridge in the machine's own network namespace, which is removed afterwards.
@Suite(.serialized)
struct PackageTests {
    static let obstacle: String? = {
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
    func aWebServerIsInstalledFromTheMirrorAndServes() throws { try Self.withDebian(serves) }

    /// A large image: built, pushed, pulled into an empty store, saved and loaded, it is the same and works.
    @Test(
        .enabled(if: obstacle == nil, Comment(rawValue: obstacle ?? "ready")),
        .enabled(if: Host.environment("APUS_FAULTS") == "all", "takes minutes: make sweep"))
    func anImageWithPythonAndNumpyGoesRound() throws { try Self.withDebian(goesRound) }

    /// An engine in the machine's own namespaces, with Debian's root as `debian:12`.
    static func withDebian(_ body: (Engine) throws -> Void) throws {
        let forwarding = readFile("/proc/sys/net/ipv4/ip_forward") ?? "0"
        let apus = try Engine(network: .machine)
        defer {
            apus.tearDown()
            // Best effort: on a machine that forwards anyway nothing changes.
            try? writeFile("/proc/sys/net/ipv4/ip_forward", forwarding)
        }
        try apus.must("import", Host.fixture("debian.tar"), "debian:12")
        try body(apus)
    }

    private func goesRound(_ apus: Engine) throws {
        try apus.write(
            "python/Dockerfile",
            """
            FROM debian:12
            RUN apt-get update && apt-get install -y --no-install-recommends python3-numpy
            RUN rm -rf /usr/share/doc /var/lib/apt/lists && echo changed > /etc/motd
            CMD ["python3", "-c", "import numpy; print(int(numpy.arange(1000).sum()))"]
            """)
        let registry = try FakeRegistry(beside: apus)
        let name = registry.host + "/good/python"
        let built = try apus.apus(["build", "-q", "-t", name, apus.directory + "/python"], timeout: 600)
        #expect(built.code == 0, "\(built)")
        let id = try apus.must("images", "-q", "--no-trunc", name)
        func expectWorks(_ how: String) throws {
            #expect(try apus.must("images", "-q", "--no-trunc", name) == id, "\(how)")
            let run = try apus.apus(["run", "--rm", "--network", "none", name])
            #expect(run.text == "499500", "\(how): \(run)")
            let check = try apus.apus(["system", "check"], timeout: 120)
            #expect(check.code == 0, "\(how): \(check)")
        }
        func expectDone(_ step: String...) throws {
            let outcome = try apus.apus(step, timeout: 300)
            #expect(outcome.code == 0, "\(step): \(outcome)")
        }
        try expectWorks("built")
        let archive = apus.directory + "/python.tar"
        try expectDone("save", "-o", archive, name)
        try expectDone("push", "-q", name)
        try expectDone("system", "prune", "-af")
        try expectDone("pull", "-q", name)
        try expectWorks("pulled")
        try expectDone("system", "prune", "-af")
        try expectDone("load", "-i", archive)
        try expectWorks("loaded")
    }

    private func serves(_ apus: Engine) throws {
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

import Support

extension Engine {
    /// Starts Debian's registry where the engine is, at 127.0.0.1; `auth`: lines of its configuration. What it tells
    /// is in `registry-PORT.log`, what it keeps in `registry-PORT`, below the test's directory.
    func startRegistry(port: Int = 5000, auth: String = "") throws {
        try write(
            "registry-\(port).yml",
            """
            version: 0.1
            log: {level: error}
            storage: {filesystem: {rootdirectory: \(directory)/registry-\(port)}}
            http: {addr: "127.0.0.1:\(port)"}
            \(auth)
            """)
        let outcome = try shell(
            """
            cd \(directory) && docker-registry serve registry-\(port).yml >registry-\(port).log 2>&1 &
            for i in $(seq 100); do
                curl -s -o /dev/null http://127.0.0.1:\(port)/v2/ && exit 0; sleep 0.1
            done; cat \(directory)/registry-\(port).log; exit 1
            """)
        guard outcome.code == 0 else { throw Trouble(because: "no registry: \(outcome)") }
    }
}

/// The misbehaving registry (Tests/RegistryTests/registry.py), where an engine is.
final class FakeRegistry {
    private let process: Running
    let port: String
    /// `127.0.0.1:PORT`.
    var host: String { "127.0.0.1:\(port)" }

    init(beside apus: Engine, _ arguments: [String] = [], environment: [String: String] = [:]) throws {
        let tests = #filePath.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 }
        let process = try Running(
            (apus.enclosure?.prefix ?? []) + ["python3", tests + "/RegistryTests/registry.py"] + arguments,
            environment: environment, stdin: nil)
        guard eventually(within: 10, { process.output.contains("\n") || !process.isRunning }),
            process.isRunning
        else { throw Trouble(because: "no registry: \(process.finish(timeout: 0))") }
        self.process = process
        port = String(process.output.prefix { $0 != " " })
    }

    deinit {
        process.closeInput()
        _ = process.finish(timeout: 5)
    }
}

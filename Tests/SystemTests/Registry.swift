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

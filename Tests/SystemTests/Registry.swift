import Support

extension Engine {
    /// Debian's registry (distribution 2.8) beside the engine in its namespaces.
    /// `auth`: lines of the registry's configuration.
    func startRegistry(port: Int = 5000, auth: String = "") throws {
        let data = directory + "/registry-\(port)"
        try write(
            "registry-\(port).yml",
            """
            version: 0.1
            log: {level: error}
            storage: {filesystem: {rootdirectory: \(data)}}
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

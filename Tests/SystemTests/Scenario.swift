import Support
import Testing

extension Engine {
    /// Runs a script in docker's words, `docker` being apus, to its end or its first command that fails.
    ///
    /// Besides bash's own it knows `eventually COMMAND...` (until it succeeds) and `prints TEXT COMMAND...`.
    func script(_ text: String, timeout: Double = 60) throws -> Outcome {
        let prelude = """
            set -euo pipefail
            mkdir -p \(directory)/bin; ln -sf \(Host.bin)/apus \(directory)/bin/docker
            cd \(directory); PATH=\(directory)/bin:$PATH
            eventually() {
                for try in $(seq 100); do if "$@"; then return; fi; sleep 0.1; done
                echo "never: $*" >&2; return 1
            }
            prints() { [ "$("${@:2}" 2>/dev/null)" = "$1" ]; }
            health() { docker inspect -f '{{.State.Health.Status}}' "$1"; }
            fetch() { curl --silent --fail --max-time 3 "http://127.0.0.1:$1"; }

            """
        let path = try write("script", prelude + text)
        return try execute(
            (enclosure?.prefix ?? []) + ["bash", path], environment: environment, timeout: timeout)
    }

    /// A script that succeeds, and what it prints.
    func expectScript(
        _ text: String, prints lines: [String], timeout: Double = 60,
        location: SourceLocation = #_sourceLocation
    ) throws {
        let outcome = try script(text, timeout: timeout)
        #expect(outcome.code == 0 && outcome.lines == lines, "\(outcome)", sourceLocation: location)
    }
}

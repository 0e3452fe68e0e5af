import Linux
import Network

/// Tries the network in namespaces of its own: `network-probe SCENARIO DIRECTORY` prints what it saw, one
/// fact a line, for the tests to judge.
let scenarios: [String: (String) throws -> Void] = [
    "reach": reach, "lifecycle": lifecycle, "ports": ports, "adopt": adopt, "leases": leases, "sweep": sweep,
    "siblings": siblings, "reach6": reach6, "repair": repair, "loopback": loopback, "foreign": foreign,
    "time": time,
]
guard CommandLine.arguments.count == 3, let scenario = scenarios[CommandLine.arguments[1]] else {
    print("usage: network-probe SCENARIO DIRECTORY")
    Process.exitNow(2)
}
do {
    try scenario(CommandLine.arguments[2])
} catch {
    print("failed: \(error)")
}

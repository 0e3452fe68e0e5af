// What its name says has no comment.

import Glibc

/// Two names that a process of its own swaps as fast as it can, by renameat2(2) with RENAME_EXCHANGE.
public final class Race {
    /// Of one race: APUS_RACE_SECONDS says more.
    public static let seconds = Double(Host.number("APUS_RACE_SECONDS") ?? 3)

    private let swapping: Running

    public init(between first: String, and second: String) throws {
        // Its own end, should nobody be left to kill it.
        swapping = try Running([
            Host.probe, "exchange", String(Int(Race.seconds) + 60), first, second,
        ])
    }

    deinit {
        kill(swapping.pid, SIGKILL)
        _ = swapping.finish(timeout: 5)
    }

    /// Starts something again and again until the time is over, and longer when nothing has started yet. `start` says
    /// whether it did; answers how often.
    public func run(_ start: () throws -> Bool) throws -> Int {
        let deadline = now() + Race.seconds
        var starts = 0
        while now() < deadline || (starts == 0 && now() < deadline + 10 * patience) {
            if try start() { starts += 1 }
        }
        guard swapping.isRunning else { throw Trouble(because: "the race ended: \(swapping.finish())") }
        return starts
    }
}

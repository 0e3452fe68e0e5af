// What its name says has no comment.

import Glibc

/// Two names that a process of its own swaps as fast as it can, by renameat2(2) with RENAME_EXCHANGE.
public final class Race {
    /// Of one race: APUS_RACE_SECONDS says more.
    public static let seconds = Double(Host.number("APUS_RACE_SECONDS") ?? 3)

    private let swapping: Running

    public init(between first: String, and second: String) throws {
        // It is beside the tests' own program.
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { bytes -> Int in
            guard let start = bytes.baseAddress else { return -1 }
            return readlink("/proc/self/exe", start.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        let own = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        let directory = own.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        // Its own end, should nobody be left to kill it.
        swapping = try Running([
            directory + "/linux-probe", "exchange", String(Int(Race.seconds) + 60), first, second,
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

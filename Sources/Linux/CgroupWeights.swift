import Glibc

/// What cgroup v1's weights are in v2.
public enum CgroupWeights {
    /// `cpu.weight` (1-10000) for v1's shares (2-262144), as runc 1.3.2 and crun 1.23 and later have it: minimum,
    /// default (1024 is 100) and maximum are met exactly. The older line through the end points alone made 39 of the
    /// default, so that a container lost to every other process of the host.
    public static func cpuWeight(shares: UInt64) -> UInt64 {
        if shares <= 2 { return 1 }
        if shares >= 262_144 { return 10_000 }
        let l = log2(Double(shares))
        return UInt64(pow(10, (l * l + 125 * l) / 612 - 7.0 / 34.0).rounded(.up))
    }

    /// `io.weight` (1-10000) for v1's blkio weight (10-1000).
    public static func ioWeight(blkio: UInt16) -> UInt64 {
        1 + (UInt64(min(max(blkio, 10), 1000)) - 10) * 9999 / 990
    }
}

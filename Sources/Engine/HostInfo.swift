import Linux
import SystemPackage

/// What the machine is, read from /proc and /sys.
public struct HostInfo: Equatable, Sendable {
    /// The kernel's release: `6.1.0-18-amd64`.
    public let kernel: String
    /// The host's name.
    public let name: String
    /// PRETTY_NAME of /etc/os-release.
    public let system: String
    /// Those that are online.
    public let processors: Int
    /// VERSION_ID of /etc/os-release.
    public let systemVersion: String
    /// In bytes.
    public let memory: Int64
    /// Of cgroup v2; nil when it is not mounted.
    public let controllers: Set<String>?

    /// Reads all of it; what cannot be read is empty or 0.
    public init() {
        kernel = HostInfo.line("/proc/sys/kernel/osrelease")
        name = HostInfo.line("/proc/sys/kernel/hostname")
        processors = HostInfo.processorCount()
        let release = HostInfo.text("/etc/os-release").split(separator: "\n")
        func fact(_ name: String) -> String? {
            release.first { $0.hasPrefix("\(name)=") }.map {
                $0.dropFirst(name.count + 1).filter { $0 != "\"" }
            }
        }
        system = fact("PRETTY_NAME") ?? "Linux"
        systemVersion = fact("VERSION_ID") ?? ""
        let total = HostInfo.text("/proc/meminfo").split(separator: "\n").first { $0.hasPrefix("MemTotal:") }
        let kilobytes = total?.split(separator: " ").dropFirst().first.flatMap { Int64($0) } ?? 0
        memory = kilobytes * 1024
        // Controllers that cannot be read are none that we could use.
        controllers = CgroupTree.find().map { (try? $0.controllers()) ?? [] }
    }

    /// Whether a switch of the kernel, a path below /proc/sys, is on.
    func isOn(_ setting: FilePath) -> Bool { HostInfo.line(FilePath("/proc/sys").pushing(setting)) == "1" }

    /// Processors that are online.
    public static func processorCount() -> Int {
        let list = line("/sys/devices/system/cpu/online")
        let count = list.split(separator: ",").reduce(0) { sum, range in
            let ends = range.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, last >= first else { return sum }
            return sum + last - first + 1
        }
        return max(1, count)
    }

    private static func text(_ path: FilePath) -> String {
        let bytes = try? FD.open(path).readAll(limit: 1 << 20)  // absent is an answer
        return String(decoding: bytes ?? [], as: UTF8.self)
    }

    static func line(_ path: FilePath) -> String {
        String(text(path).prefix { $0 != "\n" })
    }
}

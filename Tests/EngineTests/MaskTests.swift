import Linux
import OCI
import SystemPackage
import Testing

@testable import Engine

/// What a container does not see, unless it is privileged.
private func masked(_ hidden: [String] = []) -> Set<String> {
    let host = HostFacts(capabilities: .default, devices: [], hiddenPaths: hidden)
    return Set(makeSpec(HostOptions(), mounts: [], host: host).linux.maskedPaths)
}

/// Writing there took disks away from the host.
@Test func cve_2017_16539_scsiIsMasked() { #expect(masked().contains("/proc/scsi")) }

/// Writing there changed the host's hardware.
@Test func cve_2018_10892_acpiIsMasked() { #expect(masked().contains("/proc/acpi")) }

/// What a CPU uses, and when it is interrupted, tells what others compute.
@Test func ghsa_7ww5_ghsa_jq35_powerIsMasked() {
    #expect(masked().contains("/sys/devices/virtual/powercap"))
}

@Test func ghsa_6fw5_interruptsAndHeatAreMasked() throws {
    #expect(masked().contains("/proc/interrupts"))
    let scratch = try Scratch()
    let path = scratch.path
    let directory = try FD.directory(path)
    #expect(HostFacts.thermalCounts(below: path).isEmpty)
    for name in ["cpu0/thermal_throttle", "cpu12/thermal_throttle", "cpufreq", "cpuidle"] {
        _ = try directory.openMaking(FilePath(name))
    }
    let found = HostFacts.thermalCounts(below: path)
    #expect(found == ["\(path)/cpu0/thermal_throttle", "\(path)/cpu12/thermal_throttle"])
    #expect(masked(found).isSuperset(of: found))
}

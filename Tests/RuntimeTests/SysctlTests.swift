import OCI
import Testing

@testable import Runtime

@Suite struct SysctlTests {
    private func plan(
        _ sysctls: [String: String], _ namespaces: [RuntimeSpec.Namespace], own: Set<String> = []
    ) throws(RuntimeError) -> [Sysctl] {
        var spec = RuntimeSpec()
        spec.linux.namespaces = namespaces
        return try planSysctls(sysctls, planNamespaces(spec)) { own.contains($0.path) }
    }

    private func refusal(
        _ name: String, _ namespaces: [RuntimeSpec.Namespace], value: String = "1", own: Set<String> = []
    ) -> String? {
        do {
            _ = try plan([name: value], namespaces, own: own)
            return nil
        } catch { return error.description }
    }

    @Test func dotsAndSlashesNameTheSameSetting() throws {
        let network = [RuntimeSpec.Namespace(.network)]
        let dotted = try plan(["net.ipv4.conf.eth0/100.forwarding": "1"], network)
        let slashed = try plan(["net/ipv4/conf/eth0.100/forwarding": "1"], network)
        #expect(dotted == slashed)
        #expect(dotted.map(\.path) == ["net/ipv4/conf/eth0.100/forwarding"])
        #expect(dotted.map(\.name) == ["net.ipv4.conf.eth0/100.forwarding"])
    }

    @Test func settingsOfOwnNamespacesAreOrderedByName() throws {
        let planned = try plan(
            ["net.core.somaxconn": "1", "fs.mqueue.msg_max": "2", "kernel.sem": "1 2 3 4"],
            [.init(.network), .init(.ipc)])
        #expect(planned.map(\.name) == ["fs.mqueue.msg_max", "kernel.sem", "net.core.somaxconn"])
    }

    /// CVE-2022-0811: a value that became a second setting, of the host's kernel.
    @Test(arguments: [
        "1\nkernel.core_pattern=|/x", "1+kernel.core_pattern=|/x #", "1+Net.x=1", "1\n", "1\0",
    ])
    func cve_2022_0811_valuesHoldOneSettingOnly(_ value: String) {
        #expect(refusal("kernel.shm_rmid_forced", [.init(.ipc)], value: value) != nil)
    }

    @Test func valuesMayHoldSigns() throws {
        #expect(try plan(["net.core.x": "-1 +2 a=b"], [.init(.network)]).map(\.value) == ["-1 +2 a=b"])
    }

    @Test(arguments: [
        "net/../kernel/core_pattern", "net..core", "net", "", "net.", "/net/core/x", "net/core//x",
        "net/./x", "net.core.x\ny",
    ])
    func namesLeadNowhereElse(_ name: String) {
        #expect(refusal(name, [.init(.network), .init(.ipc), .init(.uts)]) != nil)
    }

    /// GHSA-w2j5: with the host's namespace the setting would be the host's.
    @Test func ghsa_w2j5_settingsNeedTheirNamespace() {
        #expect(refusal("net.core.x", []) == "sysctl \"net.core.x\" not allowed in host network namespace")
        #expect(
            refusal("kernel.shmmax", [.init(.network)])
                == "sysctl \"kernel.shmmax\" is not allowed in the hosts ipc namespace")
        #expect(refusal("fs.mqueue.msg_max", [.init(.network)]) != nil)
        #expect(refusal("user.max_user_namespaces", [.init(.network)]) != nil)
        #expect(refusal("kernel.domainname", []) != nil)
        #expect(refusal("kernel.domainname", [.init(.uts)]) == nil)
        #expect(refusal("kernel.hostname", [.init(.uts)]) != nil)
    }

    @Test func aJoinedNamespaceThatIsTheHostsSeparatesNothing() {
        let joined = [RuntimeSpec.Namespace(.network, path: "/proc/1/ns/net")]
        #expect(refusal("net.core.x", joined) == nil)
        #expect(refusal("net.core.x", joined, own: ["/proc/1/ns/net"]) != nil)
    }

    @Test(arguments: ["kernel.core_pattern", "kernel/core_pattern", "vm.swappiness", "fs.file-max"])
    func settingsOfTheWholeKernelAreRefused(_ name: String) {
        let all = RuntimeSpec.NamespaceKind.allCases.filter { $0 != .user }.map { RuntimeSpec.Namespace($0) }
        #expect(refusal(name, all)?.contains("is not in a separate kernel namespace") == true)
    }
}

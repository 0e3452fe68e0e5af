import Monitor
import OCI
import Testing

@testable import Engine

@Suite struct SharingTests {
    private typealias Change = (inout SharingOptions) throws -> Void

    private func changed(_ change: (inout SharingOptions) throws -> Void) throws -> SharingOptions {
        var sharing = SharingOptions()
        try change(&sharing)
        return sharing
    }

    @Test(arguments: [
        ("/dev/null", DeviceRequest(host: "/dev/null", container: "/dev/null", access: "rwm")),
        ("/dev/null:r", DeviceRequest(host: "/dev/null", container: "/dev/null", access: "r")),
        ("/dev/null:/dev/../x", DeviceRequest(host: "/dev/null", container: "/x", access: "rwm")),
        ("/dev/null:/x:mr", DeviceRequest(host: "/dev/null", container: "/x", access: "mr")),
    ])
    func readsDevices(text: String, device: DeviceRequest) throws {
        #expect(try changed { try $0.addDevice(text) }.devices == [device])
    }

    @Test(arguments: [
        ("/dev/null:/dev/x:zz", "bad mode specified: zz"), ("nosuch", "nosuch is not an absolute path"),
        ("/dev/null:x", "x is not an absolute path"), ("/dev/null:/x:rr", "bad mode specified: rr"),
        ("/dev/null:/dev/x:r:w", "bad format for path: /dev/null:/dev/x:r:w"),
        ("", "bad format for path: "), ("a/b=c", "CDI devices (a/b=c) are not supported yet"),
    ])
    func refusesDevices(text: String, why: String) {
        #expect(throws: UsageError(why)) { _ = try changed { try $0.addDevice(text) } }
    }

    @Test(arguments: ["foo", "c 1:3 rwmx", "c 1:3", "d 1:3 r", "c 1 r", "c 1:-3 r", "c  1:3 r", "c 1:3 ", ""])
    func refusesDeviceRules(text: String) {
        #expect(throws: UsageError("invalid device cgroup format '\(text)'")) {
            _ = try changed { try $0.addDeviceRule(text) }
        }
    }

    @Test func readsDeviceRules() {
        let rule = RuntimeSpec.DeviceRule(allow: true, kind: .character, major: 10, minor: nil, access: "rm")
        #expect(SharingOptions.rule("c 10:* rm") == rule)
        #expect(SharingOptions.rule("a *:* rwm") == RuntimeSpec.DeviceRule(allow: true))
    }

    @Test(arguments: ["foo", "=1", "kernel.foo=1", "kernel.hostname=x", "vm.swappiness=1", "netx=1"])
    func refusesSysctls(text: String) {
        #expect(throws: UsageError("sysctl '\(text)' is not allowed")) {
            _ = try changed { try $0.addSysctl(text) }
        }
    }

    /// Nothing that is typed or in an image selects what the runtime does.
    @Test(arguments: [
        "org.systemd.property.X=1", "run.oci.seccomp_fail_unknown_syscall=1", "io.apus.x=1", "=x", "",
    ])
    func refusesAnnotations(text: String) {
        #expect(throws: UsageError.self) { _ = try changed { try $0.addAnnotation(text) } }
    }

    @Test func refusesModes() {
        func refusal(_ change: (inout SharingOptions) throws -> Void) -> String? {
            do { _ = try changed(change) } catch { return "\(error)" }
            return nil
        }
        #expect(refusal { try $0.setIPC("foo") } == "invalid IPC mode: foo")
        #expect(refusal { try $0.setIPC("container:") } == "invalid IPC mode: container:")
        #expect(refusal { try $0.setPID("private") } == "--pid: invalid PID mode")
        #expect(refusal { try $0.setPID("container:") } == "--pid: invalid PID mode")
        #expect(refusal { try $0.setUTS("x") } == "--uts: invalid UTS mode")
        #expect(refusal { try $0.setUsers("auto") } == "--userns: invalid USER mode")
        #expect(refusal { try $0.setCgroup("x") } == "--cgroupns: invalid CGROUP mode")
        #expect(
            refusal { try $0.setRuntime("kata") }?.hasPrefix("unknown or invalid runtime name: kata") == true)
        for parent in ["../x", "/a/../b", "/", "a\nb", "."] {
            #expect(refusal { try $0.setCgroupParent(parent) }?.hasPrefix("invalid cgroup-parent") == true)
        }
    }

    @Test func comesBackFromItsDocument() throws {
        let sharing = try changed {
            try $0.setIPC("shareable")
            try $0.setPID("container:x")
            try $0.setUTS("host")
            try $0.setUsers("host")
            try $0.setCgroup("host")
            try $0.setCgroupParent("/a/b")
            try $0.setRuntime("runc")
            try $0.addSysctl("net.ipv4.ip_forward=1")
            try $0.addAnnotation("a=b")
            try $0.addDevice("/dev/null:/dev/x:r")
            try $0.addDeviceRule("c 1:3 r")
        }
        #expect(try SharingOptions(sharing.json) == sharing)
        #expect(sharing.namespaces == [.mount, .ipc])
        #expect(SharingOptions().namespaces == [.mount, .pid, .uts, .ipc, .cgroup])
    }
}

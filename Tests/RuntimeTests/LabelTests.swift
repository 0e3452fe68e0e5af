import Linux
import OCI
import Testing

@testable import Runtime

private func refusal(_ modules: SecurityModules, _ change: (inout RuntimeSpec.Process) -> Void) -> String? {
    var process = RuntimeSpec.Process()
    change(&process)
    do throws(RuntimeError) {
        _ = try ProcessLabels(process, modules)
        return nil
    } catch { return error.description }
}

@Test func labelsThatNobodyHeedsAreRefused() {
    #expect(refusal([]) { _ in } == nil)
    #expect(refusal([]) { $0.apparmorProfile = "" } == nil)
    #expect(
        refusal(.seLinux) { $0.apparmorProfile = "p" }
            == "unable to apply apparmor profile: apparmor: config provided but apparmor not supported")
    #expect(
        refusal(.appArmor) { $0.selinuxLabel = "a:b:c:s0" }
            == "selinux label is specified in config, but selinux is disabled or not supported")
    #expect(refusal([.appArmor, .seLinux]) { $0.apparmorProfile = "unconfined" } == nil)
    #expect(refusal(.appArmor) { $0.apparmorProfile = "p\nchangehat x" } != nil)
}

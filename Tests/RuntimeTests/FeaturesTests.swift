import Linux
import OCI
import Testing

@testable import Runtime

/// What engines read of it (containerd, dockerd, CRI-O).
@Test func featuresNameWhatIsThere() throws {
    let features = runtimeFeatures(version: "9.9")
    #expect(features["ociVersionMin"] == .string("1.0.0"))
    #expect(features["ociVersionMax"] == .string("1.2.1"))
    let hooks = try features.stringsOrEmpty("hooks")
    #expect(hooks.contains("startContainer") && hooks.count == 6)
    let linux = try #require(features["linux"])
    #expect(try linux.stringsOrEmpty("capabilities").contains("CAP_CHECKPOINT_RESTORE"))
    #expect(linux["cgroup"]?["v1"] == .bool(false))
    #expect(linux["cgroup"]?["v2"] == .bool(true))
    #expect(linux["intelRdt"]?["enabled"] == .bool(false))
    let seccomp = try #require(linux["seccomp"])
    #expect(try seccomp.stringsOrEmpty("actions").contains("SCMP_ACT_NOTIFY"))
    #expect(try seccomp.stringsOrEmpty("archs").contains("SCMP_ARCH_AARCH64"))
    #expect(try seccomp.stringsOrEmpty("supportedFlags").contains("SECCOMP_FILTER_FLAG_LOG"))
}

@Test func mountWordsOfTheFeaturesAreUnderstood() throws {
    for word in try runtimeFeatures(version: "").stringsOrEmpty("mountOptions") {
        #expect(MountOptions([word]).data.isEmpty, "\(word)")
    }
}

import Linux
public import OCI

/// What this runtime can do (runtime-spec 1.2, features.md): the document of `features`. Its lists are the tables by
/// which configurations are read; what the host allows is not asked, but for the kernel's seccomp flags.
public func runtimeFeatures(version: String) -> JSON {
    .fields([
        "ociVersionMin": .string("1.0.0"), "ociVersionMax": .string(RuntimeSpec.newestVersion),
        "hooks": .strings(HookPoint.allCases.map(\.rawValue)),
        "mountOptions": .strings(MountOptions.words.sorted()),
        "linux": linuxFeatures(),
        "annotations": .fields([
            "apus.version": .string(version),
            "io.github.seccomp.libseccomp.version": .string(SeccompProfile.libraryVersion),
            // Engines look here before they offer it.
            "org.opencontainers.runc.checkpoint.enabled": .string("false"),
        ]),
        "potentiallyUnsafeConfigAnnotations": .strings(Annotations.potentiallyUnsafe),
    ])
}

private func linuxFeatures() -> JSON {
    .fields([
        "namespaces": .strings(RuntimeSpec.NamespaceKind.allCases.map(\.rawValue).sorted()),
        "capabilities": .strings(CapabilitySet.all(CapabilitySet.lastNamed).names),
        "cgroup": .fields([
            "v1": .bool(false), "v2": .bool(true), "systemd": .bool(true), "systemdUser": .bool(false),
            "rdma": .bool(true),
        ]),
        "seccomp": .fields([
            "enabled": .bool(true), "actions": .strings(SeccompProfile.Action.words),
            "operators": .strings(SeccompProfile.Comparison.words),
            "archs": .strings(SeccompProfile.architectureWords),
            "knownFlags": .strings(SeccompFlags.words),
            "supportedFlags": .strings(SeccompFlags.supportedWords),
        ]),
        "apparmor": enabled(true), "selinux": enabled(true), "intelRdt": enabled(false),
        "memoryPolicy": .fields([
            "modes": .strings(MemoryPolicy.modes), "flags": .strings(MemoryPolicy.flags.map(\.key)),
        ]),
        "mountExtensions": .fields(["idmap": enabled(true)]), "netDevices": enabled(true),
    ])
}

private func enabled(_ value: Bool) -> JSON { .fields(["enabled": .bool(value)]) }

extension JSON {
    fileprivate static func strings(_ values: [String]) -> JSON { .array(values.map(JSON.string)) }
}

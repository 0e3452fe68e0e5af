import Linux
import OCI
import SystemPackage

/// The labels that security modules give a process at its exec.
struct ProcessLabels: Equatable, Sendable {
    /// Without the `exec ` that the kernel wants before it.
    var apparmorProfile: String?
    var selinuxLabel: String?

    var isEmpty: Bool { apparmorProfile == nil && selinuxLabel == nil }

    /// What a process asks for; a label that nobody here would heed is refused, in runc's words.
    init(_ process: RuntimeSpec.Process, _ modules: @autoclosure () -> SecurityModules) throws(RuntimeError) {
        if let profile = process.apparmorProfile, !profile.isEmpty { apparmorProfile = profile }
        if let label = process.selinuxLabel, !label.isEmpty { selinuxLabel = label }
        guard !isEmpty else { return }
        let modules = modules()
        guard apparmorProfile == nil || modules.contains(.appArmor) else {
            throw RuntimeError(
                "unable to apply apparmor profile: apparmor: config provided but apparmor not supported")
        }
        guard selinuxLabel == nil || modules.contains(.seLinux) else {
            throw RuntimeError(
                "selinux label is specified in config, but selinux is disabled or not supported")
        }
        for label in [apparmorProfile, selinuxLabel] {
            guard label?.utf8.contains(where: { $0 < 0x20 }) != true else {
                throw RuntimeError("the label \(label ?? "") holds a control character")
            }
        }
    }
}

/// The files of a child that take its labels, from its first step, when /proc is still the host's, to the last one
/// before it gives up its rights.
final class LabelFiles {
    private let labels: ProcessLabels
    private var apparmor: LabelFile?
    private var selinux: LabelFile?

    init(_ labels: ProcessLabels) throws(SysError) {
        self.labels = labels
        let proc = try FD.open("/proc", [.path, .directory])
        if labels.apparmorProfile != nil {
            apparmor = try LabelFile(["apparmor/exec", "exec"], below: proc)
        }
        guard let label = labels.selinuxLabel else { return }
        selinux = try LabelFile(["exec"], below: proc)
        // For the session's keyring, which comes next; the exec ends it.
        try LabelFile(["keycreate"], below: proc).write(label)
    }

    func write() throws(SysError) {
        if let profile = labels.apparmorProfile {
            do {
                try apparmor?.write("exec \(profile)")
            } catch {
                throw SysError(
                    call: "apparmor failed to apply profile", subject: profile, errno: error.errno,
                    hint: "is it loaded?")
            }
        }
        if let label = labels.selinuxLabel { try selinux?.write(label) }
    }
}

public import Linux
public import OCI
import SystemPackage

/// Attaches what a container binds to its root, which is in our own mount namespace: what its first process will see, but
/// for what the kernel makes up. Places that are missing are made in the root, never outside of it (CVE-2026-41568).
public func mountBinds(
    _ mounts: [RuntimeSpec.Mount], sources: [String: BindSource] = [:], in root: borrowing FD
) throws(RuntimeError) {
    for mount in mounts where mount.type == "bind" {
        let destination = FilePath("/" + mount.destination).lexicallyNormalized()
        // The kernel's, of which nothing is mounted here, and devices.
        if ["/proc", "/sys", "/dev"].contains(where: { destination.starts(with: FilePath($0)) }) { continue }
        var options = MountOptions(mount.options)
        options.isBind = true
        // What is mounted on it later is nobody's but ours.
        (options.propagation, options.propagatesRecursively) = (.private, true)
        var step = MountStep(
            destination: destination.string, name: mount.source ?? "",
            source: .bind(path: mount.source ?? "", request: nil), options: options, refusesSymlinks: false)
        step.facts = sources[mount.destination] ?? BindSource()
        step.facts.identity = nil
        do throws(SysError) {
            try step.apply(in: root) { _ throws(SysError) in
                throw SysError(call: "bind", subject: destination.string, errno: .permissionDenied)
            }
        } catch { throw RuntimeError("\(error)") }
    }
}

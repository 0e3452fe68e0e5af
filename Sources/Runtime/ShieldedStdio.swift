import Linux
import SystemPackage

/// A process's streams without the host's own null device: whoever holds a descriptor of it as root can change the
/// device's mode and owner, for all of the host. In its place stands the same device on a read-only mount that is
/// attached nowhere.
struct ShieldedStdio: ~Copyable {
    private(set) var stdio: ProcessStdio
    private var null: FD?

    init(_ stdio: ProcessStdio) throws(SysError) {
        self.stdio = stdio
        guard case .descriptors(let stdin, let stdout, let stderr) = stdio else { return }
        var numbers = [stdin, stdout, stderr]
        var areNull: [Bool] = []
        for number in numbers { areNull.append(try Kernel.isNull(number)) }
        // Without privileges its mode is not ours to give away.
        guard areNull.contains(true), Process.effectiveUser == 0, let null = try Self.makeNull() else {
            return
        }
        for i in numbers.indices where areNull[i] { numbers[i] = null.raw }
        self.null = consume null
        self.stdio = .descriptors(stdin: numbers[0], stdout: numbers[1], stderr: numbers[2])
    }

    /// Nil for root of a user namespace, who may make no mount here, and has no rights on the device.
    private static func makeNull() throws(SysError) -> FD? {
        let tree: FD
        do { tree = try FD.open("/dev/null", .path).cloneTree(recursive: false) } catch {
            guard error.errno == .notPermitted else { throw error }
            return nil
        }
        try tree.setAttributes([.readOnly, .noSetuid, .noExec], propagation: .private)
        let null = try FD.open(FilePath("/proc/self/fd/\(tree.raw)"), .readWrite)
        guard try Kernel.isNull(null.raw) else { return nil }
        return null
    }
}

import CLinux
public import SystemPackage

/// Compiled filters on disk, because compiling takes milliseconds and loading a tenth of one. A file's name
/// is the digest of all that went into the filter; a file that is not ours, can be written by others, or
/// does not hold what its digest says is compiled anew and replaced. A directory of which the same is true is
/// not used: others could put their files there.
public struct SeccompCache: Sendable {
    private let directory: FilePath

    /// Keeps files in `directory`, which is made (0700) on the first write.
    public init(directory: FilePath) { self.directory = directory }

    /// The filter of `SeccompProfile.containerDefault`. A hit builds no profile: its key is made of the
    /// program's version, the capabilities, the architecture and the kernel.
    public func containerDefault(
        capabilities: CapabilitySet, includes32Bit: Bool = false
    ) throws(SeccompError) -> [UInt8] {
        try filter("default \(capabilities) \(includes32Bit)") { () throws(SeccompError) in
            try SeccompProfile.containerDefault(capabilities: capabilities, includes32Bit: includes32Bit)
                .compile()
        }
    }

    /// The filter of any profile; its flags are not part of the program.
    public func filter(for profile: SeccompProfile) throws(SeccompError) -> [UInt8] {
        try filter(profile.canonical) { () throws(SeccompError) in try profile.compile() }
    }

    private func filter(
        _ inputs: String, compile: () throws(SeccompError) -> [UInt8]
    ) throws(SeccompError) -> [UInt8] {
        let key = SHA256.hex(of: Array("\(SeccompCache.surroundings) \(inputs)".utf8))
        if let program = read(key) { return program }
        let program = try compile()
        // A full or read-only disk costs the next start some milliseconds and is no reason to fail this one.
        try? write(key, program)
        return program
    }

    /// What a filter depends on beside its profile: libseccomp asks the kernel what it can do.
    private static var surroundings: String {
        let (release, machine) = Kernel.release()
        return "apus \(SeccompProfile.version) libseccomp \(cl_seccomp_version()) \(machine) \(release)"
    }
}

/// The form of a file: magic, the digest in hexadecimal digits of key and program, the program.
extension SeccompCache {
    private static let magic = "apusbpf1"
    /// 8 of the magic, 64 of the digest.
    private static let headerSize = 72
    private static let maximumSize = headerSize + 4096 * 8

    private static func header(_ key: String, _ program: some Collection<UInt8>) -> [UInt8] {
        var hash = SHA256()
        hash.update(key)
        hash.update(Array(program))
        return Array((magic + hash.hex()).utf8)
    }

    /// The program of a file that only we can have written and that is whole; nil otherwise.
    private func read(_ key: String) -> [UInt8]? {
        // Whatever is wrong with the file, compiling is the answer to it.
        guard let directory = try? FD.open(directory, [.path, .directory, .noFollow]), isOurs(directory),
            let file = try? directory.open(
                FilePath(key), [.readOnly, .noFollow, .nonBlocking], resolve: [.beneath, .noSymlinks]),
            let status = try? file.status(), status.type == .regular, status.uid == cl_getuid(),
            status.permissions & 0o022 == 0, let bytes = try? file.readAll(limit: SeccompCache.maximumSize),
            bytes.count > SeccompCache.headerSize, bytes.count % 8 == 0
        else { return nil }
        let program = Array(bytes[SeccompCache.headerSize...])
        return bytes.starts(with: SeccompCache.header(key, program)) ? program : nil
    }

    private func isOurs(_ directory: borrowing FD) -> Bool {
        guard let status = try? directory.status() else { return false }  // compiling is the answer to it
        return status.uid == cl_getuid() && status.permissions & 0o022 == 0
    }

    private func write(_ key: String, _ program: [UInt8]) throws(SysError) {
        let directory = try FD.directory(directory, make: true)
        guard isOurs(directory) else { return }
        // A crash may lose it: nothing is synced.
        try directory.replace(
            FilePath(key), with: SeccompCache.header(key, program) + program, durable: false)
    }
}

extension SeccompProfile {
    /// All that decides over the program, in a form that no two profiles share.
    var canonical: String {
        // What one profile refuses another's filter must not answer.
        let leniency = ignoresUnknownCalls ? "lenient" : "strict"
        var text = "profile \(leniency) \(defaultAction.number) \(otherArchitectures.number)"
        for architecture in architectures.sorted() { text += " \(architecture.utf8.count):\(architecture)" }
        for rule in rules {
            text += "\n\(rule.action.number)"
            for name in rule.names { text += " \(name.utf8.count):\(name)" }
            for condition in rule.conditions {
                let (op, value, valueTwo) = condition.comparison.operands
                text += " [\(condition.index) \(op) \(value) \(valueTwo)]"
            }
        }
        return text
    }
}

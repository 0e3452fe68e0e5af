import Linux
import SystemPackage

/// Why a container or a process in it could not be started, in words that engines match on (runc's), with the
/// exit code that docker's command line gives.
public struct RuntimeError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String
    /// 125: the engine's failure; 126: the command cannot be executed; 127: it is not there; 255: `exec` failed.
    public let exitCode: Int32
    /// What callers go by.
    public let kind: Kind

    /// Of an exec that failed.
    public let exec: ExecFailure?

    /// `notThere`: no such container. `unreadable`: it is there, and its state cannot be read now.
    public enum Kind: Equatable, Sendable { case notThere, unreadable, other }

    public init(_ description: String, exitCode: Int32 = 125, kind: Kind = .other, exec: ExecFailure? = nil) {
        (self.description, self.exitCode, self.kind, self.exec) = (description, exitCode, kind, exec)
    }
}

extension SysError {
    /// With the reason in small letters, as Go has it: engines look for `permission denied`.
    var inRuncsWords: String {
        let base = "\(call) \(subject): \("\(errno)".lowercased())"
        return hint.map { "\(base) (\($0))" } ?? base
    }
}

public import SystemPackage

/// A failed system call: which one, on what, why, and, where we know it, what the user can do.
public struct SysError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The call's name as in section 2 of the manual.
    public let call: String
    /// What it was done on: a path, an interface, a process.
    public let subject: String
    /// Why, in the kernel's words.
    public let errno: Errno
    /// What the user can do, without a full stop.
    public var hint: String?

    /// An error of its parts.
    public init(call: String, subject: String, errno: Errno, hint: String? = nil) {
        (self.call, self.subject, self.errno, self.hint) = (call, subject, errno, hint)
    }

    /// `call subject: reason (hint)`.
    public var description: String {
        let base = "\(call) \(subject): \(errno)"
        return hint.map { "\(base) (\($0))" } ?? base
    }

    /// The same error with a hint for the user.
    public func hinting(_ hint: String) -> SysError {
        var copy = self
        copy.hint = hint
        return copy
    }
}

/// Runs a C shim that answers a value or `-errno`, again when a signal interrupted it. The only place that
/// makes an `Errno`.
@inlinable
public func sys<R: FixedWidthInteger & SignedInteger>(
    _ call: StaticString, _ subject: @autoclosure () -> String, _ body: () -> R
) throws(SysError) -> R {
    while true {
        let result = body()
        if result >= 0 { return result }
        if result == -4 { continue }  // EINTR
        throw SysError(call: "\(call)", subject: subject(), errno: Errno(rawValue: CInt(-result)))
    }
}

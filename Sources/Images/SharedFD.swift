import Linux

/// An open directory, file or pipe that several hold, also closures; closed when the last one lets go.
final class SharedFD: Sendable {
    let fd: FD
    init(_ fd: consuming FD) { self.fd = fd }
}

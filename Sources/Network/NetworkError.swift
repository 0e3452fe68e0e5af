import Linux

/// Why a network could not be used: one line, with docker's words where docker has them.
public struct NetworkError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The line.
    public let description: String
    /// Takes the line.
    public init(_ description: String) { self.description = description }
}

/// Runs calls of the kernel; a failure becomes one line that begins with what was attempted.
func asking<R: ~Copyable>(
    _ what: @autoclosure () -> String, _ body: () throws(SysError) -> R
) throws(NetworkError) -> R {
    do throws(SysError) {
        return try body()
    } catch {
        throw NetworkError("\(what()): \(error)")
    }
}

/// What the engine could not do, in one line with docker's words where docker has them, and the exit code that
/// `run` ends with for it.
public struct EngineError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String
    public let exitCode: Int32

    public init(_ description: String, exitCode: Int32 = 125) {
        (self.description, self.exitCode) = (description, exitCode)
    }
}

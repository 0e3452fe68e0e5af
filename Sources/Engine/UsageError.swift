/// What a user typed and cannot have: one line, in docker's words where docker has them.
public struct UsageError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The line, without the program's name.
    public let description: String
    /// With docker it is the daemon that finds it: `create` ends with another code.
    public let isOfEngine: Bool

    /// Takes the line.
    public init(_ description: String, isOfEngine: Bool = false) {
        (self.description, self.isOfEngine) = (description, isOfEngine)
    }
}

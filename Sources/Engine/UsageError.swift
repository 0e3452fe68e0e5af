/// What a user typed and cannot have: one line, in docker's words where docker has them.
public struct UsageError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The line, without the program's name.
    public let description: String
    /// Takes the line.
    public init(_ description: String) { self.description = description }
}

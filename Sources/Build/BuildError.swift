/// Why a build failed, in one line, and the exit code docker's client would end with.
public struct BuildError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One line, as a user sees it.
    public let description: String
    /// Of the command that failed; 1 for everything else.
    public let exitCode: Int32

    /// The error is a command's own, whose text docker's users know.
    let isCommand: Bool

    init(command description: String, exitCode: Int32) {
        (self.description, self.exitCode, isCommand) = (description, exitCode, true)
    }

    init(_ description: String, exitCode: Int32 = 1) {
        (self.description, self.exitCode, isCommand) = (description, exitCode, false)
    }

    static func sourceMissing(_ source: String) -> BuildError {
        BuildError(
            "COPY failed: file not found in build context or excluded by .dockerignore: "
                + "stat \(source): file does not exist")
    }
}

/// Why a build failed, in one line, and the exit code docker's client would end with.
public struct BuildError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One line, as a user sees it.
    public let description: String
    /// Of the command that failed; 1 for everything else.
    public let exitCode: Int32

    init(_ description: String, exitCode: Int32 = 1) {
        (self.description, self.exitCode) = (description, exitCode)
    }

    static func sourceMissing(_ source: String) -> BuildError {
        BuildError(
            "COPY failed: file not found in build context or excluded by .dockerignore: "
                + "stat \(source): file does not exist")
    }
}

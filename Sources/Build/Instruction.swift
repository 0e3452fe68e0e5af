import OCI

/// One instruction of a Dockerfile, its texts as written: variables are expanded when the step runs.
enum Instruction: Equatable, Sendable {
    case from(From)
    case run(Run)
    case copy(Copy)
    case env([Pair])
    case label([Pair])
    case arg([Argument])
    case workdir(String)
    case user(String)
    case cmd(Command)
    case entrypoint(Command)
    case expose([String])
    case volume([String])
    case stopSignal(String)
    case shell([String])
    /// docker's `Healthcheck` document.
    case healthcheck(JSON)
    case maintainer(String)
    /// The trigger's text, run by a build that starts from this image.
    case onBuild(String)

    /// `FROM [--platform=P] image [AS name]`.
    struct From: Equatable, Sendable {
        var image: String
        var platform: String?
        /// In lower case: stage names ignore case.
        var name: String?
    }
    /// `RUN [--network=N] ...`.
    struct Run: Equatable, Sendable {
        var command: Command
        var network: Network = .default
        /// With bodies, `command` is the shell's text up to the first of them.
        var heredocs: [Heredoc] = []
    }
    /// What a RUN step may reach.
    enum Network: String, Equatable, Sendable {
        case `default`, none, host
    }
    /// `COPY` and `ADD`.
    struct Copy: Equatable, Sendable {
        /// ADD unpacks local archives.
        var isAdd: Bool
        var sources: [String]
        var destination: String
        /// A stage's name or number, or an image.
        var from: String?
        var chown: String?
        var chmod: String?
        /// Files given in the Dockerfile itself, named by their terminators.
        var heredocs: [Heredoc] = []
    }
    /// Shell form, one text for the shell; or exec form, the words themselves.
    enum Command: Equatable, Sendable {
        case shell(String), exec([String])
    }
    /// `name=value` as written, quotes and variables included.
    struct Pair: Equatable, Sendable {
        var name: String
        var value: String
    }
    /// `ARG name[=default]`.
    struct Argument: Equatable, Sendable {
        var name: String
        var value: String?
    }
    /// The lines between `<<NAME` and `NAME`.
    struct Heredoc: Equatable, Sendable {
        var name: String
        /// False when the name was quoted: the content stays as it is.
        var expands: Bool
        var content: String
        /// How it was written after `<<`: a shell that reads it needs the same.
        var written: String
    }
}

/// An instruction with the place it was written at.
struct Statement: Equatable, Sendable {
    /// The first line, counted from 1.
    let line: Int
    /// `RUN make all`: the instruction in one line, as progress and history show it.
    let text: String
    let instruction: Instruction
}

/// A parsed Dockerfile.
struct Dockerfile: Equatable, Sendable {
    /// What users call the file: its path as given.
    let name: String
    /// `\` or a backquote.
    let escape: Unicode.Scalar
    let statements: [Statement]
    /// What is odd but allowed; each names its line.
    let warnings: [String]
}

/// What is wrong in a Dockerfile and where; the words are docker's where docker has any.
public struct DockerfileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file's name as given; nil when the text is not a file's (an ONBUILD trigger).
    public let file: String?
    /// Counted from 1; nil when the whole file is meant.
    public let line: Int?
    /// What is wrong, without the place.
    public let message: String
    /// It cannot be read, as opposed to: it cannot be done.
    public let isSyntax: Bool

    init(_ message: String, file: String? = nil, line: Int? = nil, isSyntax: Bool = true) {
        (self.message, self.file, self.line, self.isSyntax) = (message, file, line, isSyntax)
    }

    /// One line, as a user sees it.
    public var description: String {
        guard let line else { return message }
        if isSyntax { return "dockerfile parse error line \(line): \(message)" }
        return "\(file ?? "Dockerfile"):\(line): \(message)"
    }

    /// The same error with a place, unless it has one.
    func at(_ line: Int, of file: String?) -> DockerfileError {
        guard self.line == nil else { return self }
        return DockerfileError(message, file: file, line: line, isSyntax: isSyntax)
    }
}

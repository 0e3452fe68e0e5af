public import OCI
public import SystemPackage

/// What `docker build` is asked for.
public struct BuildOptions: Sendable {
    /// The context's directory.
    public var contextPath: FilePath
    /// `-f`; `-` reads standard input; nil is `Dockerfile` in the context.
    public var dockerfilePath: FilePath?
    /// `-t`, in order.
    public var tags: [Reference] = []
    /// `--build-arg`, in order; without a value it is as if it were not given.
    public var buildArguments: [(name: String, value: String?)] = []
    /// `--target`: a stage's name or number.
    public var target: String?
    /// `--no-cache`: every step is done again; its result is still recorded.
    public var noCache = false
    /// Images are pulled although the store has them.
    public var pulls = false
    /// `-q`: nothing is reported but the id.
    public var quiet = false
    /// `--iidfile`: where the id is written.
    public var idFile: FilePath?
    /// `--label`, in order.
    public var labels: [(name: String, value: String)] = []
    /// `--network`, for steps that do not say their own.
    public var network = "default"
    /// SOURCE_DATE_EPOCH of the caller's environment; a build argument of that name comes first.
    public var sourceDateEpoch: String?

    /// The defaults of docker.
    public init(contextPath: FilePath) { self.contextPath = contextPath }
}

/// One command to run in a container whose root is made of layers.
public struct RunStep: Sendable {
    /// The command, its shell included.
    public var argv: [String]
    /// `NAME=value`: the image's, the build arguments' and the proxies'.
    public var env: [String]
    /// Absolute; made if it is missing.
    public var workingDir: String
    /// As USER says it; empty is root.
    public var user: String
    /// Trees of the layers, topmost first.
    public var layers: [FilePath]
    /// Where the step's changes go.
    public var upper: FilePath
    /// overlayfs's own, beside `upper`.
    public var work: FilePath
    /// `default`, `none` or `host`.
    public var network: String
    /// The configuration so far.
    public var config: ImageConfig.Process
    /// Unique among running steps, fit for a container's name.
    public var stepName: String
}

/// Runs a step in a container: the engine's way, and a fake in tests.
public protocol StepRunner {
    /// Waits for the command's end; what it writes to stdout and stderr goes to `output`. Answers its exit code.
    func run(_ step: RunStep, output: @escaping (UnsafeRawBufferPointer) -> Void) throws -> Int32
    /// Brings an image into the store that is not there, or its newest.
    func pull(_ image: String) throws
}

/// What a build tells while it goes on.
public enum BuildReport: Equatable, Sendable {
    /// A line of progress in docker's words, for stdout.
    case line(String)
    /// A line for stderr.
    case warning(String)
    /// What a command wrote.
    case output([UInt8])
    /// What a quiet build kept to itself, when it has failed: for stderr.
    case log([UInt8])
}

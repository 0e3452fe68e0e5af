import Linux
import OCI

/// What goes into a step's key: the operation with everything that its result depends on, and nothing else. Two
/// builds that agree in it have the same outcome. No times of files, no ids, no history, no proxies.
struct StepKey {
    private let json: JSON

    /// A command: its words, environment, place and user, on this content.
    static func run(
        _ argv: [String], env: [String], network: String, on state: StageState
    ) -> StepKey {
        StepKey(
            "run", on: state,
            [
                "argv": strings(argv), "env": strings(env), "cwd": .string(state.workingDir),
                "user": .string(state.config.process.user), "network": .string(network),
            ])
    }

    /// `sources` are digests of what is copied.
    static func copy(
        _ copy: Instruction.Copy, sources: [String], destination: String, on state: StageState
    ) -> StepKey {
        StepKey(
            "copy", on: state,
            [
                "unpack": .bool(copy.isAdd), "sources": strings(sources), "destination": .string(destination),
                "chown": copy.chown.map(JSON.string) ?? .null, "chmod": copy.chmod.map(JSON.string) ?? .null,
            ])
    }

    static func directory(_ path: String, on state: StageState) -> StepKey {
        StepKey(
            "directory", on: state,
            ["path": .string(path), "user": .string(state.config.process.user)])
    }

    /// What a source names in the tree of some layers.
    static func selection(_ source: String, in layers: [Digest]) -> Digest? {
        let json = JSON.fields([
            "source": .string(source), "layers": strings(layers.map(\.description)),
        ])
        return Digest(hex: SHA256.hex(of: json.bytes))
    }

    private init(_ operation: String, on state: StageState, _ parts: KeyValuePairs<String, JSON?>) {
        json = .object([
            JSON.Member("version", .int(1)), JSON.Member("operation", .string(operation)),
            JSON.Member("parts", .fields(parts)),
            JSON.Member("platform", .string(state.config.platform.description)),
            JSON.Member("epoch", .int(state.epoch)),
            JSON.Member("layers", StepKey.strings(state.config.diffIDs.map(\.description))),
        ])
    }

    private static func strings(_ strings: [String]) -> JSON { .array(strings.map(JSON.string)) }

    var digest: Digest { Digest(sha256: SHA256.hex(of: json.bytes)) }
}

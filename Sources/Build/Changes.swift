public import OCI

/// `import --change`: instructions that change nothing but an image's configuration.
public func applyChanges(
    _ changes: [String], to config: ImageConfig
) throws(DockerfileError) -> ImageConfig {
    var state = StageState(config: config, epoch: 0)
    for change in changes {
        let name = String(change.prefix { $0 != " " })
        let refusal = DockerfileError("\(name.lowercased()) is not a valid change command", isSyntax: false)
        guard InstructionParser.names.contains(name.uppercased()), name.uppercased() != "FROM" else {
            throw refusal
        }
        let statement = try parseInstruction(change)
        let before = state
        let expander = VariableExpander(escape: "\\") { before.value(of: $0) }
        if case .workdir(let path) = statement.instruction {
            state.config.process.workingDir = state.absolute(try expander.word(path))
        } else if try state.apply(statement.instruction, expander: expander) == nil {
            throw refusal
        }
    }
    return state.config
}

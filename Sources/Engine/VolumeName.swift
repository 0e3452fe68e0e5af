/// Names of volumes.
enum VolumeName {
    /// docker's grammar: that of the names of containers.
    static func isValid(_ name: String) -> Bool { ContainerName.isValid(name) }

    /// The name; docker's refusal of one that is none.
    static func checked(_ name: String) throws(UsageError) -> String {
        if isValid(name) { return name }
        if name.utf8.count == 1 {
            throw UsageError(
                "create \(name): volume name is too short, names should be at least two alphanumeric characters",
                isOfEngine: true)
        }
        if name.utf8.count > 200 {
            throw UsageError("create \(name): volume name is longer than 200 bytes", isOfEngine: true)
        }
        throw UsageError(
            "create \(name): \"\(name)\" includes invalid characters for a local volume name, only "
                + "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, "
                + "use absolute path", isOfEngine: true)
    }
}

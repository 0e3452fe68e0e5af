import CSeal
import Runtime

extension Arguments {
    /// The descriptors from 3 on that the process is to inherit: those that the caller has given us, none of our own.
    func preservedDescriptors() throws(RuntimeError) -> UInt32 {
        let wanted: UInt32 = try number("preserve-fds") ?? 0
        let given = seal_open_descriptors()
        guard wanted <= given else {
            throw RuntimeError(
                "unable to preserve \(wanted) file descriptors: \(UInt64(given) + 3) is not open")
        }
        return wanted
    }
}

/// Who is in a container sees the processes that come in, and could read what they were told.
func hidingArguments<Result: ~Copyable>(
    _ body: () throws(RuntimeError) -> Result
) throws(RuntimeError) -> Result {
    seal_hide_arguments(1)
    defer { seal_hide_arguments(0) }
    return try body()
}

import Linux
import OCI
import Runtime
import SystemPackage

extension Command {
    static let pause = Command("pause", "ID", "freeze every process of a container") {
        context throws(RuntimeError) in
        try pauseContainer(context.onlyID("pause"), root: context.root)
        return 0
    }

    static let resume = Command("resume", "ID", "let a paused container go on") {
        context throws(RuntimeError) in
        try resumeContainer(context.onlyID("resume"), root: context.root)
        return 0
    }

    static let ps = Command(
        "ps", "[--format table|json] ID [PS-OPTIONS...]", "list the processes of a container",
        flags: ["format,f="]
    ) { context throws(RuntimeError) in
        guard let id = context.arguments.words.first else {
            throw RuntimeError("\"ps\" requires a container id")
        }
        let pids = try containerProcesses(id, root: context.root)
        switch context.arguments["format"] ?? "table" {
        case "json": Standard.out(JSON.array(pids.map { JSON.number($0) }).text + "\n")
        case "table":
            let options = context.arguments.words.dropFirst()
            Standard.out(try HostPS.rows(of: Set(pids), options: options.isEmpty ? ["-ef"] : Array(options)))
        case let other: throw RuntimeError("invalid format option: \(other)")
        }
        return 0
    }

    static let update = Command(
        "update", "[FLAGS] ID", "change the limits of a container",
        flags: [
            "resources,r=", "blkio-weight=", "cpu-period=", "cpu-quota=", "cpu-burst=",
            "cpu-share,cpu-shares=", "cpu-rt-period=", "cpu-rt-runtime=", "cpuset-cpus=", "cpuset-mems=",
            "cpu-idle=",
            "memory=", "memory-reservation=", "memory-swap=", "kernel-memory=", "kernel-memory-tcp=",
            "pids-limit=", "l3-cache-schema=", "mem-bw-schema=",
        ]
    ) { context throws(RuntimeError) in
        let id = try context.onlyID("update")
        try updateContainer(id, readResources(context), root: context.root, warn: context.warn)
        return 0
    }
}

/// The document of `--resources` (`-`: standard input), or what the flags say.
private func readResources(_ context: Context) throws(RuntimeError) -> RuntimeSpec.Resources {
    guard let file = context.arguments["resources"] else { return try resources(context.arguments) }
    do {
        let bytes = try FD.open(file == "-" ? "/dev/stdin" : FilePath(file)).readAll(limit: 1 << 20)
        return try RuntimeSpec.Resources(JSON(parsing: bytes))
    } catch {
        throw RuntimeError("unable to read the resources of \(file): \(error)")
    }
}

private func resources(_ arguments: Arguments) throws(RuntimeError) -> RuntimeSpec.Resources {
    guard arguments["l3-cache-schema"] == nil, arguments["mem-bw-schema"] == nil else {
        throw RuntimeError("intelRdt is not supported by this runtime")
    }
    var resources = RuntimeSpec.Resources()
    resources.blockIO.weight = try arguments.number("blkio-weight")
    resources.cpu.period = try arguments.number("cpu-period")
    resources.cpu.quota = try arguments.number("cpu-quota")
    resources.cpu.burst = try arguments.number("cpu-burst")
    resources.cpu.shares = try arguments.number("cpu-share")
    resources.cpu.realtimePeriod = try arguments.number("cpu-rt-period")
    resources.cpu.realtimeRuntime = try arguments.number("cpu-rt-runtime")
    (resources.cpu.cpus, resources.cpu.mems) = (arguments["cpuset-cpus"], arguments["cpuset-mems"])
    resources.cpu.idle = try arguments.number("cpu-idle")
    resources.memory.limit = try bytes(arguments, "memory")
    resources.memory.reservation = try bytes(arguments, "memory-reservation")
    resources.memory.swap = try bytes(arguments, "memory-swap")
    let pids: Int64? = try arguments.number("pids-limit")
    resources.pids = pids.map { RuntimeSpec.PidsLimit(limit: $0) }
    return resources
}

/// A number of bytes with a unit of 1024 (`64M`, `1g`, `512kb`), or -1.
private func bytes(_ arguments: Arguments, _ flag: String) throws(RuntimeError) -> Int64? {
    guard let text = arguments[flag] else { return nil }
    if text == "-1" { return -1 }
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    var unit = text.dropFirst(digits.count).lowercased()
    if unit.hasSuffix("b") { unit.removeLast() }
    if unit.hasSuffix("i") { unit.removeLast() }
    let shifts = ["": 0, "k": 10, "m": 20, "g": 30, "t": 40]
    guard let number = Int64(digits), let shift = shifts[unit], number <= Int64.max >> Int64(shift) else {
        throw RuntimeError("invalid value for \(flag): \"\(text)\"")
    }
    return number << Int64(shift)
}

import OCI

// FROM, RUN, COPY, ADD and HEALTHCHECK: the instructions with flags.
extension InstructionParser {
    func from(_ read: InstructionFlags) throws(DockerfileError) -> Instruction.From {
        var flags = read
        let platform = try flags.take("platform")
        try flags.finish(keyword)
        let words = words(flags.rest)
        guard words.count == 1 || (words.count == 3 && words[1].lowercased() == "as") else {
            throw DockerfileError("FROM requires either one or three arguments")
        }
        let name = words.count == 3 ? words[2].lowercased() : nil
        if let name, !isStageName(name) {
            throw DockerfileError(
                "invalid name for build stage: \"\(words[2])\", name can't start with a number or contain symbols"
            )
        }
        return Instruction.From(image: words[0], platform: platform, name: name)
    }

    private func isStageName(_ name: String) -> Bool {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        guard let first = name.utf8.first, letters.contains(first) else { return false }
        return name.utf8.allSatisfy {
            letters.contains($0) || ($0 >= 0x30 && $0 <= 0x39) || "-_.".utf8.contains($0)
        }
    }

    func run(_ read: InstructionFlags) throws(DockerfileError) -> Instruction.Run {
        var flags = read
        var network = Instruction.Network.default
        if let name = try flags.take("network") {
            guard let known = Instruction.Network(rawValue: name) else {
                throw DockerfileError("invalid network mode: \(name)")
            }
            network = known
        }
        try flags.finish(keyword, unsupported: ["mount", "security", "device"])
        if flags.rest.isEmpty { throw DockerfileError("RUN requires at least one argument") }
        let command = try command(flags.rest)
        if case .exec(let words) = command, words.first.map(\.isEmpty) ?? true {
            throw DockerfileError("RUN requires a command, the exec form here has none")
        }
        let heredocs = try jsonWords(flags.rest) == nil ? line.heredocs : []
        return Instruction.Run(command: command, network: network, heredocs: heredocs)
    }

    func copy(_ read: InstructionFlags) throws(DockerfileError) -> Instruction.Copy {
        var flags = read
        var copy = Instruction.Copy(isAdd: keyword == "ADD", sources: [], destination: "")
        if !copy.isAdd { copy.from = try flags.take("from") }
        copy.chown = try flags.take("chown")
        copy.chmod = try flags.take("chmod")
        try flags.finish(
            keyword,
            unsupported: ["link", "parents", "exclude"]
                + (copy.isAdd ? ["checksum", "keep-git-dir", "unpack"] : []))
        let json = try jsonWords(flags.rest)
        var words = json ?? words(flags.rest)
        if words.count < 2 {
            throw DockerfileError(
                words.isEmpty
                    ? "\(keyword) requires at least two arguments"
                    : "\(keyword) requires at least two arguments, but only one was provided. "
                        + "Destination could not be determined")
        }
        copy.destination = words.removeLast()
        if json == nil {
            copy.heredocs = line.heredocs
            words.removeAll { HeredocStart($0, escape: escape) != nil }
        }
        copy.sources = words
        if copy.isAdd, let remote = words.first(where: isRemote) {
            throw DockerfileError("ADD of a remote source (\(remote)) is not supported", isSyntax: false)
        }
        if let from = copy.from, from.contains("$") {
            throw DockerfileError(
                "variable expansion is not supported for --from, define a new stage with FROM using ARG from "
                    + "global scope as a workaround", isSyntax: false)
        }
        return copy
    }

    func isRemote(_ source: String) -> Bool { isRemoteSource(source) }

    func healthcheck(_ read: InstructionFlags) throws(DockerfileError) -> JSON {
        var flags = read
        let type = flags.rest.prefix { !$0.isBlank }
        let rest = flags.rest.dropFirst(type.count).trimmingBlanks()
        if type.isEmpty { throw DockerfileError("HEALTHCHECK requires at least one argument") }
        switch type.uppercased() {
        case "NONE":
            guard rest.isEmpty else { throw DockerfileError("HEALTHCHECK NONE takes no arguments") }
            try flags.finish(keyword)
            return .fields(["Test": .array([.string("NONE")])])
        case "CMD":
            let test: [String]
            switch try command(rest) {
            case .shell(let text): test = ["CMD-SHELL", text]
            case .exec(let words) where words.isEmpty:
                throw DockerfileError("Missing command after HEALTHCHECK CMD")
            case .exec(let words): test = ["CMD"] + words
            }
            let document = JSON.fields([
                "Test": .array(test.map(JSON.string)),
                "Interval": try duration(&flags, "interval"), "Timeout": try duration(&flags, "timeout"),
                "StartPeriod": try duration(&flags, "start-period"),
                "StartInterval": try duration(&flags, "start-interval"), "Retries": try retries(&flags),
            ])
            try flags.finish(keyword)
            return document
        default: throw DockerfileError("Unknown type \"\(type.uppercased())\" in HEALTHCHECK (try CMD)")
        }
    }

    private func duration(_ flags: inout InstructionFlags, _ name: String) throws(DockerfileError) -> JSON? {
        guard let text = try flags.take(name) else { return nil }
        guard let nanoseconds = parseDuration(text) else {
            throw DockerfileError("invalid duration \"\(text)\" on flag: \(name)")
        }
        if nanoseconds == 0 { return nil }
        if nanoseconds < 1_000_000 { throw DockerfileError("\(name) \"\(text)\" cannot be less than 1ms") }
        return .int(nanoseconds)
    }

    private func retries(_ flags: inout InstructionFlags) throws(DockerfileError) -> JSON? {
        guard let text = try flags.take("retries") else { return nil }
        guard let number = Int64(text), number >= 0 else {
            throw DockerfileError("--retries cannot be \"\(text)\": it must be a number of 0 or more")
        }
        return number == 0 ? nil : .int(number)
    }
}

/// What ADD would have to fetch: a URL or a git repository.
func isRemoteSource(_ source: String) -> Bool {
    let lower = source.lowercased()
    return ["http://", "https://", "git://", "ssh://", "git@"].contains { lower.hasPrefix($0) }
}

/// A duration in Go's notation (`1m30s`, `1.5h`, `500ms`) in nanoseconds; nil for anything else or below zero.
public func parseDuration(_ text: String) -> Int64? {
    if text == "0" { return 0 }
    let units: [(String, Double)] = [
        ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12),
    ]
    var rest = text[...]
    var total = 0.0
    if rest.isEmpty { return nil }
    while !rest.isEmpty {
        let number = rest.prefix { ($0.isASCII && $0.isNumber) || $0 == "." }
        rest = rest.dropFirst(number.count)
        let unit = rest.prefix { !(($0.isASCII && $0.isNumber) || $0 == ".") }
        rest = rest.dropFirst(unit.count)
        guard let value = Double(number), let scale = units.first(where: { $0.0 == unit })?.1 else {
            return nil
        }
        total += value * scale
    }
    return total < 9e18 ? Int64(total) : nil
}

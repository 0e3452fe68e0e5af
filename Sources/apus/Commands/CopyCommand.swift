import Engine
import Linux

/// `cp`.
enum CopyCommand {
    static let copy = Command(
        "cp", group: "container",
        "CONTAINER:SRC_PATH DEST_PATH|-\n\tapus cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
        "Copy files/folders between a container and the local filesystem", words: 2...2,
        flags: [
            .toggle("archive", "a", "Archive mode (copy all uid/gid information)"),
            .toggle("follow-link", "L", "Always follow symbol link in SRC_PATH"),
            .toggle(
                "quiet", "q",
                "Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached"
            ),
        ]
    ) { arguments, session in
        let (source, target) = (CopyArgument(arguments.words[0]), CopyArgument(arguments.words[1]))
        if arguments.words[0].isEmpty { throw CommandFailure.bare("source can not be empty") }
        if arguments.words[1].isEmpty { throw CommandFailure.bare("destination can not be empty") }
        var options = CopyOptions()
        (options.keepsOwners, options.followsLinks) = (
            arguments.isOn("archive"), arguments.isOn("follow-link")
        )
        let directory = try session.client().directory
        let containers = try session.containers()
        let outcome: CopyOutcome
        switch (source, target) {
        case (.inside(let name, let path), .local("-")):
            try containers.pack(from: name, try whole(path), to: try Standard.duplicate(1), options)
            return 0
        case (.local("-"), .inside(let name, let path)):
            try containers.unpack(try Standard.duplicate(0), into: name, try whole(path), options)
            return 0
        case (.inside(let name, let path), .local(let local)):
            outcome = try containers.copy(from: name, try whole(path), to: local, in: directory, options)
        case (.local(let local), .inside(let name, let path)):
            outcome = try containers.copy(local, in: directory, to: name, try whole(path), options)
        case (.inside, .inside): throw CommandFailure.bare("copying between containers is not supported")
        case (.local, .local): throw CommandFailure.bare("must specify at least one container source")
        }
        for line in outcome.omitted { Standard.error("WARNING: \(line)") }
        let isQuiet = arguments.value("quiet").map { _ in arguments.isOn("quiet") } ?? !Standard.outIsTerminal
        if !isQuiet {
            Standard.error(
                "Successfully copied \(Size.human(outcome.bytes)) to \(target.shown(in: directory))")
        }
        return 0
    }

    private static func whole(_ path: String) throws -> String {
        if path.isEmpty { throw CommandFailure.bare("bad parameter: path cannot be empty") }
        return path
    }
}

/// One of `cp`'s words: `NAME:PATH` is in a container unless it begins as a path does.
enum CopyArgument: Equatable {
    case local(String)
    case inside(container: String, path: String)

    init(_ text: String) {
        guard !text.hasPrefix("/"), !text.hasPrefix("."), let colon = text.firstIndex(of: ":"),
            colon != text.startIndex
        else {
            self = .local(text)
            return
        }
        self = .inside(container: String(text[..<colon]), path: String(text[text.index(after: colon)...]))
    }

    func shown(in directory: String) -> String {
        switch self {
        case .local(let path): path.hasPrefix("/") ? path : "\(directory)/\(path)"
        case .inside(let container, let path): "\(container):\(path)"
        }
    }
}

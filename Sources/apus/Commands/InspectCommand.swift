import Engine
import OCI

/// `inspect`, and that of `container`, `image` and `volume`.
enum InspectCommand {
    private static let format = Flag.value("format", "f", "string", "Print 'json' or a Go template")

    private static let size = Flag.toggle("size", "s", "Display total file sizes if the type is container")

    static let any = Command(
        "inspect", "NAME|ID [NAME|ID...]",
        "Return low-level information on containers, images, networks and volumes",
        words: Command.atLeast(1),
        flags: [
            format,
            .value("type", "Only inspect objects of the given type (container, image, network, volume)"),
        ]
            + [size]
    ) { arguments, session in
        let type = arguments.value("type") ?? ""
        guard ["", "container", "image", "network", "volume"].contains(type) else {
            throw CommandFailure.bare(
                "unknown type: \"\(type)\": must be one of \"container\", \"image\", "
                    + "\"network\", \"volume\"")
        }
        return try inspect(arguments, session, type: type, measures: arguments.isOn("size"))
    }

    static let container = Command(
        "", group: "container", as: ["inspect"], "CONTAINER [CONTAINER...]",
        "Display detailed information on one or more containers", words: Command.atLeast(1),
        flags: [format, size]
    ) { arguments, session in
        try inspect(arguments, session, type: "container", measures: arguments.isOn("size"))
    }

    static let image = Command(
        "", group: "image", as: ["inspect"], "IMAGE [IMAGE...]",
        "Display detailed information on one or more images",
        words: Command.atLeast(1), flags: [format]
    ) { arguments, session in try inspect(arguments, session, type: "image") }

    static let volume = Command(
        "", group: "volume", as: ["inspect"], "VOLUME [VOLUME...]",
        "Display detailed information on one or more volumes", words: Command.atLeast(1), flags: [format]
    ) { arguments, session in try inspect(arguments, session, type: "volume") }

    static func inspect(
        _ arguments: Arguments, _ session: Session, type: String, measures: Bool = false
    ) throws -> Int32 {
        let format = arguments.value("format") ?? ""
        let template = try template(format)
        var found: [JSON] = []
        let code = try EachName.run(arguments.words) { name in
            let document = try find(name, type: type, measures: measures, session)
            if let template {
                try Standard.show(try rendered(template, document) + "\n")
            } else {
                found.append(document)
            }
        }
        if template == nil {
            let array = JSON.array(found)
            try Standard.show((format == "json" ? array.text : array.pretty) + "\n")
        }
        return code
    }

    private static func template(_ format: String) throws -> Template? {
        if format.isEmpty || format == "json" { return nil }
        do { return try Template(format) } catch {
            throw CommandFailure("template parsing error: \(error)", code: 64)
        }
    }

    private static func rendered(_ template: Template, _ document: JSON) throws -> String {
        // The name in docker's own type, which its templates know too.
        let methods = JSON.fields(["ID": document["Id"]])
        let zeros = document["Mountpoint"] == nil ? InspectView.zeros : InspectView.volumeZeros
        do { return try template.render(document, methods: methods, zeros: zeros) } catch {
            throw CommandFailure("template parsing error: \(error)")
        }
    }

    private static func find(
        _ name: String, type: String, measures: Bool, _ session: Session
    ) throws -> JSON {
        if type == "volume" { return try session.volumes().inspect(name) }
        if type == "network" { return try Networks(paths: session.paths()).inspect(name) }
        if type != "image" {
            let containers = try session.containers()
            do {
                return try containers.inspect(try containers.records.read(named: name), measures: measures)
            } catch let error as EngineError {
                let isMissing = error.description.hasPrefix("No such container")
                guard isMissing else { throw error }
                if type == "container" { throw error }
            }
        }
        if let document = try session.imagesIfThere()?.inspect(name) {
            if measures { Standard.error("WARNING: --size ignored for images") }
            return document
        }
        // docker's order: a network is looked for last.
        if type.isEmpty, let network = try? Networks(paths: session.paths()).inspect(name) { return network }
        if type.isEmpty, let volume = try session.volumes().inspectIfThere(name) { return volume }
        throw CommandFailure(type.isEmpty ? "No such object: \(name)" : "No such image: \(name)")
    }
}

import Linux
public import OCI

/// The document of `version`, with docker's names. Client and server are one program here; docker's templates ask for
/// either.
public enum VersionView {
    /// Of docker's API the one whose documents are printed.
    private static let api = JSON.string("1.41")
    /// What a program of docker's says of itself and this one does not know.
    private static let unknown = JSON.string("")

    /// What templates call otherwise than JSON, or JSON leaves out.
    public static let zeros = TemplateZeros([
        "Client": ["APIVersion": api, "Experimental": .bool(true)],
        "Server": ["APIVersion": api, "Experimental": .bool(false)],
    ])

    /// `version` is the program's.
    public static func json(_ host: HostInfo, version: String) -> JSON {
        let platform = Platform.host
        let (os, architecture) = (JSON.string(platform.os), JSON.string(platform.architecture))
        let (number, kernel) = (JSON.string(version), JSON.string(host.kernel))
        let name = JSON.fields(["Name": .string("apus")])
        let engine = JSON.fields([
            "ApiVersion": api, "Arch": architecture, "BuildTime": unknown, "Experimental": .string("false"),
            "GitCommit": unknown, "GoVersion": unknown, "KernelVersion": kernel, "MinAPIVersion": api,
            "Os": os,
        ])
        let components = [("Engine", engine)] + ["apus-runtime", "docker-init"].map { ($0, commit) }
        return .fields([
            "Client": .fields([
                "Platform": name, "Version": number, "ApiVersion": api, "DefaultAPIVersion": api,
                "GitCommit": unknown, "GoVersion": unknown, "Os": os, "Arch": architecture,
                "BuildTime": unknown, "Context": .string("default"),
            ]),
            "Server": .fields([
                "Platform": name,
                "Components": .array(
                    components.map { name, details in
                        .fields(["Name": .string(name), "Version": number, "Details": details])
                    }),
                "Version": number, "ApiVersion": api, "MinAPIVersion": api, "GitCommit": unknown,
                "GoVersion": unknown, "Os": os, "Arch": architecture, "KernelVersion": kernel,
                "BuildTime": unknown,
            ]),
        ])
    }

    private static let commit = JSON.fields(["GitCommit": unknown])

    /// The text of `version` without a format, in docker's layout.
    public static func text(_ json: JSON) -> String {
        func show(_ part: String, _ name: String) -> String { json[part]?[name]?.string ?? "" }
        let place = "\(show("Client", "Os"))/\(show("Client", "Arch"))"
        var text = """
            Client: apus
             Version:           \(show("Client", "Version"))
             API version:       \(show("Client", "ApiVersion"))
             OS/Arch:           \(place)
             Context:           \(show("Client", "Context"))

            Server: apus
             Engine:
              Version:          \(show("Server", "Version"))
              API version:      \(show("Server", "ApiVersion")) (minimum version \(show("Server", "MinAPIVersion")))
              OS/Arch:          \(place)
              Kernel version:   \(show("Server", "KernelVersion"))
              Experimental:     false

            """
        for component in (json["Server"]?["Components"]?.array ?? []).dropFirst() {
            text += " \(component["Name"]?.string ?? ""):\n"
            text += "  Version:          \(component["Version"]?.string ?? "")\n"
        }
        return text
    }
}

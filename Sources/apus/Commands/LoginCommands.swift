import Engine
import Linux
import OCI

/// `login` and `logout`.
enum LoginCommands {
    static let login = Command(
        "login", "[SERVER]", "Authenticate to a registry, Docker Hub unless another is named", words: 0...1,
        flags: [
            .value("username", "u", "Username"),
            .value("password", "p", "Password or Personal Access Token (PAT)"),
            .toggle("password-stdin", "Take the Password or Personal Access Token (PAT) from stdin"),
        ]
    ) { arguments, session in
        let server = try registry(arguments.words.first)
        if arguments.value("password") != nil, arguments.isOn("password-stdin") {
            throw CommandFailure.bare("--password and --password-stdin are mutually exclusive")
        }
        if arguments.isOn("password-stdin"), arguments.value("username") == nil {
            throw CommandFailure.bare("Must provide --username with --password-stdin")
        }
        let login = RegistryLogin(environment: session.environment)
        var known: String?
        if arguments.value("username") == nil, arguments.value("password") == nil {
            known = try login.user(at: server)
        }
        if let known, try isStillKnown(known, login, at: server) {
            try Standard.out("Login Succeeded\n")
            return 0
        }
        let user = try arguments.value("username") ?? askUser(known ?? "")
        guard !user.isEmpty else { throw CommandFailure.bare("Error: Non-null Username Required") }
        let password = try password(arguments)
        guard !password.isEmpty else { throw CommandFailure.bare("Error: Password Required") }
        let place = try waiting { try await login.login(user, password, to: server) }
        if case .file(let path, isNew: true) = place {
            Standard.error(
                "WARNING! Your credentials are stored unencrypted in '\(path)'.\n"
                    + "Configure a credential helper to remove this warning.")
        }
        try Standard.out("Login Succeeded\n")
        return 0
    }

    static let logout = Command(
        "logout", "[SERVER]", "Log out from a registry, Docker Hub unless another is named", words: 0...1
    ) { arguments, session in
        let server = try registry(arguments.words.first)
        let hadSome = try RegistryLogin(environment: session.environment).logout(from: server)
        try Standard.out(
            hadSome
                ? "Removing login credentials for \(server.title)\n" : "Not logged in to \(server.title)\n")
        return 0
    }

    /// docker's own registry unless another is named; `https://host/v1/` is the host.
    private static func registry(_ text: String?) throws -> RegistryServer {
        do { return try RegistryServer(text) } catch { throw CommandFailure("\(error)") }
    }

    /// Whether the registry still takes what is stored.
    private static func isStillKnown(
        _ user: String, _ login: RegistryLogin, at server: RegistryServer
    ) throws -> Bool {
        let shown = user.isEmpty ? "" : " [Username: \(user)]"
        Standard.error("Authenticating with existing credentials...\(shown)")
        guard let refusal = try waiting(for: { try await login.tryAgain(at: server) }) else { return true }
        Standard.error("Stored credentials invalid or expired: \(refusal)")
        return false
    }

    private static func password(_ arguments: Arguments) throws -> String {
        if let given = arguments.value("password") {
            Standard.error("WARNING! Using --password via the CLI is insecure. Use --password-stdin.")
            return given
        }
        guard arguments.isOn("password-stdin") else { return try ask("Password: ", isSecret: true) ?? "" }
        var bytes: [UInt8] = []
        while case let more = try StandardStream.readInput(limit: 4096), !more.isEmpty, bytes.count < 64 << 10
        {
            bytes += more
        }
        var text = String(decoding: bytes, as: UTF8.self)
        while let last = text.unicodeScalars.last, ["\n", "\r"].contains(last) {
            text.unicodeScalars.removeLast()
        }
        return text
    }

    // MARK: questions

    /// `known` is what an empty line means.
    private static func askUser(_ known: String) throws -> String {
        guard let answer = try ask(known.isEmpty ? "Username: " : "Username (\(known)): ", isSecret: false)
        else { return "" }
        return answer.isEmpty ? known : answer
    }

    /// nil when there is no answer (ctrl-d).
    private static func ask(_ question: String, isSecret: Bool) throws -> String? {
        guard Terminal.isTerminal(0) else {
            throw CommandFailure.bare("Error: Cannot perform an interactive login from a non TTY device")
        }
        // Before the question: who answers at once is not echoed, and loses nothing.
        let mode = isSecret ? try RawMode(0) : nil
        defer { mode?.restore() }
        try Standard.out(question)
        var line: [UInt8] = []
        while let byte = try StandardStream.readInput(limit: 1).first {
            switch byte {
            case 0x0a, 0x0d:
                if isSecret { try Standard.out("\r\n") }
                return String(decoding: line, as: UTF8.self)
            case 0x03 where isSecret: throw CommandFailure.bare("", code: 130)
            case 0x04 where isSecret:
                try Standard.out("\r\n")
                return nil
            case 0x7f where isSecret: _ = line.popLast()
            default: line.append(byte)
            }
        }
        try Standard.out("\n")
        return nil
    }
}

import Linux
import OCI
import SystemPackage

/// One `docker-credential-NAME` program: the action as its argument, the question on stdin, the answer on stdout.
struct CredentialHelper {
    private let name: String
    private let program: FilePath
    private let environment: [String]
    private let patience: Duration

    /// Finds the program in PATH. It has `patience` to answer: it may ask its user, not for ever.
    init(
        _ name: String, environment: [String], patience: Duration = .seconds(60)
    ) throws(RegistryError) {
        let program = "docker-credential-\(name)"
        let isName = name.utf8.allSatisfy {
            ($0 >= 0x30 && $0 <= 0x39) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7a) || "._-".utf8.contains($0)
        }
        let path = environment.first { $0.hasPrefix("PATH=") }?.dropFirst(5) ?? "/usr/local/bin:/usr/bin:/bin"
        let candidates = path.split(separator: ":").map { FilePath(String($0)).appending(program) }
        let found = candidates.first { path in
            // What cannot be looked at is not there.
            guard isName, let status = try? FD.open(path, [.path]).status() else { return false }
            return status.type == .regular && status.permissions & 0o111 != 0
        }
        guard let found else {
            throw RegistryError(.configuration, "credential helper \(escaped(program)): not found in PATH")
                .hinting("install it, or remove it from credsStore and credHelpers of docker's config.json")
        }
        (self.name, self.program, self.environment) = (program, found, environment)
        self.patience = patience
    }

    func credential(for key: String) throws(RegistryError) -> Credential? {
        let answer = try run("get", Array(key.utf8))
        guard answer.code == 0 else {
            if answer.text.contains("credentials not found") { return nil }
            throw failure("get", answer)
        }
        return try Self.credential(in: answer.output, of: name)
    }

    /// What a helper's answer says.
    static func credential(in answer: [UInt8], of name: String) throws(RegistryError) -> Credential {
        do throws(JSONError) {
            let document = try JSON(parsing: answer)
            let username = try document.requireString("Username")
            let secret = try document.requireString("Secret")
            guard username == "<token>" else { return Credential(username: username, password: secret) }
            return Credential(username: "", password: "", identityToken: secret)
        } catch {
            // The answer holds a secret: only what is wrong with it is said.
            throw RegistryError(
                .configuration, "\(name) get: the answer is not what the protocol says (\(error))")
        }
    }

    func store(_ credential: Credential, for key: String) throws(RegistryError) {
        let document = JSON.fields([
            "ServerURL": .string(key),
            "Username": .string(credential.identityToken == nil ? credential.username : "<token>"),
            "Secret": .string(credential.identityToken ?? credential.password),
        ])
        let answer = try run("store", document.bytes)
        guard answer.code == 0 else { throw failure("store", answer) }
    }

    /// False when it had none.
    func erase(_ key: String) throws(RegistryError) -> Bool {
        let answer = try run("erase", Array(key.utf8))
        if answer.code == 0 { return true }
        guard answer.text.contains("credentials not found") else { throw failure("erase", answer) }
        return false
    }

    private struct Answer {
        let code: Int32
        let output: [UInt8]
        var text: String { String(decoding: output.prefix(4096), as: UTF8.self) }
    }

    private func failure(_ action: String, _ answer: Answer) -> RegistryError {
        let words = escaped(answer.text.split(separator: "\n").first ?? "no reason given")
        return RegistryError(.configuration, "\(name) \(action): \(words) (exit code \(answer.code))")
    }

    /// At most 1 MiB. What is late has failed.
    private func run(_ action: String, _ input: [UInt8]) throws(RegistryError) -> Answer {
        let (name, program, environment) = (name, program, environment)
        let end = ContinuousClock.now + patience
        let answer = try kernel { () throws(SysError) -> Answer? in
            let stdin = try FD.inMemory("credentials", input)
            let pipe = try Pipe()
            let process = try Process.spawnHeld(
                path: program, arguments: [name, action], environment: environment,
                stdio: [stdin.raw, pipe.write.raw, -1])
            let output = pipe.takeRead()
            defer {
                _ = try? process.send(signal: Signal.kill)  // has ended, or has had its time
            }
            var bytes: [UInt8] = []
            while bytes.count < 1 << 20 {
                var poll = Poll()
                poll.add(output, .readable)
                guard ContinuousClock.now < end else {
                    try process.send(signal: Signal.kill)
                    _ = try process.reap(wait: true)
                    return nil
                }
                guard try poll.wait(milliseconds: 1000) > 0 else { continue }
                let more = try output.readSome(limit: 65536)
                if more.isEmpty { break }
                bytes += more
            }
            return try CredentialHelper.end(process, bytes)
        }
        guard let answer else {
            throw RegistryError(
                .configuration, "\(name) \(action): no answer within \(patience.components.seconds) seconds")
        }
        return answer
    }

    private static func end(_ process: borrowing Pidfd, _ output: [UInt8]) throws(SysError) -> Answer {
        var poll = Poll()
        poll.add(process.fd, .readable)
        if try poll.wait(milliseconds: 5000) == 0 { try process.send(signal: Signal.kill) }
        let status = try process.reap(wait: true)
        return Answer(code: status?.code ?? 1, output: output)
    }
}

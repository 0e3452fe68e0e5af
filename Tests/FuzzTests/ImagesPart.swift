import Linux
import OCI
import SystemPackage

@testable import Images
@testable import Registry

/// The documents that come with images or from registries and their helpers; the same bytes are tried as each of them.
enum ImagesPart {
    static func run(_ bytes: [UInt8]) {
        do {
            let json = try JSON(parsing: bytes)
            attempt { try readManifest(json) }
            attempt { try readIndex(json) }
            attempt { try readConfiguration(json) }
            attempt {
                let record = try LayerRecord(json)
                expect(
                    try LayerRecord(JSON(parsing: record.json.bytes)) == record, "a layer's record is lost")
            }
            attempt { try readLogin(bytes) }
            attempt { try readLogin(json["login"]?.bytes ?? []) }
        } catch { report(error) }
        readAnswers(bytes)
    }

    private static func attempt(_ body: () throws -> Void) {
        do { try body() } catch { report(error) }
    }

    private static func readManifest(_ json: JSON) throws {
        let manifest = try Manifest(json)
        expect(try Manifest(JSON(parsing: manifest.json.bytes)) == manifest, "a manifest is lost")
        for layer in manifest.layers { attempt { _ = try ImageStore.compression(of: layer.mediaType) } }
    }

    private static func readIndex(_ json: JSON) throws {
        var index = try Index(json)
        expect(try Index(JSON(parsing: index.json.bytes)) == index, "an index is lost")
        for (architecture, variant) in [("amd64", nil), ("arm64", "v8"), ("arm", "v7")] {
            let platform = Platform(os: "linux", architecture: architecture, variant: variant)
            guard let fitting = index.manifest(for: platform) else { continue }
            expect(index.manifests.contains(fitting), "a manifest that is not in the index")
            expect(fitting.platform?.os ?? "linux" == "linux", "a manifest for another system")
        }
        let before = Set(index.manifests.compactMap(\.reference))
        guard let name = try? Reference("fuzz:new"), let first = index.manifests.first, !before.contains(name)
        else { return }
        let names = before.union([name])
        index.enter(first, as: name)
        expect(Set(index.manifests.compactMap(\.reference)) == names, "a new name takes others away")
        expect(
            index.manifests.first { $0.reference == name }?.digest == first.digest, "a name is not entered")
    }

    private static func readConfiguration(_ json: JSON) throws {
        let config = try ImageConfig(json)
        expect(try ImageConfig(JSON(parsing: config.json.bytes)) == config, "a configuration is lost")
        let process = config.process
        let texts =
            process.env + (process.entrypoint ?? []) + (process.cmd ?? []) + [
                process.user, process.workingDir,
            ]
        expect(!texts.contains { $0.utf8.contains(0) }, "a text holds a NUL")
        if let created = config.created.flatMap({ Timestamp(parsing: $0) }) {
            expect(Timestamp(parsing: "\(created)") == created, "a time cannot be read back")
        }
    }

    /// docker's config.json: what is asked of it, and what a login and a logout leave.
    private static func readLogin(_ bytes: [UInt8]) throws {
        let path: FilePath = "/config.json"
        var config = try ConfigFile(parsing: bytes, path)
        for key in ["https://index.docker.io/v1/", "localhost:5000", "a"] {
            _ = config.helper(for: key)
            attempt { _ = try config.credential(for: key) }
        }
        let credential = Credential(username: "u", password: "p:q")
        config.set(credential, for: "localhost:5000")
        expect(try config.credential(for: "localhost:5000") == credential, "a login is lost")
        let written = try ConfigFile(parsing: config.bytes, path)
        expect(try written.credential(for: "localhost:5000") == credential, "a login is lost in the file")
        config.remove("localhost:5000")
        expect(try config.credential(for: "localhost:5000") == nil, "a logout leaves the credentials")
    }

    private static func readAnswers(_ bytes: [UInt8]) {
        let text = Problem(bytes).text ?? ""
        expect(text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }, "a registry's words reach the terminal raw")
        attempt {
            let url = try WebURL("https://auth.example/token")
            let grant = try Authenticator.grant(bytes, url)
            expect(grant.token.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }, "a token ends a header")
        }
        attempt { _ = try CredentialHelper.credential(in: bytes, of: "fuzz") }
    }
}

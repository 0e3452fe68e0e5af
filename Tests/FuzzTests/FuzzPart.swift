import Linux
import OCI
import SystemPackage

@testable import Runtime

/// What is fuzzed, each part with a corpus of its own. A part takes any bytes: it reads them as the program would, makes
/// every plan that follows from them, and touches nothing of the machine but a scratch directory. A trap is a finding, and so is what
/// `expect` does not find.
enum FuzzPart: String, CaseIterable, Sendable {
    /// A bundle's config.json, to the plans of `create`.
    case config
    /// The other documents: `exec --process`, `update --resources`, a container's state; an image's passwd.
    case documents
    /// What a child says to its parent, and a parent to its child.
    case `protocol`
    /// What comes over systemd's bus.
    case dbus
    /// An archive from elsewhere, packed or not: read, unpacked as a layer and as an archive, packed again.
    case tar
    /// The documents of images and registries.
    case images
    /// One document of an image archive, brought into a store with what it needs.
    case load
    /// What is text: registries.conf, a registry's headers, names.
    case registry
    /// What a container asks the name service, and what a server answers.
    case names

    func run(_ bytes: [UInt8]) {
        switch self {
        case .config: ConfigPart(bytes)?.run()
        case .documents: DocumentsPart.run(bytes)
        case .protocol: ProtocolPart(bytes).run()
        case .dbus: DBusPart.run(bytes)
        case .tar: TarPart.run(bytes)
        case .images: ImagesPart.run(bytes)
        case .load: LoadPart.run(bytes)
        case .registry: RegistryPart.run(bytes)
        case .names: NamesPart.run(bytes)
        }
    }

    /// Changes an input so that it stays of its kind; nil where that is only bytes, or cannot be done.
    func mutate(_ bytes: [UInt8], seed: UInt64) -> [UInt8]? {
        switch self {
        case .config, .documents: JSONMutator.runtime.mutate(bytes, seed: seed)
        case .images, .load: JSONMutator.images.mutate(bytes, seed: seed)
        case .tar: TarMutator.mutate(bytes, seed: seed)
        case .protocol, .dbus, .registry, .names: nil
        }
    }

    /// How many changes are tried by `make test`: a few seconds for each part.
    var changes: UInt64 {
        switch self {
        case .config, .documents: 4_000
        case .tar: 1_000
        case .load: 200
        case .images, .registry: 10_000
        case .protocol, .dbus, .names: 40_000
        }
    }
}

/// Ends the program with a sentence unless `holds`: what was expected of every input.
func expect(_ holds: Bool, _ sentence: @autoclosure () -> String) {
    guard !holds else { return }
    Kernel.printError("finding: \(sentence())")
    preconditionFailure(sentence())
}

/// An error's words, as the log writes them and an engine reads them back.
func report(_ error: any Error) {
    let line = JSON.fields(["msg": .string("\(error)")]).text
    let read = try? JSON(parsing: line)["msg"]?.string
    expect(read == "\(error)", "the log line of an error cannot be read back")
    expect(!line.utf8.contains(0x0a), "a log line holds a line end")
}

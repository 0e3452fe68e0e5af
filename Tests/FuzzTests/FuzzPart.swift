import Linux
import OCI
import SystemPackage

@testable import Runtime

/// What is fuzzed, each part with a corpus of its own. A part takes any bytes: it reads them as the program would, makes
/// every plan that follows from them, and touches nothing of the machine. A trap is a finding, and so is what
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

    func run(_ bytes: [UInt8]) {
        switch self {
        case .config: ConfigPart(bytes)?.run()
        case .documents: DocumentsPart.run(bytes)
        case .protocol: ProtocolPart(bytes).run()
        case .dbus: DBusPart.run(bytes)
        }
    }

    /// Whether its bytes are a JSON document, for which there is a mutator of its own.
    var isJSON: Bool { self == .config || self == .documents }
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

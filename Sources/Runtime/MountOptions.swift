import Linux
import OCI

/// The option words of one mount, sorted by what acts on them (runtime-spec, config.md#mounts; mount(8)).
struct MountOptions: Equatable, Sendable {
    /// Set on, and cleared from, the one mount.
    var attributes: MountAttributes = []
    var cleared: MountAttributes = []
    /// The same for the mounts below it too (`rro`, `rnosuid`).
    var recursive: MountAttributes = []
    var propagation: Propagation?
    var propagatesRecursively = false
    var isBind = false
    var isRecursiveBind = false
    /// For the file system itself: `size=65536k`, `mode=755`.
    var data: [String] = []

    private static let attributeWords: [String: MountAttributes] = [
        "ro": .readOnly, "nosuid": .noSetuid, "nodev": .noDevices, "noexec": .noExec,
        "noatime": .noAccessTime,
        "nodiratime": .noDirectoryAccessTime, "strictatime": .strictAccessTime,
        "nosymfollow": .noSymlinkFollow,
    ]
    private static let clearingWords: [String: MountAttributes] = [
        "rw": .readOnly, "suid": .noSetuid, "dev": .noDevices, "exec": .noExec, "atime": .noAccessTime,
        "diratime": .noDirectoryAccessTime, "nostrictatime": .strictAccessTime, "symfollow": .noSymlinkFollow,
        "relatime": .accessTimeMask, "norelatime": [],
    ]
    private static let propagationWords: [String: Propagation] = [
        "private": .private, "slave": .slave, "shared": .shared, "unbindable": .unbindable,
    ]

    /// All words that are not for the file system.
    static var words: [String] {
        let attributes = Array(attributeWords.keys), propagations = Array(propagationWords.keys)
        return attributes + attributes.map { "r" + $0 } + clearingWords.keys + propagations
            + propagations.map { "r" + $0 } + ["bind", "rbind", "defaults"]
    }

    /// Sorts the words; what is no known word goes to the file system, which refuses what it does not know.
    init(_ words: [String]) {
        for word in words { sort(word) }
    }

    private mutating func sort(_ word: String) {
        if let attribute = Self.attributeWords[word] {
            attributes.insert(attribute)
            cleared.remove(attribute)
        } else if let attribute = Self.clearingWords[word] {
            attributes.remove(attribute)
            if word != "relatime" { cleared.insert(attribute) }
        } else if word.hasPrefix("r"), let attribute = Self.attributeWords[String(word.dropFirst())] {
            recursive.insert(attribute)
        } else if let value = Self.propagationWords[word] {
            propagation = value
        } else if word.hasPrefix("r"), let value = Self.propagationWords[String(word.dropFirst())] {
            (propagation, propagatesRecursively) = (value, true)
        } else if word == "bind" || word == "rbind" {
            isBind = true
            isRecursiveBind = word == "rbind"
        } else if word != "defaults" {
            data.append(word)
        }
    }
}

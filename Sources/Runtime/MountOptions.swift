import Linux
import OCI

/// The option words of one mount, sorted by what acts on them (runtime-spec, config.md#mounts; mount(8)).
struct MountOptions: Equatable, Sendable {
    /// Set on, and cleared from, the one mount.
    var attributes: MountAttributes = []
    var cleared: MountAttributes = []
    /// A word says how access times are kept: the others of them go.
    var setsAccessTime = false
    /// A word clears something, whether or not it is set.
    private var clears = false
    /// The same for the mounts below it too (`rro`, `rsuid`).
    var recursive: MountAttributes = []
    var recursivelyCleared: MountAttributes = []
    var propagation: Propagation?
    var propagatesRecursively = false
    var isBind = false
    var isRecursiveBind = false
    /// Changes a mount that is there.
    var isRemount = false
    /// The new tmpfs holds what was in its place.
    var copiesUp = false
    /// `idmap`, `ridmap`.
    var mapsIDs = false
    var mapsIDsRecursively = false
    /// Flags of every file system: `sync`, `lazytime`.
    var superblock: [String] = []
    /// For the file system itself: `size=65536k`, `mode=755`.
    var data: [String] = []

    private static let attributeWords: [String: MountAttributes] = [
        "ro": .readOnly, "nosuid": .noSetuid, "nodev": .noDevices, "noexec": .noExec,
        "noatime": .noAccessTime, "nodiratime": .noDirectoryAccessTime, "strictatime": .strictAccessTime,
        "nosymfollow": .noSymlinkFollow,
    ]
    private static let clearingWords: [String: MountAttributes] = [
        "rw": .readOnly, "suid": .noSetuid, "dev": .noDevices, "exec": .noExec, "atime": .noAccessTime,
        "diratime": .noDirectoryAccessTime, "nostrictatime": .strictAccessTime, "symfollow": .noSymlinkFollow,
        // What an access time is without the others.
        "relatime": .accessTimeMask, "norelatime": [],
    ]
    private static let propagationWords: [String: Propagation] = [
        "private": .private, "slave": .slave, "shared": .shared, "unbindable": .unbindable,
    ]
    /// What every file system takes (fs/fs_context.c of the kernel), and what is the default anyway.
    private static let superblockWords: Set<String> = ["sync", "dirsync", "mand", "lazytime"]
    private static let defaultWords: Set<String> = [
        "defaults", "async", "nomand", "nolazytime", "iversion", "noiversion", "silent", "loud", "acl",
        "noacl",
    ]

    /// All words that are not for the file system.
    static var words: [String] {
        let perMount = Array(attributeWords.keys) + clearingWords.keys
        let propagations = Array(propagationWords.keys)
        return perMount + perMount.map { "r" + $0 } + propagations + propagations.map { "r" + $0 }
            + superblockWords + defaultWords + ["bind", "rbind", "remount", "tmpcopyup", "idmap", "ridmap"]
    }

    /// Sorts the words; what is no known word goes to the file system, which refuses what it does not know.
    init(_ words: [String]) {
        for word in words { sort(word) }
    }

    private mutating func sort(_ word: String) {
        let tail = word.hasPrefix("r") ? String(word.dropFirst()) : ""
        if let attribute = Self.attributeWords[word] {
            set(attribute)
        } else if let attribute = Self.clearingWords[word] {
            clear(attribute)
            if word == "relatime" { setsAccessTime = true }
        } else if let attribute = Self.attributeWords[tail] {
            recursive.insert(attribute)
            recursivelyCleared.remove(attribute)
        } else if let attribute = Self.clearingWords[tail] {
            recursive.remove(attribute)
            recursivelyCleared.insert(attribute)
        } else if let value = Self.propagationWords[word] {
            (propagation, propagatesRecursively) = (value, false)
        } else if let value = Self.propagationWords[tail] {
            (propagation, propagatesRecursively) = (value, true)
        } else {
            sortOther(word)
        }
    }

    private mutating func set(_ attribute: MountAttributes) {
        if !attribute.isDisjoint(with: .accessTimeMask) { attributes.subtract(.accessTimeMask) }
        attributes.insert(attribute)
        cleared.remove(attribute)
        if !attribute.isDisjoint(with: .accessTimes) { setsAccessTime = true }
    }

    private mutating func clear(_ attribute: MountAttributes) {
        attributes.subtract(attribute)
        // An access time is changed by saying another one, as with mount(8) and runc; to clear it does nothing.
        cleared.formUnion(attribute.intersection(.plain))
        clears = true
    }

    private mutating func sortOther(_ word: String) {
        switch word {
        case "bind", "rbind": (isBind, isRecursiveBind) = (true, word == "rbind" || isRecursiveBind)
        case "remount": isRemount = true
        case "tmpcopyup": copiesUp = true
        case "idmap": mapsIDs = true
        case "ridmap": (mapsIDs, mapsIDsRecursively) = (true, true)
        // mount(8)'s own: x-systemd..., not the kernel's.
        case _ where word.hasPrefix("x-") || word.hasPrefix("X-") || Self.defaultWords.contains(word): return
        case _ where Self.superblockWords.contains(word): superblock.append(word)
        default: data.append(word)
        }
    }

    /// Whether a bind changes its source's attributes: without such a word they are kept, with one they are replaced
    /// (mount(8), runc).
    var changesAttributes: Bool { !attributes.isEmpty || clears }
}

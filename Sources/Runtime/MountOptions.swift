import Linux
import OCI

/// The option words of one mount, sorted by what acts on them (runtime-spec, config.md#mounts; mount(8)).
struct MountOptions: Equatable, Sendable {
    /// Set on, and cleared from, the one mount.
    var attributes: MountAttributes = []
    var cleared: MountAttributes = []
    /// As the words say; empty keeps what a bind's source has.
    var times: AccessTimes = []
    var clearedTimes: AccessTimes = []
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
        "nosymfollow": .noSymlinkFollow,
    ]
    private static let clearingWords: [String: MountAttributes] = [
        "rw": .readOnly, "suid": .noSetuid, "dev": .noDevices, "exec": .noExec,
        "symfollow": .noSymlinkFollow,
    ]
    private static let timeWords: [String: AccessTimes] = [
        "noatime": .none, "nodiratime": .noDirectory, "relatime": .relative, "strictatime": .strict,
    ]
    private static let clearingTimeWords: [String: AccessTimes] = [
        "atime": .none, "diratime": .noDirectory, "norelatime": .relative, "nostrictatime": .strict,
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
        let perMount =
            Array(attributeWords.keys) + clearingWords.keys + timeWords.keys + clearingTimeWords.keys
        let propagations = Array(propagationWords.keys)
        return perMount + perMount.map { "r" + $0 } + propagations + propagations.map { "r" + $0 }
            + superblockWords + defaultWords + ["bind", "rbind", "remount", "tmpcopyup", "idmap", "ridmap"]
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
            cleared.insert(attribute)
        } else if let time = Self.timeWords[word] {
            times.insert(time)
            clearedTimes.remove(time)
        } else if let time = Self.clearingTimeWords[word] {
            times.remove(time)
            clearedTimes.insert(time)
        } else if let value = Self.propagationWords[word] {
            (propagation, propagatesRecursively) = (value, false)
        } else if !word.hasPrefix("r") || !sortRecursive(String(word.dropFirst())) {
            sortOther(word)
        }
    }

    /// A word after its `r`; false when it is none of those.
    private mutating func sortRecursive(_ word: String) -> Bool {
        if let attribute = Self.attributeWords[word] {
            recursive.insert(attribute)
            recursivelyCleared.remove(attribute)
        } else if let attribute = Self.clearingWords[word] {
            recursive.remove(attribute)
            recursivelyCleared.insert(attribute)
        } else if let time = Self.timeWords[word] {
            if time == .noDirectory {
                recursive.insert(.noDirectoryAccessTime)
            } else {
                recursive.subtract(.accessTimeMask)
                recursive.insert(time.attributes)
                recursivelyCleared.insert(.accessTimeMask)
            }
        } else if let time = Self.clearingTimeWords[word] {
            let cleared = time == .noDirectory ? .noDirectoryAccessTime : MountAttributes.accessTimeMask
            recursive.subtract(cleared)
            recursivelyCleared.insert(cleared)
        } else if let value = Self.propagationWords[word] {
            (propagation, propagatesRecursively) = (value, true)
        } else {
            return false
        }
        return true
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

    /// The words again, as mount(8) would show them.
    var words: [String] {
        func named<S: OptionSet>(_ table: [String: S], _ set: S, _ prefix: String = "") -> [String]
        where S.Element == S {
            table.filter { set.contains($0.value) }.map { prefix + $0.key }.sorted()
        }
        var result = named(Self.attributeWords, attributes) + named(Self.timeWords, times)
        result += named(Self.attributeWords, recursive, "r")
        if let propagation { result.append((propagatesRecursively ? "r" : "") + "\(propagation)") }
        if mapsIDs { result.append(mapsIDsRecursively ? "ridmap" : "idmap") }
        return result + superblock + data
    }

    /// What a new mount is made with.
    var newAttributes: MountAttributes { attributes.union(times.attributes) }

    /// What an empty word leaves of a bind's source: without one its attributes are kept, with one they are replaced
    /// (mount(8), runc).
    var changesAttributes: Bool {
        !attributes.isEmpty || !cleared.isEmpty || !times.isEmpty || !clearedTimes.isEmpty
    }
}

/// What one mount_setattr(2) sets and clears.
struct AttributeChange: Equatable, Sendable {
    var set: MountAttributes
    var clear: MountAttributes
}

extension MountOptions {
    /// What a bind's source becomes: what is not named goes, but for the access times, which stay unless one is named.
    var change: AttributeChange {
        var change = AttributeChange(
            set: attributes, clear: MountAttributes.plain.subtracting(attributes))
        if !times.isEmpty {
            change.set.formUnion(times.attributes)
            change.clear.formUnion([.accessTimeMask, .noDirectoryAccessTime])
        }
        return change
    }

    /// The same where the kernel has locked what the source has, as it does for a user namespace: that stays. Nil when
    /// a word asked for something else.
    func change(
        keeping found: (attributes: MountAttributes, times: AccessTimes)
    ) -> AttributeChange? {
        let locked = found.attributes.subtracting(.noSymlinkFollow)
        guard locked.isDisjoint(with: cleared), found.times.isDisjoint(with: clearedTimes),
            times.isEmpty || times == found.times
        else { return nil }
        let set = attributes.union(locked)
        return AttributeChange(set: set, clear: MountAttributes.plain.subtracting(set))
    }
}

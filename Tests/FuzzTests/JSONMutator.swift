import Linux
import OCI

@testable import Runtime

/// Numbers that are the same in every run.
struct FuzzRandom: RandomNumberGenerator {
    private var state: UInt64

    /// Any number; near ones give other numbers too.
    init(_ seed: UInt64) { state = (seed &+ 1) &* 0x9e37_79b9_7f4a_7c15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }

    mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<max(limit, 1), using: &self) }
}

/// Changes documents so that they stay documents, most of the time: what only a byte here and there does ends in the
/// reader. The same document and seed give the same one.
struct JSONMutator: Sendable {
    /// What is put into documents: every member that one can have, and every word that is known.
    private let members: [JSON.Member]
    let words: [String]

    init(_ document: String, _ words: [String]) {
        let every = (try? JSON(parsing: document)) ?? .null
        (members, self.words) = (every.allMembers, words)
    }

    /// For what the runtime reads.
    static let runtime = JSONMutator(
        everyMember,
        MountOptions.words + SeccompProfile.Action.words + SeccompProfile.Comparison.words
            + SeccompProfile.architectureWords + SeccompFlags.words + MemoryPolicy.modes
            + RuntimeSpec.NamespaceKind.allCases.map(\.rawValue) + odd)
    /// For images and registries.
    static let images = JSONMutator(everyImageMember, imageWords + odd)

    /// Texts with which something went wrong somewhere.
    private static let odd = [
        "", ".", "..", "/", "../..", "/proc", "/proc/self/fd/7", "/dev", "/dev/ptmx", "//a//../b/", "a\u{0}b",
        "\n", "+kernel.", ":", "::", "a:b:c", "a-b-.slice", "-.slice", ".scope", "0-4095", "0-65535", "7-3",
        "-1",
        "max", "rwm", "e\u{301}", "\u{e9}", "\u{200d}", "\u{feff}", "CAP_SYS_ADMIN", "CAP_40",
        "RLIMIT_NOFILE",
        "[]", "['a','b']", "'inactive'", "uint64 18446744073709551615", "PATH=", "HOME=", "=", "io.max",
        "a.b\nc",
        "memory.", "net.ipv4.ip_forward", "kernel/domainname", "fs.mqueue.msg_max", "2MB", "GB", "a", "c",
    ]
    private static let numbers: [JSON] =
        [Int64.min, -4_294_967_297, -2, -1, 0, 1, 6, 64, 255, 4095, 4096, 65_536, 1 << 20, 1 << 31, .max]
        .map(JSON.int)
        + [(1 << 32) - 1, 1 << 32, 1_000_000, 1000].map(JSON.int)
        + [
            .unsigned(1 << 63), .unsigned(.max), .double(18_446_744_073_709_551_616), .double(1e30),
            .double(-0.5),
        ]

    /// Nil for bytes that are no document.
    func mutate(_ bytes: [UInt8], seed: UInt64) -> [UInt8]? {
        guard var document = try? JSON(parsing: bytes) else { return nil }
        var random = FuzzRandom(seed)
        for _ in 0...random.below(3) {
            var place = random.below(document.size)
            document = edit(document, at: &place, &random)
        }
        var new = document.bytes
        // Now and then a byte that no document has.
        if random.below(16) == 0, !new.isEmpty {
            new[random.below(new.count)] = [0, 0xc0, 0xff, 0x22, 0x5c, 0x2d][random.below(6)]
        }
        return new
    }

    private func edit(_ value: JSON, at place: inout Int, _ random: inout FuzzRandom) -> JSON {
        place -= 1
        if place < 0 { return change(value, &random) }
        switch value {
        case .array(var elements):
            for i in elements.indices where place >= 0 {
                let size = elements[i].size
                if place < size {
                    elements[i] = edit(elements[i], at: &place, &random)
                } else {
                    place -= size
                }
            }
            return .array(elements)
        case .object(var members):
            for i in members.indices where place >= 0 {
                let size = members[i].value.size
                if place < size {
                    members[i].value = edit(members[i].value, at: &place, &random)
                } else {
                    place -= size
                }
            }
            return .object(members)
        default: return value
        }
    }

    private func change(_ value: JSON, _ random: inout FuzzRandom) -> JSON {
        switch (value, random.below(8)) {
        case (.object(let members), 0...5): .object(change(members, &random))
        case (.array(let elements), 0...5): .array(change(elements, &random))
        case (.string(let text), 0...3): .string(change(text, &random))
        case (.int(let number), 0...3): .int(number &+ [-1, 1, 1 << 31, -(1 << 32)][random.below(4)])
        case (.bool(let flag), 0...5): .bool(!flag)
        default: another(&random)
        }
    }

    /// A value of any kind.
    private func another(_ random: inout FuzzRandom) -> JSON {
        switch random.below(8) {
        case 0: return .null
        case 1, 2: return Self.numbers[random.below(Self.numbers.count)]
        case 3, 4: return .string(words[random.below(words.count)])
        case 5: return .string(String(repeating: "x/", count: 1 << random.below(12)))
        case 6:
            let levels = random.below(70)
            return (0..<levels).reduce(.array([])) { inner, level in
                level % 2 == 0 ? .array([inner]) : .object([.init("a", inner)])
            }
        default: return members[random.below(members.count)].value
        }
    }

    private func change(_ old: [JSON.Member], _ random: inout FuzzRandom) -> [JSON.Member] {
        var changed = old
        switch random.below(6) {
        case 0: if !changed.isEmpty { changed.remove(at: random.below(changed.count)) }
        // A name twice.
        case 1: if let twice = changed.randomElement(using: &random) { changed.append(twice) }
        case 2:
            guard let from = changed.randomElement(using: &random) else { break }
            changed.append(.init(words[random.below(words.count)], from.value))
        default:
            let new = members[random.below(members.count)]
            changed.removeAll { $0.name == new.name }
            changed.append(new)
        }
        return changed
    }

    private func change(_ old: [JSON], _ random: inout FuzzRandom) -> [JSON] {
        guard let one = old.randomElement(using: &random) else { return [another(&random)] }
        switch random.below(5) {
        case 0: return Array(old.dropFirst())
        case 1: return old + [one]
        case 2: return old + [JSON](repeating: one, count: 1 << random.below(9))
        case 3: return old.reversed()
        default: return old + [.string(words[random.below(words.count)])]
        }
    }

    private func change(_ old: String, _ random: inout FuzzRandom) -> String {
        let word = words[random.below(words.count)]
        switch random.below(5) {
        case 0: return old + word
        case 1: return word + old
        case 2: return String(old.dropLast(random.below(old.count + 1)))
        case 3: return old + old
        default: return word
        }
    }
}

extension JSON {
    /// How many values it is of.
    fileprivate var size: Int {
        switch self {
        case .array(let elements): elements.reduce(1) { $0 + $1.size }
        case .object(let members): members.reduce(1) { $0 + $1.value.size }
        default: 1
        }
    }

    /// Its members and those of all that is in it.
    fileprivate var allMembers: [Member] {
        switch self {
        case .array(let elements): elements.flatMap(\.allMembers)
        case .object(let members): members + members.flatMap(\.value.allMembers)
        default: []
        }
    }
}

import Linux
public import OCI
import SystemPackage

/// Which devices a container may use: `linux.resources.devices`, and behind them the nodes that every container has.
/// A later rule wins, for each of read, write and mknod by itself; what no rule names is denied (runtime-spec,
/// config-linux.md#allowed-device-list; runc's defaults).
public struct DeviceFilter: Equatable, Sendable {
    let rules: [RuntimeSpec.DeviceRule]
    /// Whether a container may run where the kernel takes no filter: nothing was to be denied.
    let mayBeMissing: Bool

    public init(_ rules: [RuntimeSpec.DeviceRule]) {
        self.rules = rules + Self.ofEveryContainer
        mayBeMissing = rules.allSatisfy { $0.allow && AccessBits($0.access) == .all }
    }

    /// null, zero, full, random, urandom, tty, console, ptmx and pts/*. Any node may be made, as with runc and crun:
    /// a tree with /dev can be unpacked, and what no other rule allows cannot be opened.
    private static let ofEveryContainer: [RuntimeSpec.DeviceRule] = {
        typealias Rule = RuntimeSpec.DeviceRule
        let nodes: [(UInt32, UInt32?)] = [
            (1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, nil),
        ]
        return [Rule(allow: true, access: "m")]
            + nodes.map { Rule(allow: true, kind: .character, major: $0, minor: $1) }
    }()

    /// Nil when everything is allowed: then no program is needed.
    var program: [BpfInstruction]? {
        var (counting, isAllowed) = (rules.reversed()[...], false)
        // The last rule that speaks of everything settles it: those before it do not count.
        if let settled = counting.firstIndex(where: \.isForAll) {
            (isAllowed, counting) = (counting[settled].allow, counting[..<settled])
        }
        if isAllowed, counting.allSatisfy(\.allow) { return nil }
        var kept: [RuntimeSpec.DeviceRule] = []
        for rule in counting where rule.canMatch && !kept.contains(where: { $0.covers(rule) }) {
            kept.append(rule)
        }
        return Self.head + Self.groups(kept).flatMap(Self.block) + Self.answer(isAllowed)
    }
}

/// The program runs through the rules from the last to the first; what an allowing rule speaks of is struck from the
/// question. Rules in a row that differ only in the device share one block: the kernel's check of a program takes
/// 4 us for each branch into code of its own, and a quarter of it for one to a shared target (62 instructions of the
/// plain kind: 270 us; these: 50).
extension DeviceFilter {
    /// The registers: what is asked for, the numbers also as the kernel packs them.
    private static let (type, access, major, minor, device): (UInt8, UInt8, UInt8, UInt8, UInt8) =
        (2, 3, 4, 5, 6)

    /// struct bpf_cgroup_dev_ctx: access in the upper and type in the lower half of the first word.
    private static let head: [BpfInstruction] = [
        .load(type, from: 1, bytes: 0), .move(access, from: type), .and(type, 0xffff),
        .shiftRight(access, by: 16), .load(major, from: 1, bytes: 4), .load(minor, from: 1, bytes: 8),
        .move(device, from: major), .shiftLeft(device, by: 20), .or(device, minor),
    ]

    private static func answer(_ isAllowed: Bool) -> [BpfInstruction] { [.set(0, isAllowed ? 1 : 0), .exit] }

    /// Rules in a row with the same verdict; not more than a jump can pass over.
    private static func groups(_ rules: [RuntimeSpec.DeviceRule]) -> [[RuntimeSpec.DeviceRule]] {
        var groups: [[RuntimeSpec.DeviceRule]] = []
        for rule in rules {
            if let last = groups.last?.first, last.hasVerdict(of: rule), groups[groups.count - 1].count < 1000
            {
                groups[groups.count - 1].append(rule)
            } else {
                groups.append([rule])
            }
        }
        return groups
    }

    private static func block(_ group: [RuntimeSpec.DeviceRule]) -> [BpfInstruction] {
        guard let first = group.first else { return [] }
        var block = verdict(first)
        if group.allSatisfy({ $0.major != nil || $0.minor != nil }) {
            let others = BpfInstruction.skip(Int16(block.count))
            let matches = group.enumerated().map { position, rule in
                match(rule, Int16(group.count - position))
            }
            block = matches + [others] + block
        }
        // BPF_DEVCG_DEV_*.
        guard first.kind != .all else { return block }
        return [.skip(Int16(block.count), unless: type, is: first.kind == .block ? 1 : 2)] + block
    }

    private static func match(_ rule: RuntimeSpec.DeviceRule, _ count: Int16) -> BpfInstruction {
        switch (rule.major, rule.minor) {
        case (let major?, let minor?): .skip(count, when: device, is: major << 20 | minor)
        case (let major?, nil): .skip(count, when: Self.major, is: major)
        case (nil, let minor): .skip(count, when: Self.minor, is: minor ?? 0)
        }
    }

    /// Answers, or takes what this rule allows out of the question.
    private static func verdict(_ rule: RuntimeSpec.DeviceRule) -> [BpfInstruction] {
        let bits = AccessBits(rule.access)
        if bits == .all { return answer(rule.allow) }
        let rest: [BpfInstruction] =
            rule.allow
            ? [.and(access, AccessBits.all.subtracting(bits).rawValue), .skip(2, unless: access, is: 0)]
            : [.move(0, from: access), .and(0, bits.rawValue), .skip(2, when: 0, is: 0)]
        return rest + answer(rule.allow)
    }
}

/// BPF_DEVCG_ACC_*.
struct AccessBits: OptionSet {
    let rawValue: UInt32
    static let mknod = AccessBits(rawValue: 1)
    static let read = AccessBits(rawValue: 2)
    static let write = AccessBits(rawValue: 4)
    static let all: AccessBits = [.mknod, .read, .write]

    init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Letters of `rwm`.
    init(_ letters: String) {
        self = []
        if letters.utf8.contains(UInt8(ascii: "m")) { insert(.mknod) }
        if letters.utf8.contains(UInt8(ascii: "r")) { insert(.read) }
        if letters.utf8.contains(UInt8(ascii: "w")) { insert(.write) }
    }
}

extension RuntimeSpec.DeviceRule {
    fileprivate var isForAll: Bool {
        kind == .all && major == nil && minor == nil && AccessBits(access) == .all
    }

    /// The kernel's device numbers have 12 and 20 bits.
    fileprivate var canMatch: Bool { major ?? 0 < 1 << 12 && minor ?? 0 < 1 << 20 }

    fileprivate func hasVerdict(of other: Self) -> Bool {
        (kind, allow, AccessBits(access)) == (other.kind, other.allow, AccessBits(other.access))
    }

    /// Whether this rule, which comes later, speaks of all that the other one speaks of.
    fileprivate func covers(_ other: Self) -> Bool {
        (kind == .all || kind == other.kind) && (major == nil || major == other.major)
            && (minor == nil || minor == other.minor)
            && AccessBits(access).isSuperset(of: AccessBits(other.access))
    }
}

extension Cgroup {
    /// Lets the processes of this cgroup use what `filter` allows; one that is attached gives way in the same step.
    /// Before the clone into it, so that no process is ever without. Answers a warning, when it could not be done and
    /// nothing was to be denied.
    func apply(_ filter: DeviceFilter) throws(RuntimeError) -> String? {
        do throws(SysError) {
            if let program = filter.program {
                try setDeviceFilter(program)
            } else if !isNew {
                try removeDeviceFilters()
            }
            return nil
        } catch {
            // In a user namespace bpf(2) is for nobody, and no device node can be made either.
            guard filter.mayBeMissing || error.errno == .notPermitted && isInUserNamespace() else {
                throw RuntimeError("unable to apply cgroup configuration: \(error)")
            }
            return "the container runs without a device filter: \(error)"
        }
    }
}

/// Whether our root is not the host's (user_namespaces(7)).
private func isInUserNamespace() -> Bool {
    // A kernel without user namespaces has no such file.
    guard let bytes = try? FD.open("/proc/self/uid_map").readAll(limit: 65536) else { return false }
    let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
    return words != ["0", "0", "4294967295"]
}

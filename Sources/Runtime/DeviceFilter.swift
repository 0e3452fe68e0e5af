import Linux
public import OCI

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
        let made = [RuntimeSpec.DeviceRule.Kind.block, .character].map {
            Rule(allow: true, kind: $0, access: "m")
        }
        return made + nodes.map { Rule(allow: true, kind: .character, major: $0, minor: $1) }
    }()

    /// Nil when everything is allowed: then no program is needed.
    var program: [BpfInstruction]? {
        // The last rule that speaks of everything settles it: those before it do not count.
        let settled = rules.lastIndex { $0.isForAll }
        let counting = settled.map { Array(rules[($0 + 1)...]) } ?? rules
        let isAllowed = settled.map { rules[$0].allow } ?? false
        if isAllowed, counting.allSatisfy(\.allow) { return nil }
        return Self.head + counting.reversed().flatMap(\.block) + Self.answer(isAllowed)
    }

    /// The registers: what is asked for.
    static let (type, access, major, minor): (UInt8, UInt8, UInt8, UInt8) = (2, 3, 4, 5)

    /// struct bpf_cgroup_dev_ctx: access in the upper and type in the lower half of the first word.
    private static let head: [BpfInstruction] = [
        .load(type, from: 1, bytes: 0), .move(access, from: type), .and(type, 0xffff),
        .shiftRight(access, by: 16), .load(major, from: 1, bytes: 4), .load(minor, from: 1, bytes: 8),
    ]

    static func answer(_ isAllowed: Bool) -> [BpfInstruction] { [.set(0, isAllowed ? 1 : 0), .exit] }
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

    /// Answers when this rule settles what is still asked for, and falls through when it does not speak of it. Rules
    /// run from the last to the first: what one allows is struck from the question.
    fileprivate var block: [BpfInstruction] {
        let bits = AccessBits(access).rawValue
        var action: [BpfInstruction]
        if bits == AccessBits.all.rawValue {
            action = DeviceFilter.answer(allow)
        } else if allow {
            action = [.and(DeviceFilter.access, ~bits & 7), .skip(2, unless: DeviceFilter.access, is: 0)]
            action += DeviceFilter.answer(true)
        } else {
            action = [.move(0, from: DeviceFilter.access), .and(0, bits), .skip(2, when: 0, is: 0)]
            action += DeviceFilter.answer(false)
        }
        var conditions: [(UInt8, UInt32)] = []
        // BPF_DEVCG_DEV_*.
        if kind != .all { conditions.append((DeviceFilter.type, kind == .block ? 1 : 2)) }
        if let major { conditions.append((DeviceFilter.major, major)) }
        if let minor { conditions.append((DeviceFilter.minor, minor)) }
        let skips = conditions.enumerated().map { position, condition in
            BpfInstruction.skip(
                Int16(conditions.count - position - 1 + action.count), unless: condition.0, is: condition.1)
        }
        return skips + action
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
            guard filter.mayBeMissing else {
                throw RuntimeError("unable to apply cgroup configuration: \(error)")
            }
            return "the container runs without a device filter: \(error)"
        }
    }
}

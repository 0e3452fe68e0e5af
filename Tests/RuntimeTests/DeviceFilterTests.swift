import Linux
import OCI
import Testing

@testable import Runtime

private typealias Rule = RuntimeSpec.DeviceRule

/// What a process asks of a device.
private struct Question {
    var type: UInt32
    var major: UInt32
    var minor: UInt32
    var access: AccessBits

    /// `c 1:3 rw`.
    init(_ text: String) {
        let words = text.split(whereSeparator: { $0 == " " || $0 == ":" }).map(String.init)
        type = words[0] == "b" ? 1 : 2
        (major, minor, access) = (UInt32(words[1]) ?? 0, UInt32(words[2]) ?? 0, AccessBits(words[3]))
    }
}

/// Runs a program as the kernel does; nil when it goes wrong: a bad jump or no end.
private func run(_ program: [BpfInstruction], _ question: Question) -> UInt32? {
    let context: [UInt32] = [question.access.rawValue << 16 | question.type, question.major, question.minor]
    var registers = [UInt32](repeating: 0, count: 11)
    var at = 0
    while program.indices.contains(at) {
        let i = program[at]
        let target = Int(i.target)
        at += 1
        switch i.code {
        case 0x61: registers[target] = context[Int(i.offset) / 4]
        case 0xbc: registers[target] = registers[Int(i.source)]
        case 0xb4: registers[target] = i.constant
        case 0x54: registers[target] &= i.constant
        case 0x4c: registers[target] |= registers[Int(i.source)]
        case 0x64: registers[target] <<= i.constant
        case 0x05: at += Int(i.offset)
        case 0x74: registers[target] >>= i.constant
        case 0x56: if registers[target] != i.constant { at += Int(i.offset) }
        case 0x16: if registers[target] == i.constant { at += Int(i.offset) }
        case 0x95: return registers[0]
        default: return nil
        }
    }
    return nil
}

private func allows(_ rules: [Rule], _ question: String) throws -> Bool {
    guard let program = DeviceFilter(rules).program else { return true }
    let answer = try #require(run(program, Question(question)))
    return answer == 1
}

@Test(arguments: [
    "c 1:3 rwm", "c 1:5 rw", "c 1:7 r", "c 1:8 r", "c 1:9 r", "c 5:0 rw", "c 5:1 rw", "c 5:2 rw",
    "c 136:0 rw", "c 136:77 rw", "b 8:0 m", "c 10:200 m",
])
func nodesOfEveryContainerAreAllowed(question: String) throws {
    #expect(try allows([], question))
    #expect(try allows([Rule(allow: false)], question))
    #expect(try allows([Rule(allow: false, kind: .character, major: 1, minor: 3)], question))
}

@Test(arguments: ["c 1:1 r", "c 1:11 rw", "b 8:0 r", "b 1:3 r", "c 10:200 rw", "c 5:3 r", "c 10:229 rm"])
func whatNoRuleNamesIsDenied(question: String) throws {
    #expect(try !allows([], question))
    #expect(try !allows([Rule(allow: false)], question))
}

@Test func aLaterRuleWins() throws {
    let fuse = Rule(allow: true, kind: .character, major: 10, minor: 229)
    let noFuse = Rule(allow: false, kind: .character, major: 10, minor: 229)
    #expect(try allows([Rule(allow: false), fuse], "c 10:229 rw"))
    #expect(try !allows([fuse, Rule(allow: false)], "c 10:229 rw"))
    #expect(try !allows([fuse, noFuse], "c 10:229 rw"))
    #expect(try !allows([Rule(allow: true), noFuse], "c 10:229 r"))
    #expect(try allows([Rule(allow: true), noFuse], "c 10:230 r"))
    #expect(try allows([noFuse, Rule(allow: true)], "c 10:229 r"))
}

@Test func eachKindOfAccessIsJudgedByItself() throws {
    let rules = [
        Rule(allow: false), Rule(allow: true, kind: .block, major: 8, minor: 0, access: "rw"),
        Rule(allow: false, kind: .block, major: 8, access: "w"),
    ]
    #expect(try allows(rules, "b 8:0 r"))
    #expect(try !allows(rules, "b 8:0 w"))
    #expect(try !allows(rules, "b 8:0 rw"))
    #expect(try !allows(rules, "b 8:1 r"))
    // Two rules together allow what is asked.
    let halves = [
        Rule(allow: true, kind: .block, major: 8, access: "r"),
        Rule(allow: true, kind: .all, major: 8, access: "w"),
    ]
    #expect(try allows(halves, "b 8:0 rw"))
    #expect(try !allows(halves, "c 8:0 rw"))
    #expect(try allows(halves, "c 8:0 w"))
}

@Test func numbersOfARuleForBothTypesCount() throws {
    let rules = [Rule(allow: true, kind: .all, major: 8, minor: 1)]
    #expect(try allows(rules, "b 8:1 rw"))
    #expect(try allows(rules, "c 8:1 rw"))
    #expect(try !allows(rules, "b 8:2 rw"))
    // A number that no device has is no other device's.
    let large = [Rule(allow: true, kind: .block, major: 1, minor: (1 << 20) + 5)]
    #expect(try !allows(large, "b 1:5 r"))
}

@Test func whoMayUseEverythingNeedsNoProgram() {
    #expect(DeviceFilter([Rule(allow: true)]).program == nil)
    #expect(DeviceFilter([Rule(allow: false), Rule(allow: true)]).program == nil)
    #expect(DeviceFilter([Rule(allow: true), Rule(allow: false)]).program != nil)
    #expect(DeviceFilter([Rule(allow: true, access: "rw")]).program != nil)
    #expect(DeviceFilter([]).program != nil)
}

@Test func onlyWhatDeniesNothingMayGoWithoutItsFilter() {
    #expect(DeviceFilter([]).mayBeMissing)
    #expect(DeviceFilter([Rule(allow: true, kind: .character, major: 1, minor: 2)]).mayBeMissing)
    #expect(!DeviceFilter([Rule(allow: false, kind: .character, major: 1, minor: 2)]).mayBeMissing)
    #expect(!DeviceFilter([Rule(allow: true, access: "r")]).mayBeMissing)
}

@Test func manyRulesFitIntoOneProgram() throws {
    let rules = (0..<5000).map { Rule(allow: true, kind: .block, major: $0 % 4096, minor: $0) }
    #expect(try allows(rules, "b 0:4096 rw"))
    #expect(try allows(rules, "b 17:17 rw"))
    #expect(try !allows(rules, "b 17:18 rw"))
}

@Test func whatALaterRuleCoversCostsNothing() {
    let docker =
        [Rule(allow: false)]
        + [5, 3, 9, 8].map {
            Rule(allow: true, kind: .character, major: 1, minor: $0)
        }
    #expect(DeviceFilter(docker).program == DeviceFilter([]).program)
}

@Test func everyJumpStaysInAProgramOfAnyRules() throws {
    var state: UInt64 = 42
    func random(_ below: UInt32) -> UInt32 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt32(state >> 33) % below
    }
    for _ in 0..<500 {
        let rules = (0..<random(6)).map { _ in
            Rule(
                allow: random(2) == 0, kind: [.all, .character, .block][Int(random(3))],
                major: random(2) == 0 ? nil : random(2), minor: random(2) == 0 ? nil : random(2),
                access: ["r", "w", "m", "rw", "rm", "wm", "rwm"][Int(random(7))])
        }
        let (type, major, minor) = (["b", "c"][Int(random(2))], random(2), random(2))
        for access in ["r", "w", "m", "rw", "rwm"] {
            let expected = access.allSatisfy { letter in
                let last = DeviceFilter(rules).rules.last {
                    ($0.kind == .all || $0.kind.rawValue == type) && ($0.major ?? major) == major
                        && ($0.minor ?? minor) == minor && $0.access.contains(letter)
                }
                return last?.allow ?? false
            }
            #expect(try allows(rules, "\(type) \(major):\(minor) \(access)") == expected, "\(rules)")
        }
    }
}

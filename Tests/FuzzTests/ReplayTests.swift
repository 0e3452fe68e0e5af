import Linux
import OCI
import SystemPackage
import Testing

@testable import Runtime

/// The short form of `make fuzz`, without libFuzzer: every input that was kept, and changes of them that are the same in
/// every run. What traps ends the test process; the input is then in .build/fuzz/last-PART.
struct ReplayTests {
    private static let here = FilePath(#filePath).removingLastComponent()

    private static func corpus(_ part: FuzzPart) throws -> [[UInt8]] {
        let directory = try FD.open(here.appending("corpus/\(part.rawValue)"), [.readOnly, .directory])
        return try directory.entries().map(\.name).sorted { "\($0)" < "\($1)" }.compactMap { name in
            try directory.contents(of: FilePath(name.string), limit: 1 << 20)
        }
    }

    /// Remembers each input before it is run.
    private struct Recorder: ~Copyable {
        let file: FD

        init(_ part: FuzzPart) throws {
            let directory = here.appending("../../.build/fuzz")
            file = try FD.directory(directory, make: true)
                .open(FilePath("last-\(part.rawValue)"), [.readWrite, .create, .truncate], mode: 0o644)
        }

        func run(_ part: FuzzPart, _ input: [UInt8]) throws {
            try file.setSize(0)
            try input.withUnsafeBytes { try file.writeAll($0, at: 0) }
            part.run(input)
        }
    }

    @Test(arguments: FuzzPart.allCases) func keptInputsAreReadWithoutAFinding(part: FuzzPart) throws {
        let inputs = try Self.corpus(part)
        #expect(inputs.count > 20, "the corpus of \(part) is missing")
        #expect(inputs.reduce(0) { $0 + $1.count } < 1 << 18, "the corpus of \(part) is too large")
        let recorder = try Recorder(part)
        for input in inputs { try recorder.run(part, input) }
    }

    @Test(arguments: FuzzPart.allCases) func changedInputsAreReadWithoutAFinding(part: FuzzPart) throws {
        let inputs = try Self.corpus(part)
        let recorder = try Recorder(part)
        for seed in 0..<part.changes {
            var random = FuzzRandom(seed)
            let input = inputs[random.below(inputs.count)]
            let changed = seed % 4 != 0 ? part.mutate(input, seed: seed) : nil
            try recorder.run(part, changed ?? Self.damaged(input, with: inputs, &random))
        }
    }

    /// Bytes changed, taken out, doubled, or another input's put behind.
    private static func damaged(
        _ input: [UInt8], with others: [[UInt8]], _ random: inout FuzzRandom
    ) -> [UInt8] {
        var bytes = input
        for _ in 0...random.below(4) {
            let at = random.below(bytes.count)
            let end = min(at + 1 + random.below(8), bytes.count)
            switch random.below(6) {
            case 0 where !bytes.isEmpty: bytes[at] = UInt8(truncatingIfNeeded: random.next())
            case 1 where !bytes.isEmpty: bytes[at] ^= 1 << UInt8(random.below(8))
            case 2 where !bytes.isEmpty: bytes[at] = [0, 1, 4, 0x7f, 0x80, 0xff][random.below(6)]
            case 3 where !bytes.isEmpty: bytes.removeSubrange(at..<end)
            case 4 where !bytes.isEmpty: bytes.insert(contentsOf: bytes[at..<end], at: at)
            default: bytes += others[random.below(others.count)].prefix(64)
            }
        }
        return bytes
    }

    @Test func aChangeIsTheSameInEveryRun() {
        let document = Array(everyMember.utf8)
        let (one, other) = (JSONMutator.runtime, JSONMutator(everyMember, JSONMutator.runtime.words))
        for seed in UInt64(0)..<50 {
            let changed = one.mutate(document, seed: seed)
            #expect(changed != nil && changed == other.mutate(document, seed: seed))
        }
    }
}

import Support
import Testing

/// apus beside Debian's docker: the same command lines, the same image, the same answers but for what
/// docs/differences.md gives a reason for. APUS_CASES="life run" runs two tables.
@Suite(.enabled(if: Caller.docker.isReady, Caller.docker.reason), .serialized)
struct DifferentialTests {
    @Test func apusAnswersAsDockerDoes() throws {
        let chosen = Host.environment("APUS_CASES")?.split(separator: " ").map(String.init) ?? []
        let cases = try Tables.cases(only: chosen)
        let comparison = try Comparison(cases)
        for (number, each) in cases.enumerated() where !each.isSetUp {
            let found = each.complaints(docker: comparison.docker[number], apus: comparison.apus[number])
            #expect(found.isEmpty, "\(each.place): \(found.joined(separator: "\n"))")
        }
    }
}

/// The tables by themselves: neither docker nor root is needed.
struct DifferentialTableTests {
    @Test func thereAreThreeHundredCases() throws {
        #expect(try Tables.cases().count { !$0.isSetUp } >= 300)
    }

    @Test func everyDifferenceHasItsReason() throws {
        let used = Set(try Tables.cases().flatMap(\.differences).map(\.key))
        let listed = Set(try Tables.reasons())
        #expect(used.subtracting(listed).isEmpty, "not in docs/differences.md")
        #expect(listed.subtracting(used).isEmpty, "docs/differences.md: no case shows it")
    }
}

private enum Tables {
    private static let directory =
        #filePath.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/cases"

    /// Of the tables with these names; of all when there are none.
    static func cases(only names: [String] = []) throws -> [Case] {
        let files = try execute(["ls", directory]).lines.filter { names.isEmpty || names.contains($0) }
        return try files.flatMap { file in
            guard let text = readFile(directory + "/" + file) else { throw Trouble("read \(file)") }
            return try Case.parse(text, file: file)
        }
    }

    /// The keys in brackets in the first column of docs/differences.md.
    static func reasons() throws -> [String] {
        let path = directory + "/../../../../docs/differences.md"
        guard let text = readFile(path) else { throw Trouble("read \(path)") }
        return text.split(separator: "\n").filter { $0.hasPrefix("|") }.flatMap { row in
            row.split(separator: "|")[0].matches(of: #/\[([a-z0-9-]+)\]/#).map { String($0.1) }
        }
    }
}

import Testing

@testable import Build

private let values = [
    "a": "abc", "e": "", "path": "/usr/lib/x.tar.gz", "two": "1  2", "star": "a*c", "s": "foo-foo",
]

private func expand(_ text: String) -> String {
    do throws(DockerfileError) {
        return try VariableExpander { values[$0] }.word(text)
    } catch { return "error: \(error.message)" }
}

@Test(arguments: [
    ("$a", "abc"), ("${a}x", "abcx"), ("$a.b", "abc.b"), ("$ab", ""), ("$", "$"), ("a$", "a$"), ("$1a", "a"),
    ("${no:-w}", "w"), ("${e:-w}", "w"), ("${a:-w}", "abc"), ("${no-w}", "w"), ("${e-w}", ""), ("${no-}", ""),
    ("${a:+w}", "w"), ("${e:+w}", ""), ("${no:+w}", ""), ("${a+w}", "w"), ("${e+w}", "w"), ("${no+w}", ""),
    ("${a:?bad}", "abc"), ("${no:?bad}", "error: no: bad"), ("${no?}", "error: no: not allowed to be unset"),
    ("${e:?}", "error: e: not allowed to be empty"), ("${e?x}", ""),
    ("${no:-${e:-$a}}", "abc"), ("${no:-'x }'}", "x }"), ("${no:-\"q $a\"}", "q abc"),
    ("${path#*/}", "usr/lib/x.tar.gz"), ("${path##*/}", "x.tar.gz"), ("${path%.*}", "/usr/lib/x.tar"),
    ("${path%%.*}", "/usr/lib/x"), ("${a#x}", "abc"), ("${a#?}", "bc"), ("${star#a\\*}", "c"),
    ("${a#a\\*}", "abc"),
    ("${s/foo/bar}", "bar-foo"), ("${s//foo/bar}", "bar-bar"), ("${path//\\//_}", "_usr_lib_x.tar.gz"),
    ("${s//o/}", "f-f"), ("${s/f*o/$a}", "abc"),
    ("\\$a", "$a"), ("'$a'", "$a"), ("\"$a\"", "abc"), ("\"\\$a \\x \\\\\"", "$a \\x \\"), ("a\\ b", "a b"),
    ("x\\", "x"),
    ("${a:#x}", "error: unsupported modifier (:#) in substitution"),
    ("${a^}", "error: unsupported modifier (^) in substitution"),
    ("${}", "error: syntax error: bad substitution"), ("${{a}", "error: syntax error: bad substitution"),
    ("${a", "error: syntax error: missing '}'"), ("${a:-x", "error: syntax error: missing '}'"),
    ("${", "error: syntax error: missing '}'"),
    ("'x", "error: unexpected end of statement while looking for matching single-quote"),
    ("\"x", "error: unexpected end of statement while looking for matching double-quote"),
])
func wordsExpand(_ text: String, _ expected: String) {
    #expect(expand(text) == expected)
}

@Test func blanksFromAVariableSeparateWordsUnlessQuoted() throws {
    let expander = VariableExpander { values[$0] }
    #expect(try expander.words("$two x\"$two\"") == ["1", "2", "x1  2"])
    #expect(try expander.words("  ") == [])
    #expect(try expander.words("'' a") == ["", "a"])
}

@Test func theOtherEscapeCharacterWorks() throws {
    let expander = VariableExpander(escape: "`") { values[$0] }
    #expect(try expander.word("`$a c:\\x") == "$a c:\\x")
}

@Test func expansionIsBounded() throws {
    let big = String(repeating: "x", count: 300_000)
    do {
        _ = try VariableExpander { _ in big }.word("$a$a$a$a")
        Issue.record("no error")
    } catch { #expect(error.message == "variables expand to more than 1 MiB") }
    let deep = String(repeating: "${no:-", count: 100) + String(repeating: "}", count: 100)
    #expect(expand(deep) == "error: substitutions nested too deep")
    let slow = String(repeating: "a*", count: 200)
    let value = String(repeating: "a", count: 5000)
    #expect(try VariableExpander { _ in value }.word("${v#\(slow)b}") == value)
}

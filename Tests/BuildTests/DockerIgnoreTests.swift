import Testing

@testable import Build

private func ignore(_ text: String) throws -> DockerIgnore {
    try DockerIgnore(parsing: Array(text.utf8), name: ".dockerignore")
}

/// Measured with dockerd.
@Test func theMeasuredVectorHolds() throws {
    let rules = try ignore("# c\n**/*.log\n!c/z.log\n/a/k.txt\n*.md\n!README.md\nDockerfile\n")
    let all = [
        ".dockerignore", "Dockerfile", "README.md", "a", "a/b", "a/b/x.log", "a/k.txt", "c", "c/z.log",
        "top.log",
    ]
    #expect(all.filter { !rules.excludes($0) } == [".dockerignore", "README.md", "a", "a/b", "c", "c/z.log"])
}

@Test(arguments: [
    ("a", "a", true), ("a", "a/b/c", true), ("a", "x/a", false), ("a/", "a/b", true), ("./a/../b", "b", true),
    ("*", "x", true), ("*", "x/y", true), ("*/y", "y", false), ("*/y", "x/y", true), ("*/y", "x/z/y", false),
    ("**/y", "y", true), ("**/y", "x/z/y", true), ("**/y", "xy", false), ("a/**", "a", false),
    ("a/**", "a/b/c", true),
    ("a/**/z", "a/z", true), ("a/**/z", "a/b/c/z", true), ("a/**/z", "a/bz", false),
    ("**", "anything/at", true),
    ("?", "x", true), ("?", "é", true), ("?", "xx", false), ("[a-c]x", "bx", true), ("[^a-c]x", "bx", false),
    ("\\*", "*", true), ("\\*", "x", false), (" spaced ", "spaced", true),
    (" # no comment", "# no comment", true),
    ("*\n!b", "b", false), ("*\n!b", "b/c", false), ("!b\n*", "b", true), ("a\n!a/b", "a/b", false),
    ("a\n!a/b", "a/c", true), ("a\n!a/b\na/b/c", "a/b/c", true), ("*.md\n!R*.md", "R1.md", false),
])
func pathsAreLeftOut(_ rules: String, _ path: String, _ excluded: Bool) throws {
    #expect(try ignore(rules).excludes(path) == excluded, "\(rules) on \(path)")
}

@Test func badPatternsNameTheirLine() {
    for (text, message) in [
        ("a\n[x", ".dockerignore:2: syntax error in pattern: [x"),
        ("!", ".dockerignore:1: illegal exclusion pattern: \"!\""),
    ] {
        do {
            _ = try ignore(text)
            Issue.record("no error")
        } catch { #expect("\(error)" == message) }
    }
}

@Test func globsDoNotCrossSlashes() throws {
    let pattern = try #require(PathPattern("*.[ch]", doubleStars: false))
    #expect(pattern.matches(PathPattern.characters(of: "a.c".utf8)))
    #expect(!pattern.matches(PathPattern.characters(of: "d/a.c".utf8)))
    #expect(PathPattern("[", doubleStars: false) == nil)
    #expect(PathPattern("a\\", doubleStars: false) == nil)
}

@Test func manyStarsAreNotSlow() throws {
    let pattern = try #require(PathPattern(String(repeating: "**/*a", count: 40) + "b", doubleStars: true))
    #expect(!pattern.matches(PathPattern.characters(of: String(repeating: "a/a", count: 1000).utf8)))
}

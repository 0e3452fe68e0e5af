import Testing

@testable import Engine

@Test(arguments: ["a\nb", "a b", "a\tb", "ä"]) func hostnamesWithOtherCharactersAreRefused(name: String) {
    var options = RunOptions(image: "busybox")
    options.hostname = name
    #expect(throws: UsageError.self) { try options.validate(processors: 1) }
}

@Test func usualHostnamesAreTaken() throws {
    var options = RunOptions(image: "busybox")
    options.hostname = "web-1.example.org"
    try options.validate(processors: 1)
}

import Linux
import SystemPackage
import Testing

@Test func errorsSayCallSubjectReasonAndHint() {
    let error = SysError(call: "mount", subject: "proc on /proc", errno: .notPermitted)
    #expect(error.description == "mount proc on /proc: Operation not permitted")
    let hinted = error.hinting("needs its own pid namespace")
    #expect(
        hinted.description == "mount proc on /proc: Operation not permitted (needs its own pid namespace)")
    #expect(hinted.errno == .notPermitted && error.hint == nil)
}

@Test func interruptedCallsAreMadeAgain() throws {
    var answers: [CInt] = [-4, -4, 7]
    #expect(try sys("read", "x") { answers.removeFirst() } == 7)
    #expect(answers.isEmpty)
    #expect(throws: SysError(call: "read", subject: "x", errno: .badFileDescriptor)) {
        try sys("read", "x") { CInt(-9) }
    }
}

@Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
])
func sha256OfTheStandardsExamples(text: String, hex: String) {
    #expect(SHA256.hex(of: Array(text.utf8)) == hex)
    var parts = SHA256()
    for byte in text.utf8 { parts.update([byte]) }
    parts.update("")
    parts.update([])
    #expect(parts.hex() == hex)
}

@Test func sha256OfAMillionLetters() {
    var hash = SHA256()
    for _ in 0..<1000 { hash.update(String(repeating: "a", count: 1000)) }
    var copy = hash
    #expect(hash.hex() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    copy.update("b")
    #expect(copy.hex() != "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
}

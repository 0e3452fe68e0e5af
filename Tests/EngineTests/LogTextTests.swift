import OCI
import Testing

@testable import Monitor

/// The text that stands in a log for these bytes, and how many were taken.
private func escaped(_ bytes: [UInt8]) throws -> (text: String, count: Int) {
    var text = LogText(capacity: bytes.count * LogText.bytesPerByte + LogText.slack)
    let count = bytes.withUnsafeBytes { text.appendEscaped($0) }
    let document = [0x22] + Array(text.bytes) + [0x22]
    return (try #require(JSON(parsing: document).string), count)
}

@Test func whatIsWrittenIsWhatAReaderOfJSONGets() throws {
    var random = SystemRandomNumberGenerator()
    let alphabets: [[UInt8]] = [
        Array(0...255), Array(0x20...0x7e), Array("\"\\\u{7f}\u{0}\t\r\u{1f}é😀 ab".utf8),
    ]
    for alphabet in alphabets {
        for length in 0..<300 {
            let bytes = (0..<length).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            let end = bytes.firstIndex(of: 0x0a).map { $0 + 1 } ?? bytes.count
            let (text, count) = try escaped(bytes)
            #expect(count == end)
            let wanted = String(decoding: bytes[..<end], as: UTF8.self)
            // How many replacements stand for one broken character is nobody's contract.
            let replacement: Unicode.Scalar = "\u{fffd}"
            #expect(
                text.unicodeScalars.filter { $0 != replacement }.elementsEqual(
                    wanted.unicodeScalars.filter { $0 != replacement }), "\(bytes)")
        }
    }
}

@Test func charactersThatAReadHasCutAreJoined() throws {
    let whole = Array("aé€😀\u{10ffff}z".utf8)
    for cut in 0...whole.count {
        var split = SplitCharacters()
        var result: [UInt8] = []
        for part in [whole[..<cut], whole[cut...]] {
            Array(part).withUnsafeBytes { part in
                result += split.join(part, .stdout) ?? Array(part.dropLast(split.count(.stdout)))
            }
            #expect(String(validating: result, as: UTF8.self) != nil, "\(cut)")
        }
        #expect(result == whole && split.take(.stdout).isEmpty)
    }
}

@Test func bytesThatAreNoCharacterDoNotWait() {
    for bytes: [UInt8] in [
        [0x80], [0xff], [0xc0], [0xe0, 0x80], [0xf4, 0x90], [0xed, 0xa0], [0x61, 0x80, 0x80],
    ] {
        #expect(bytes.withUnsafeBytes { UTF8Text.openEnd($0) } == 0, "\(bytes)")
    }
    for bytes: [UInt8] in [[0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x98], [0x61, 0xf0]] {
        #expect(bytes.withUnsafeBytes { UTF8Text.openEnd($0) } > 0, "\(bytes)")
    }
}

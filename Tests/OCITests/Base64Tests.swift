import OCI
import Testing

@Test(arguments: ["", "f", "fo", "foo", "foob", "fooba", "foobar", "al\u{e4}:\0\u{1}"])
func base64GoesThereAndBack(_ text: String) {
    #expect(Base64.decode(Base64.encode(Array(text.utf8)).utf8) == Array(text.utf8))
}

@Test func base64IsWhatEverybodyWrites() {
    #expect(Base64.encode(Array("alice:secret".utf8)) == "YWxpY2U6c2VjcmV0")
    #expect(Base64.encode([0xff, 0xfe]) == "//4=")
    for bad in ["a", "a===", "!!!!", "YWxpY2U6c2VjcmV0\n", "YQ=a", "YR=="] {
        #expect(Base64.decode(bad.utf8) == nil)
    }
}

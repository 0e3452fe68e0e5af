import OCI
import Testing

@Test(arguments: [
    ("null", JSON.null), (" true\n", .bool(true)), ("false", .bool(false)), ("0", .int(0)), ("-0", .int(0)),
    ("-12", .int(-12)), ("9223372036854775807", .int(.max)), ("-9223372036854775808", .int(.min)),
    ("9223372036854775808", .unsigned(1 << 63)), ("18446744073709551615", .unsigned(.max)),
    ("18446744073709551616", .double(18_446_744_073_709_551_616)), ("1.5", .double(1.5)),
    ("1e2", .double(100)),
    ("2E-1", .double(0.2)), ("[]", .array([])), ("{}", .object([])),
    ("[1, [2]]", .array([.int(1), .array([.int(2)])])),
    (#"{"b":1,"a":null}"#, .object([.init("b", .int(1)), .init("a", .null)])), (#""""#, .string("")),
    (#""\"\\\/\b\f\n\r\t""#, .string("\"\\/\u{8}\u{c}\n\r\t")),
    (#""\u00e9\u20AC\ud83d\ude00""#, .string("é€😀")),
    (#""\u0000""#, .string("\0")), ("\"é€😀\u{7f}\"", .string("é€😀\u{7f}")),
])
func documentsAreRead(text: String, expected: JSON) throws { #expect(try JSON(parsing: text) == expected) }

@Test(arguments: [
    "", " ", "nul", "nulll", "truE", "+1", "01", "-", "-01", "1.", ".5", "1e", "1e+", "0x1", "NaN",
    "Infinity", "1e400",
    "-1e999", "[1,]", "[,1]", "[1 2]", "[", "]", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}",
    "{'a':1}",
    "{\"a\" 1}", "{1:2}", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u123g\"", "\"\\u+123\"", "\"\\ud800\"",
    "\"\\ud800x\"", "\"\\ud800\\n\"", "\"\\ud800\\ud800\"", "\"\\udc00\"", "\"a\nb\"", "\"a\tb\"", "\"a\0b\"",
    "\"\u{1f}\"",
    "1 2", "{} {}", "null,", "[] x", "\u{feff}{}", "// c\n1", "\u{a0}1",
])
func malformedDocumentsAreRefused(text: String) {
    #expect(throws: JSONError.self) { try JSON(parsing: text) }
}

@Test(
    arguments: [
        [0x22, 0xff, 0x22], [0x22, 0xc0, 0xaf, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22],
        [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22],
        [0x22, 0xe2, 0x82, 0x22], [0x22, 0x5c, 0x6e, 0x80, 0x22], [0xef, 0xbb, 0xbf, 0x31],
    ] as [[UInt8]])
func stringsThatAreNotUTF8AreRefused(bytes: [UInt8]) {
    #expect(throws: JSONError.self) { try JSON(parsing: bytes) }
}

/// Two readers of one document must not see two different ones.
@Test func duplicateNamesAreRefused() throws {
    func refusal(_ text: String) -> JSONError? {
        do {
            _ = try JSON(parsing: text)
            return nil
        } catch { return error }
    }
    #expect(refusal(#"{"a":1,"b":2,"a":1}"#) == JSONError("duplicate name \"a\""))
    #expect(refusal(#"{"x":{"a":1,"\u0061":1}}"#) == JSONError("duplicate name \"a\""))
    #expect(refusal(#"{"a":{"b":1},"c":{"b":1}}"#) == nil)
    let many = (0..<1000).map { "\"k\($0)\":0" }.joined(separator: ",")
    #expect(refusal("{\(many)}") == nil)
    #expect(refusal("{\(many),\"k3\":0}") == JSONError("duplicate name \"k3\""))
    #expect(refusal("{\(many),\"k999\":0}") == JSONError("duplicate name \"k999\""))
}

/// U+212A is "K" to Swift's String, and another name to every other reader.
@Test func memberNamesAreComparedByBytes() throws {
    let kelvin = try JSON(parsing: #"{"\u212A":1}"#)
    #expect(kelvin["K"] == nil)
    #expect(kelvin["\u{212A}"] == .int(1))
    #expect(throws: JSONError.self) { try JSON(parsing: #"{"\u212A":1,"K":2}"#) }
}

@Test func depthIsLimited() throws {
    func nested(_ levels: Int) -> String {
        String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
    }
    #expect(throws: Never.self) { try JSON(parsing: nested(64)) }
    #expect(throws: JSONError("nested too deep at offset 64")) { try JSON(parsing: nested(65)) }
    #expect(throws: JSONError.self) { try JSON(parsing: nested(1_000_000)) }
    #expect(throws: JSONError.self) { try JSON(parsing: Array(nested(3).utf8), depth: 2) }
    // Levels that were closed do not count.
    #expect(throws: Never.self) {
        try JSON(parsing: "[" + Array(repeating: "{}", count: 500).joined(separator: ",") + "]")
    }
}

@Test func errorsSayWhere() {
    func message(_ text: String) -> String {
        do {
            _ = try JSON(parsing: text)
            return "none"
        } catch { return error.description }
    }
    #expect(message("[1, x]") == "unexpected byte 0x78 where a value belongs at offset 4")
    #expect(message("[1") == "unexpected end in an array at offset 2")
    #expect(message("{} x") == "unexpected byte 0x78 after the document at offset 3")
    #expect(message("1e999") == "number out of range: 1e999")
}

@Test func valuesAreWrittenInOneFormOnly() throws {
    let text = #"{"b":[1,-2,18446744073709551615,1.5,true,null,{}],"a":"\"\\\n\r\t\u0001\u007f/é"}"#
    let value = try JSON(parsing: text)
    #expect(value.text == text)
    #expect(try JSON(parsing: value.bytes) == value)
    #expect(try JSON(parsing: value.pretty) == value)
    #expect(JSON.number(UInt64.max) == .unsigned(.max))
    #expect(JSON.number(UInt8(3)) == .int(3))
    #expect(JSON.number(Int64.min) == .int(.min))
}

@Test func prettyFormIsTheOneOfInspect() {
    let value = JSON.array([
        .object([.init("a", .array([])), .init("b", .object([])), .init("c", .array([.int(1)]))])
    ])
    #expect(
        value.pretty == """
            [
                {
                    "a": [],
                    "b": {},
                    "c": [
                        1
                    ]
                }
            ]
            """)
}

@Test func membersAreTyped() throws {
    let json = try JSON(
        parsing: #"{"s":"x","i":3,"b":true,"n":null,"l":["a"],"m":{"k":"v"},"bad":[1],"d":1.5}"#)
    #expect(try json.requireString("s") == "x")
    #expect(try json.optionalInt("i") == 3)
    #expect(try json.optionalBool("b") == true)
    #expect(try json.optionalString("n") == nil)
    #expect(try json.stringsOrEmpty("l") == ["a"])
    #expect(try json.mapOrEmpty("m") == ["k": "v"])
    #expect(throws: JSONError("n is missing")) { try json.requireInt("n") }
    #expect(throws: JSONError("i is not a string")) { try json.optionalString("i") }
    #expect(throws: JSONError("d is not an integer")) { try json.requireInt("d") }
    #expect(throws: JSONError("s is not true or false")) { try json.optionalBool("s") }
    #expect(throws: JSONError("bad is not an array of strings")) { try json.stringsOrEmpty("bad") }
    #expect(throws: JSONError("l is not an object")) { try json.mapOrEmpty("l") }
}

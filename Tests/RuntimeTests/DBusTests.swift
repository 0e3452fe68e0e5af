import Testing

@testable import Runtime

private let hello = DBusCall(
    destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus",
    member: "Hello")

@Test func aCallIsWrittenAsTheSpecificationSays() {
    let bytes = hello.bytes(serial: 1)
    let text = String(decoding: bytes.map { $0 == 0 ? UInt8(ascii: ".") : $0 }, as: UTF8.self)
    #expect(
        text == "l\u{1}.\u{1}....\u{1}...m...\u{1}\u{1}o.\u{15}.../org/freedesktop/DBus..."
            + "\u{2}\u{1}s.\u{14}...org.freedesktop.DBus...." + "\u{3}\u{1}s.\u{5}...Hello..."
            + "\u{6}\u{1}s.\u{14}...org.freedesktop.DBus....")
}

@Test func valuesAreAlignedAndCounted() {
    var writer = DBusWriter()
    writer.value(.bool(true))
    writer.value(
        .properties([
            DBusProperty("A", .uint64(7)), DBusProperty("B", .bytes([1, 2, 3])),
            DBusProperty("C", .strings(["x"])),
        ]))
    #expect(
        writer.bytes == [
            1, 0, 0, 0, 70, 0, 0, 0,
            1, 0, 0, 0, 65, 0, 1, 116, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0,
            1, 0, 0, 0, 66, 0, 2, 97, 121, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3, 0,
            0, 0, 0, 0, 1, 0, 0, 0, 67, 0, 2, 97, 115, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 120, 0,
        ])
}

/// A signal as a bus sends it, made by hand.
private func signal() -> [UInt8] {
    var body = DBusWriter()
    for value: DBusValue in [.uint32(9), .objectPath("/job/1"), .string("a.scope"), .string("done")] {
        body.value(value)
    }
    return signal("uoss", body)
}

private func signal(_ signature: String, _ body: DBusWriter) -> [UInt8] {
    var message = DBusWriter()
    for byte: UInt8 in [UInt8(ascii: "l"), 4, 1, 1] { message.number(byte) }
    message.number(UInt32(body.bytes.count))
    message.number(UInt32(77))
    message.array(alignment: 8) { fields in
        let texts: [(UInt8, DBusValue)] = [
            (1, .objectPath("/m")), (2, .string("i.Manager")), (3, .string("JobRemoved")),
            (7, .string(":1.2")),
        ]
        for (code, value) in texts {
            fields.align(8)
            fields.number(code)
            fields.signature(value.signature)
            fields.value(value)
        }
        fields.align(8)
        fields.number(UInt8(8))
        fields.signature("g")
        fields.signature(signature)
    }
    message.align(8)
    return message.bytes + body.bytes
}

/// Anybody on the bus may send one.
@Test func aSignalIsTakenFromItsSenderOnly() throws {
    let message = try DBusMessage(signal()[...])
    #expect(message.isSignal("JobRemoved", of: "i.Manager", from: ":1.2"))
    #expect(!message.isSignal("JobRemoved", of: "i.Manager", from: ":1.3"))
}

@Test func aSignalIsRead() throws {
    let bytes = signal()
    #expect(try DBusMessage.size(bytes[..<16]) == bytes.count)
    let message = try DBusMessage(bytes[...])
    #expect(message.kind == .signal)
    #expect((message.interface, message.member, message.sender) == ("i.Manager", "JobRemoved", ":1.2"))
    #expect(
        message.body == [.uint32(9), .objectPath("/job/1"), .string("a.scope"), .string("done")])
}

@Test func aTextInAVariantIsReadAndOthersEndTheBody() throws {
    var body = DBusWriter()
    body.signature("s")
    body.value(.string("252.1"))
    body.signature("t")
    body.value(.uint64(7))
    let message = try DBusMessage(signal("vv", body)[...])
    #expect(message.body == [.string("252.1")])
}

@Test func aMessageThatIsCutOrDamagedIsRefusedOrReadButNeverTraps() {
    let bytes = signal()
    for end in 0..<bytes.count {
        #expect(throws: DBusError.self) { try DBusMessage(bytes[..<end]) }
    }
    for position in bytes.indices {
        for value: UInt8 in [0, 1, 0x7f, 0x80, 0xff, UInt8(ascii: "B")] {
            var damaged = bytes
            damaged[position] = value
            _ = try? DBusMessage.size(damaged[...])
            _ = try? DBusMessage(damaged[...])
        }
    }
}

@Test func aMessageThatIsTooLongIsRefused() {
    var bytes = signal()
    bytes[7] = 0x7f
    #expect(throws: DBusError.self) { try DBusMessage.size(bytes[...]) }
}

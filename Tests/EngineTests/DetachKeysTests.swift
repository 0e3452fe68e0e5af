import Monitor
import Testing

/// What several reads of a terminal, one after the other, hand on to the container; `<left>` where the client left.
private func filter(_ keys: String, _ reads: String...) -> String {
    var filter = DetachKeys(DetachKeys.parse(keys) ?? [])
    var forward: [UInt8] = []
    for read in reads {
        let (bytes, detached) = filter.filter(Array(read.utf8))
        forward += bytes
        if detached { return String(decoding: forward, as: UTF8.self) + "<left>" }
    }
    return String(decoding: forward, as: UTF8.self)
}

@Test func aSequenceOfKeysDetaches() {
    #expect(filter("ctrl-p,ctrl-q", "ls\n\u{10}\u{11}rest") == "ls\n<left>")
    #expect(filter("ctrl-p,ctrl-q", "\u{10}", "\u{11}") == "<left>")
    #expect(filter("a,b,c", "xab", "c") == "x<left>")
    #expect(filter("", "\u{10}\u{11}") == "\u{10}\u{11}")
}

@Test func theBeginningOfASequenceIsHandedOnWithWhatFollows() {
    #expect(filter("ctrl-p,ctrl-q", "\u{10}x") == "\u{10}x")
    #expect(filter("ctrl-p,ctrl-q", "\u{10}", "\u{10}", "\u{10}\u{11}") == "\u{10}\u{10}<left>")
    #expect(filter("a,b,c", "ab", "abd") == "ababd")
    #expect(filter("a,b,c", "ab") == "")
}

@Test func keysAreWrittenAsDockerWritesThem() {
    #expect(DetachKeys.parse("ctrl-p,ctrl-q") == [16, 17])
    #expect(DetachKeys.parse("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_,A") == [0, 27, 28, 29, 30, 31, 65])
    for wrong in ["ctrl-", "ctrl-1", "ctrl-pp", "ab", ",", "a,", "shift-a"] {
        #expect(DetachKeys.parse(wrong) == nil, "\(wrong)")
    }
}

@Test func whatIsMissedIsCounted() {
    for count: UInt64 in [1, 0xffff_ffff, 0x1_0000_0002, .max] {
        let message = MonitorMessage.missed(bytes: count)
        #expect(MonitorMessage(message.bytes[...]) == message)
    }
    #expect(MonitorMessage([23, 0, 0, 0]) == nil)
}

import Linux
import SystemPackage
import Testing

@testable import Engine

/// Files of a log as its writer leaves them.
private final class LogFiles {
    private let scratch: Scratch
    private var next = 0
    init() throws { scratch = try Scratch() }

    func append(_ count: Int, isWhole: Bool = true) throws {
        let file = try fd().open("log", [.writeOnly, .create, .append], mode: 0o600)
        for _ in 0..<count {
            let end = isWhole ? "\\n" : ""
            let line = "{\"log\":\"\(next)\(end)\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:00Z\"}\n"
            try file.writeAll(Array(line.utf8))
            next += 1
        }
    }

    /// The same number of lines into each of as many files.
    func append(_ count: Int, rotations: Int) throws {
        for _ in 0..<rotations {
            try append(count)
            try rotate(keeping: rotations + 1)
        }
    }

    func rotate(keeping most: Int) throws {
        let directory = try fd()
        for n in stride(from: most - 1, to: 0, by: -1) {
            let from = FilePath(n == 1 ? "log" : "log.\(n - 1)")
            guard try directory.status(of: from) != nil else { continue }
            try directory.rename(from, to: FilePath("log.\(n)"), in: directory)
        }
        try append(0)
    }

    func fd() throws -> FD { try FD.directory(scratch.path) }
    func chain() throws -> LogChain { LogChain(directory: try fd()) }
}

private func numbers(_ chain: inout LogChain) throws -> [Int] {
    var bytes: [UInt8] = []
    while case let more = try chain.readMore(), !more.isEmpty { bytes += more }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap {
        Int($0.split(separator: "\"")[3].prefix { $0.isNumber })
    }
}

@Test func rotatedFilesAreReadInTheirOrder() throws {
    let log = try LogFiles()
    try log.append(10, rotations: 3)
    try log.append(5)
    var chain = try log.chain()
    try chain.refresh()
    #expect(try numbers(&chain) == Array(0..<35))
    #expect(try numbers(&chain) == [])
}

/// What stood before the gap was left out.
@Test(arguments: 0...3) func rotationsThatAreCutOffHideNoLines(gap: Int) throws {
    let log = try LogFiles()
    try log.append(10, rotations: 3)
    try log.append(5)
    let directory = try log.fd()
    for n in (gap...3).reversed() {
        try directory.rename(
            FilePath(n == 0 ? "log" : "log.\(n)"), to: FilePath("log.\(n + 1)"), in: directory)
    }
    var chain = try log.chain()
    try chain.refresh()
    #expect(try numbers(&chain) == Array(0..<35))
    #expect(try numbers(&chain) == [])
    if gap == 0 { try log.append(3) }
    #expect(try numbers(&chain) == (gap == 0 ? [35, 36, 37] : []))
}

@Test func aLogThatIsEmptiedIsReadFromItsBeginning() throws {
    let log = try LogFiles()
    try log.append(10)
    var chain = try log.chain()
    try chain.refresh()
    #expect(try numbers(&chain) == Array(0..<10))
    try log.fd().open("log", .writeOnly).setSize(0)
    try log.append(2)
    #expect(try numbers(&chain) == [10, 11])
}

/// As long as the reader looks before a file has gone, it has all of it.
@Test func whatIsRotatedAwayWhileItIsReadIsReadToItsEnd() throws {
    let log = try LogFiles()
    var chain = try log.chain()
    #expect(try numbers(&chain) == [])
    var seen: [Int] = []
    for round in 0..<40 {
        try log.append(7)
        try log.rotate(keeping: 3)
        try chain.refresh()
        if round % 3 == 0 { seen += try numbers(&chain) }
    }
    try log.append(1)
    seen += try numbers(&chain)
    #expect(seen == Array(0..<281))
}

@Test(arguments: [0, 1, 2, 9, 10, 11, 24, 25, 26, 1000])
func theLastLinesAreFoundFromTheEnd(count: Int) throws {
    let log = try LogFiles()
    try log.append(10, rotations: 2)
    try log.append(5)
    var chain = try log.chain()
    try chain.refresh()
    try chain.skip(toLast: count)
    #expect(try numbers(&chain) == Array(max(0, 25 - count)..<25))
}

@Test func theLastOfManyLinesDoNotNeedTheWholeFile() throws {
    let log = try LogFiles()
    try log.append(20_000)
    var chain = try log.chain()
    try chain.refresh()
    try chain.skip(toLast: 3000)
    #expect(chain.files[0].position > 1 << 20)
    #expect(try numbers(&chain) == Array(17_000..<20_000))
}

@Test func aPieceBelongsToTheLineThatFollowsIt() throws {
    let log = try LogFiles()
    try log.append(3)
    try log.append(2, isWhole: false)
    try log.append(1)
    try log.append(1, isWhole: false)
    for (count, first) in [(1, 6), (2, 3), (3, 2)] {
        var chain = try log.chain()
        try chain.refresh()
        try chain.skip(toLast: count)
        #expect(try numbers(&chain) == Array(first..<7), "\(count)")
    }
}

import Linux
import Network
import OCI
import SystemPackage

/// Answers the names of a container's networks at 127.0.0.11, in the container's network namespace: a part of the
/// session's loop, so that nothing here ever waits. Its port is one that the kernel chose, and what is for port 53 is
/// led there: a container's own server may have 0.0.0.0:53.
final class NameService {
    private let book: NameBook
    private let servers: () -> [HostAddress]
    private let datagrams: FD
    private let door: Door
    private var streams: [NameStream] = []
    private var questions: [ForwardedQuestion] = []
    private var turn = 0
    private var buffer = [UInt8](repeating: 0, count: 65537)

    /// What one container may have under way: sockets of the monitor.
    private static let mostStreams = 16
    private static let mostQuestions = 64
    private static let address: [UInt8] = [127, 0, 0, 11]

    /// Opens its sockets in the network namespace of `process`; the monitor has one thread. `servers` are asked for
    /// each question that no container answers, from the host's namespace.
    init(
        in process: borrowing Pidfd, _ book: NameBook, servers: @escaping () -> [HostAddress]
    ) throws(SysError) {
        (self.book, self.servers) = (book, servers)
        var stream: FD?
        datagrams = try Process.visit(.network, of: process.fd) { () throws(SysError) in
            let datagrams = try Internet.datagrams(at: Self.address)
            let listener = try Internet.listener(at: Self.address)
            try NameRedirection.install(
                address: Self.address, datagrams: datagrams.localPort(), streams: listener.localPort())
            stream = consume listener
            return datagrams
        }
        guard let listener = stream.take() else {
            throw SysError(call: "listen", subject: "name service", errno: .badFileDescriptor)
        }
        door = Door(listener)
    }

    // MARK: in the loop

    /// Where its descriptors stand in a round.
    struct Positions {
        fileprivate var datagrams = 0
        fileprivate var listener: Int?
        fileprivate var streams: [Int] = []
        fileprivate var questions: [Int] = []
    }

    func add(to poll: inout Poll) -> Positions {
        var at = Positions()
        at.datagrams = poll.add(datagrams, .readable)
        if streams.count < Self.mostStreams { at.listener = door.add(to: &poll) }
        at.streams = streams.map { poll.add($0.socket, $0.wanted) }
        at.questions = questions.map { poll.add($0.socket, $0.wanted) }
        return at
    }

    /// How long the loop may wait; -1: for ever.
    var milliseconds: Int32 {
        let ends = questions.map(\.deadline) + streams.map(\.deadline)
        let shut = door.milliseconds
        guard let first = ends.min() else { return shut }
        let left = Int32(clamping: max(0, Int64(((first - .now) / .milliseconds(1)).rounded(.up))))
        return shut < 0 ? left : min(shut, left)
    }

    func step(_ poll: Poll, _ at: Positions) {
        for (question, p) in zip(questions, at.questions) where !poll[p].isEmpty { question.step(&buffer) }
        for (stream, p) in zip(streams, at.streams) where !poll[p].isEmpty { stream.step(&buffer) }
        if !poll[at.datagrams].isEmpty { takeDatagrams() }
        if let p = at.listener, !poll[p].isEmpty, let socket = door.accept() {
            streams.append(NameStream(socket))
        }
        let now = ContinuousClock.now
        for question in questions where !question.isOver && question.deadline <= now { question.askNext() }
        for question in questions where question.isOver { finish(question) }
        questions.removeAll { $0.isOver }
        for stream in streams { takeQuestions(of: stream) }
        streams.removeAll { $0.isGone || $0.deadline <= now }
    }

    // MARK: questions

    /// A few at a time: the container's output is waiting too.
    private func takeDatagrams() {
        for _ in 0..<32 {
            // A failure is of one datagram, such as an answer that found nobody.
            guard let received = try? datagrams.receive(into: &buffer) else { return }
            take(Array(buffer[..<received.count]), .datagram(received.from))
        }
    }

    /// Resolvers send both questions of a name at once: for one that has come already, its socket has no event.
    private func takeQuestions(of stream: NameStream) {
        while !stream.isGone, let message = stream.takeMessage() { take(message, .stream(stream)) }
    }

    private func take(_ message: [UInt8], _ client: NameClient) {
        switch NameQuery.read(message) {
        case .nothing: client.leave()
        case .refused(let answer): reply(answer, to: client)
        case .query(let query):
            turn &+= 1
            do throws(SysError) {
                switch try book.decide(query, turn: turn & 0xffff, isStream: client.isStream) {
                case .answer(let answer): reply(answer, to: client)
                case .forward: forward(message, query, client)
                }
            } catch { reply(query.answer(.serverFailure), to: client) }
        }
    }

    private func forward(_ message: [UInt8], _ query: NameQuery, _ client: NameClient) {
        guard questions.count < Self.mostQuestions else {
            return reply(query.answer(.serverFailure), to: client)
        }
        let question = ForwardedQuestion(message, query, client, servers())
        if question.isOver { finish(question) } else { questions.append(question) }
    }

    private func finish(_ question: ForwardedQuestion) {
        reply(question.answer ?? question.query.answer(.serverFailure), to: question.client)
    }

    private func reply(_ answer: [UInt8], to client: NameClient) {
        switch client {
        case .datagram(let peer): datagrams.send(answer, to: peer)
        case .stream(let stream): stream.send(answer)
        }
    }
}

/// Who asks.
enum NameClient {
    case datagram(Internet.Peer)
    case stream(NameStream)

    var isStream: Bool { if case .stream = self { true } else { false } }

    /// What it sent is no message at all.
    func leave() { if case .stream(let stream) = self { stream.isGone = true } }
}

/// A client's stream: messages with their length in two bytes before them, one under way at a time.
final class NameStream {
    let socket: FD
    var isGone = false
    private(set) var deadline = ContinuousClock.now + .seconds(10)
    private var input: [UInt8] = []
    private var output: ArraySlice<UInt8> = []
    private var isAsking = false

    init(_ socket: consuming FD) { self.socket = socket }

    var wanted: PollEvents { output.isEmpty ? (isAsking ? [] : .readable) : .writable }

    func step(_ buffer: inout [UInt8]) {
        if !output.isEmpty { return write() }
        guard let n = socket.receiveSome(into: &buffer) else { return }
        if n <= 0 { isGone = true } else { input += buffer[..<n] }
    }

    func takeMessage() -> [UInt8]? {
        guard !isAsking, output.isEmpty, input.count >= 2 else { return nil }
        let length = Int(input[0]) << 8 | Int(input[1])
        guard input.count >= 2 + length else { return nil }
        isAsking = true
        defer { input.removeFirst(2 + length) }
        return Array(input[2..<(2 + length)])
    }

    func send(_ message: [UInt8]) {
        isAsking = false
        deadline = .now + .seconds(10)
        output +=
            [UInt8(truncatingIfNeeded: message.count >> 8), UInt8(truncatingIfNeeded: message.count)]
            + message
        write()
    }

    private func write() {
        guard let n = socket.sendSome(output) else { return }
        if n < 0 { isGone = true } else { output = output.dropFirst(n) }
    }
}

/// A question that goes to a server of the host, the way it came: who hears that the answer does not fit into a datagram
/// asks again by a stream. The next server is asked when one says nothing, cannot be reached or has no answer to give.
final class ForwardedQuestion {
    let query: NameQuery
    let client: NameClient
    private(set) var socket = FD(adopting: -1)
    private(set) var deadline = ContinuousClock.now
    /// The last one's excuse, when no server had better.
    private(set) var answer: [UInt8]?
    private(set) var isOver = false
    private var message: [UInt8]
    private let original: [UInt8]
    private var servers: ArraySlice<HostAddress>
    private var output: ArraySlice<UInt8> = []
    private var input: [UInt8] = []
    private let isStream: Bool

    init(_ message: [UInt8], _ query: NameQuery, _ client: NameClient, _ servers: [HostAddress]) {
        (self.query, self.client, self.servers) = (query, client, servers.prefix(3))
        (self.message, original, isStream) = (message, message, client.isStream)
        askNext()
    }

    var wanted: PollEvents { output.isEmpty ? .readable : .writable }

    /// A number that nobody can guess, and a port of its own: a forged answer has to know both.
    func askNext() {
        while let server = servers.popFirst() {
            message.replaceSubrange(0..<2, with: Kernel.random(2))
            // One that cannot be reached is passed over.
            guard let opened = try? Internet.connection(to: server.bytes, port: 53, isStream: isStream) else {
                continue
            }
            socket = opened
            input = []
            let length = [
                UInt8(truncatingIfNeeded: message.count >> 8), UInt8(truncatingIfNeeded: message.count),
            ]
            output = (isStream ? length : [])[...] + message
            deadline = .now + .seconds(2)
            if !isStream { write() }
            return
        }
        isOver = true
    }

    func step(_ buffer: inout [UInt8]) {
        if !output.isEmpty { return write() }
        guard let n = socket.receiveSome(into: &buffer) else { return }
        guard n > 0 else { return askNext() }
        if isStream { takeStream(buffer[..<n]) } else { take(buffer[..<n]) }
    }

    private func takeStream(_ bytes: ArraySlice<UInt8>) {
        input += bytes
        guard input.count >= 2, input.count >= 2 + (Int(input[0]) << 8 | Int(input[1])) else { return }
        take(input[2..<(2 + (Int(input[0]) << 8 | Int(input[1])))])
        // Nobody else can write into a stream: a server that answers something else has nothing better.
        if !isOver, !input.isEmpty { askNext() }
    }

    private func take(_ bytes: ArraySlice<UInt8>) {
        // Another's, or a forged one: the right one may come yet.
        guard isAnswer(Array(bytes), to: message) else { return }
        answer = Array(original.prefix(2)) + bytes.dropFirst(2)
        // SERVFAIL and REFUSED say nothing of the name: another server may know it.
        if saysNothing(Array(bytes)) { askNext() } else { isOver = true }
    }

    private func write() {
        guard let n = socket.sendSome(output) else { return }
        if n < 0 { return askNext() }
        output = output.dropFirst(n)
    }
}

import CLinux
import Linux

@testable import Runtime

/// A script of hostile messages: the first byte says who listens and for what, then come messages, each as its length,
/// the number of descriptors with it, and its bytes. Of length 255 are those that no buffer holds: the next byte many
/// times.
struct ProtocolPart {
    private struct Message {
        let bytes: [UInt8]
        let descriptors: Int
    }

    private let flags: UInt8
    private let rest: [UInt8]
    private let messages: [Message]

    init(_ bytes: [UInt8]) {
        flags = bytes.first ?? 0
        rest = Array(bytes.dropFirst())
        var (left, messages) = (rest[...], [Message]())
        while let length = left.popFirst().map(Int.init) {
            let descriptors = Int(left.popFirst() ?? 0) % 9
            let isLong = length == 255
            let bytes =
                isLong ? [UInt8](repeating: left.popFirst() ?? 0, count: 5000) : Array(left.prefix(length))
            messages.append(Message(bytes: bytes, descriptors: descriptors))
            left = left.dropFirst(isLong ? 0 : length)
        }
        self.messages = messages
    }

    private func has(_ bit: Int) -> Bool { flags >> bit & 1 == 1 }

    func run() {
        for message in messages { read(message.bytes) }
        do {
            switch flags >> 6 {
            case 0, 1: try runParent()
            case 2: runChild()
            default: try runStart()
            }
        } catch {
            report(error)
            guard let code = (error as? RuntimeError)?.exitCode else { return }
            expect([125, 126, 127].contains(code), "a failed start has another exit code")
        }
    }

    private func read(_ bytes: [UInt8]) {
        guard let message = SyncMessage(bytes) else { return }
        expect(SyncMessage(message.bytes) != nil, "a message that was understood cannot be written")
        if case .failed = message { return }  // its text is made UTF-8
        expect(message.bytes == bytes, "two messages are understood as the same")
    }

    /// The child's words over a socket, then its end. The parent does each of its acts at most once, and keeps no
    /// descriptor but the terminal's.
    private func runParent() throws {
        let pair = try MessagePair()
        let pipe = try Pipe()
        try pair.theirs.setNonBlocking(true)
        for message in messages {
            let copies = [CInt](repeating: pipe.write.raw, count: min(message.descriptors, 8))
            // A socket that is full takes no more, which is as good a place to end.
            guard cl_send_fds(pair.theirs.raw, message.bytes, message.bytes.count, copies, copies.count) >= 0
            else { break }
        }
        let watch = pipe.takeRead()
        defer { expect(isClosed(watch), "a child's descriptor stays open") }
        try listen(pair.keepOurs())
    }

    /// A test beside this one that starts a program holds a copy until its exec.
    private func isClosed(_ read: borrowing FD) -> Bool {
        var poll = Poll()
        poll.add(read, .readable)
        for _ in 0..<5 {
            // An interrupted wait tells nothing.
            if (try? poll.wait(milliseconds: 1000)) == 1 { return poll[0].contains(.hungUp) }
        }
        return false
    }

    private func listen(_ socket: consuming FD) throws {
        let requests = Int(flags >> 4 & 3)
        let dialogue = SyncDialogue(
            requests: requests, hasTerminal: has(0), notifies: has(1), runsHooks: has(2),
            waitsForStart: has(3))
        var acts: [SyncDialogue.Act] = []
        let console = try Runtime.listen(to: socket, dialogue) { act throws(RuntimeError) in acts.append(act)
        }
        expect((console.raw != nil) == has(0), "a start without its terminal")
        expect(acts.filter { $0 == .runHooks }.count == (has(2) ? 1 : 0), "hooks run not once")
        var (last, handed) = (-1, 0)
        for act in acts {
            switch act {
            case .sendTree(let number):
                expect(number > last && number < requests, "a tree is sent twice, or one that is not there")
                last = number
            case .handOver: handed += 1
            case .runHooks, .keepConsole, .end: break
            }
        }
        expect(handed == (has(1) ? 1 : 0), "a supervisor is told not once")
    }

    /// The parent's words, for a child that awaits them in its order.
    private func runChild() {
        var (words, left) = (ParentWords(), messages[...])
        for word in [SyncMessage.placed, .tree, .tree, .go] {
            guard !words.has(word) else { continue }
            var (isThere, heard): (Bool?, Int) = (false, 0)
            while isThere == false {
                guard let message = left.popFirst() else { return }
                let hasDescriptor = message.descriptors > 0
                isThere = words.hear(message.bytes, hasDescriptor: hasDescriptor, awaiting: word)
                heard += 1
            }
            expect(heard <= 2, "a child listens on and on")
            if isThere == nil { return }
        }
    }

    /// What a process that waited for its start leaves in its FIFO.
    private func runStart() throws {
        let pipe = try Pipe()
        try pipe.write.setNonBlocking(true)
        // As above: a pipe that is full takes no more.
        _ = rest.withUnsafeBytes { cl_write(pipe.write.raw, $0.baseAddress, $0.count) }
        let answer = try StartGate.awaitEnd(of: pipe.takeRead())
        expect(answer.count <= 8192 && rest.starts(with: answer), "an answer is not what was said")
        if let failure = StartGate.failure(answer) { throw failure }
        expect(answer.isEmpty, "a failure is lost")
    }
}

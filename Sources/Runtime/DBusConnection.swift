import Linux
import SystemPackage

/// A connection to the system's message bus, for a handful of calls: EXTERNAL authentication, one call at a time.
final class DBusConnection {
    private static let address: FilePath = "/run/dbus/system_bus_socket"
    private let socket: FD
    private var serial: UInt32 = 0
    private var buffer: [UInt8] = []
    private let deadline: Timestamp
    /// Signals that came while an answer was awaited.
    private var signals: [DBusMessage] = []

    /// Connects; all that is done with it has to end within `seconds`.
    init(seconds: Int64 = 30) throws(RuntimeError) {
        let now = Timestamp.sinceBoot()
        deadline = Timestamp(seconds: now.seconds + seconds, nanoseconds: now.nanoseconds)
        do throws(SysError) {
            socket = try FD.connectStream(to: Self.address)
        } catch {
            throw RuntimeError(
                "unable to reach systemd: \(error) (the systemd cgroup driver needs systemd and its message bus)"
            )
        }
        try authenticate()
        _ = try call(Self.bus("Hello"))
    }

    /// A call of the bus itself.
    static func bus(_ member: String, _ arguments: DBusValue...) -> DBusCall {
        DBusCall(
            destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus", member: member, arguments: arguments)
    }

    /// Calls a method and waits for its answer. An error of the other side is thrown with its name.
    func call(_ call: DBusCall) throws(RuntimeError) -> [DBusValue] {
        serial += 1
        let own = serial
        try send(call.bytes(serial: own))
        while true {
            let message = try receive()
            guard message.replySerial == own, message.kind != .signal else {
                if message.kind == .signal { signals.append(message) }
                continue
            }
            guard message.kind == .error else { return message.body }
            var text = ""
            if case .string(let words)? = message.body.first { text = words }
            throw RuntimeError("\(text) (\(message.errorName))")
        }
    }

    /// The unique name, which the bus gives and puts into messages, of the owner of another one.
    func owner(of name: String) throws(RuntimeError) -> String {
        guard case .string(let owner)? = try call(Self.bus("GetNameOwner", .string(name))).first else {
            throw RuntimeError("the bus names no owner of \(name)")
        }
        return owner
    }

    /// Waits for the next signal of this name from this sender: anybody on the bus may send one to us.
    func signal(
        _ member: String, of interface: String, from sender: String
    ) throws(RuntimeError) -> [DBusValue] {
        while true {
            let message = signals.isEmpty ? try receive() : signals.removeFirst()
            if message.isSignal(member, of: interface, from: sender) { return message.body }
        }
    }

    /// SASL EXTERNAL: the socket's credentials say who we are (D-Bus specification, "Authentication protocol").
    private func authenticate() throws(RuntimeError) {
        let user = String(Process.effectiveUser).utf8.map { String($0, radix: 16) }.joined()
        try send([0] + Array("AUTH EXTERNAL \(user)\r\n".utf8))
        while !buffer.contains(UInt8(ascii: "\n")) {
            guard buffer.count < 1024 else {
                throw RuntimeError("unable to reach systemd: the bus answers nonsense")
            }
            try readMore()
        }
        let line = String(decoding: buffer.prefix { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
        guard line.hasPrefix("OK ") else {
            throw RuntimeError("unable to reach systemd: the bus does not accept us: \(line)")
        }
        buffer.removeAll()
        try send(Array("BEGIN\r\n".utf8))
    }

    private func receive() throws(RuntimeError) -> DBusMessage {
        do throws(DBusError) {
            while buffer.count < DBusMessage.headerSize { try readSome() }
            let size = try DBusMessage.size(buffer[...])
            while buffer.count < size { try readSome() }
            let message = try DBusMessage(buffer[..<size])
            buffer.removeFirst(size)
            return message
        } catch {
            throw RuntimeError("unable to talk to systemd: \(error)")
        }
    }

    private func readSome() throws(DBusError) {
        do throws(RuntimeError) { try readMore() } catch { throw DBusError("\(error)") }
    }

    private func readMore() throws(RuntimeError) {
        try wait(.readable)
        var chunk = [UInt8](repeating: 0, count: 4096)
        // Typed throws do not pass through withUnsafeMutableBytes.
        var result = Result<Int, SysError>.success(0)
        chunk.withUnsafeMutableBytes { bytes in
            do throws(SysError) { result = .success(try socket.read(into: bytes)) } catch {
                result = .failure(error)
            }
        }
        switch result {
        case .success(0): throw RuntimeError("the bus has closed the connection")
        case .success(let count): buffer += chunk[..<count]
        case .failure(let error): throw RuntimeError("unable to talk to systemd: \(error)")
        }
    }

    private func send(_ bytes: [UInt8]) throws(RuntimeError) {
        do throws(SysError) { try socket.writeAll(bytes) } catch {
            throw RuntimeError("unable to talk to systemd: \(error)")
        }
    }

    private func wait(_ events: PollEvents) throws(RuntimeError) {
        while true {
            let left = deadline.elapsed(since: .sinceBoot())
            guard left > 0 else { throw RuntimeError("no answer in time") }
            var poll = Poll()
            poll.add(socket, events)
            do throws(SysError) {
                if try poll.wait(milliseconds: Int32(left * 1000) + 1) > 0 { return }
            } catch {
                throw RuntimeError("\(error)")
            }
        }
    }
}

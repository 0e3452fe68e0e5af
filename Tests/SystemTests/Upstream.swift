import Support
import Testing

/// A name server that the host's containers may ask: at 192.0.2.x on the other end of the wire, or on the host itself.
/// Its answer to every question for an IPv4 address is its own number, 203.0.113.x.
struct Upstream {
    static let isReady = Host.has("/usr/bin/python3")
    static let reason: Comment = "the server is in Python"

    enum Manner: String {
        case answers
        /// It takes questions and says nothing.
        case silent
        /// SERVFAIL and REFUSED.
        case fails, refuses
        /// What does not fit: the answer is to be had by a stream.
        case cut
        /// First it sends answers to other questions and with other numbers.
        case forged
        /// By a stream, each byte for itself.
        case slow
    }

    let address: String
    private let log: String

    /// `last` is the address's last number; on the host it is 127.0.0.53.
    init(_ apus: Engine, _ manner: Manner, last: Int = 2, onHost: Bool = false) throws {
        address = onHost ? "127.0.0.53" : "192.0.2.\(last)"
        log = "\(apus.directory)/asked-\(address)"
        let path = try apus.write("upstream.py", Self.program)
        let own = onHost || last == 2 ? "" : "ip addr add \(address)/24 dev wire1;"
        let script =
            "\(own) python3 \(path) \(manner.rawValue) \(address) \(last) \(log) </dev/null >\(log).err 2>&1 &"
        if onHost { try apus.shell(script) } else { _ = try apus.neighbour(script) }
        // Made when both sockets are there.
        let log = log
        guard eventually(within: 10, { readFile(log) != nil }) else {
            throw Trouble(because: "the name server does not start: \(readFile(log + ".err") ?? "")")
        }
    }

    /// What it was asked: `udp NUMBER PORT NAME`.
    var asked: [String] { (readFile(log) ?? "").split(separator: "\n").map(String.init) }

    private static let program = #"""
        import os, socket, sys, threading, time
        manner, address, last, log = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind((address, 53))
        t = socket.socket(); t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        t.bind((address, 53)); t.listen(16)
        out = open(log, "a", 1)

        def leave():
            # With the directory of its test.
            while os.path.exists(log): time.sleep(0.2)
            os._exit(0)
        threading.Thread(target=leave, daemon=True).start()

        def note(how, m, port):
            labels, at = [], 12
            while m[at]:
                labels.append(m[at + 1:at + 1 + m[at]].decode()); at += 1 + m[at]
            out.write("%s %d %d %s\n" % (how, m[0] << 8 | m[1], port, ".".join(labels)))

        def answer(m, error=0, cut=False, isEmpty=False):
            end = m.index(0, 12) + 5
            isAddress = m[end - 3] == 1 and not (error or cut or isEmpty)
            head = m[:2] + bytes([0x81 | (2 if cut else 0), 0x80 | error, 0, 1, 0, 1 if isAddress else 0, 0, 0, 0, 0])
            record = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + bytes([203, 0, 113, last])
            return head + m[12:end] + (record if isAddress else b"")

        def streams():
            while True:
                c, a = t.accept()
                threading.Thread(target=stream, args=(c, a), daemon=True).start()

        def stream(c, a):
            f = c.makefile("rb")
            while True:
                length = f.read(2)
                if len(length) < 2: return c.close()
                m = f.read(length[0] << 8 | length[1])
                note("tcp", m, a[1])
                if manner == "silent": continue
                r = answer(m, error={"fails": 2, "refuses": 5}.get(manner, 0))
                r = bytes([len(r) >> 8, len(r) & 255]) + r
                if manner != "slow": c.sendall(r); continue
                c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for byte in r: c.sendall(bytes([byte])); time.sleep(0.001)

        threading.Thread(target=streams, daemon=True).start()
        while True:
            m, a = u.recvfrom(4096)
            note("udp", m, a[1])
            if manner == "silent": continue
            if manner == "forged":
                other = answer(m)
                u.sendto(bytes([m[0] ^ 1]) + other[1:-1] + b"\x63", a)
                u.sendto(other[:12] + b"\1x" + other[12:], a)
            u.sendto(answer(m, error={"fails": 2, "refuses": 5}.get(manner, 0), cut=manner in ("cut", "slow")), a)
        """#
}

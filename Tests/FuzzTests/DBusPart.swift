@testable import Runtime

/// A stream of messages, taken apart as `DBusConnection` does it.
enum DBusPart {
    static func run(_ bytes: [UInt8]) {
        var rest = bytes[...]
        do {
            while rest.count >= DBusMessage.headerSize {
                let size = try DBusMessage.size(rest)
                expect(size >= DBusMessage.headerSize, "a message is shorter than its header")
                guard rest.count >= size else { break }
                let message = try DBusMessage(rest.prefix(size))
                expect(message.body.count <= size, "a message holds more than it is long")
                rest = rest.dropFirst(size)
            }
        } catch { report(error) }
        // Whatever its length says: a message is not read beyond its end.
        do { _ = try DBusMessage(bytes[...]) } catch { report(error) }
    }
}

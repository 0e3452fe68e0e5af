import Linux
import SystemPackage

/// Where a monitor's clients come in: one socket for all runs of its container.
final class Reception {
    let socket: FD

    init(in runDirectory: borrowing FD) throws(SysError) {
        socket = try runDirectory.listenForMessages(at: "attach")
    }

    /// Those that wait now.
    func arrivals() -> [Client] {
        var clients: [Client] = []
        while let socket = socket.acceptClient() {
            // The directory is 0700 and the socket 0600; this is the second lock on the door. Unknown is refused.
            guard (try? socket.peerUser()) == Process.effectiveUser else { continue }
            clients.append(Client(socket))
        }
        return clients
    }
}

/// The time between two runs of a container: its monitor waits, and hears what commands want.
struct RestartWait {
    private let reception: Reception
    private let perform: (ControlRequest, Client) -> MonitorMessage
    private let onLeave: (Client) -> Void
    private(set) var clients: [Client] = []

    init(
        _ reception: Reception, onLeave: @escaping (Client) -> Void,
        perform: @escaping (ControlRequest, Client) -> MonitorMessage
    ) {
        (self.reception, self.onLeave, self.perform) = (reception, onLeave, perform)
    }

    /// Until the time is up, or a command has another wish.
    mutating func run(milliseconds: Int32, isOver: () -> Bool) throws(SysError) {
        let end = ContinuousClock.now + .milliseconds(milliseconds)
        var poll = Poll()
        while !isOver() {
            let left = (end - ContinuousClock.now) / .milliseconds(1)
            guard left > 0 else { return }
            poll.reset()
            let door = poll.add(reception.socket, .readable)
            let places = clients.map { poll.add($0.socket, .readable) }
            _ = try poll.wait(milliseconds: Int32(left.rounded(.up)))
            for (client, place) in zip(clients, places) where !poll[place].isEmpty { serve(client) }
            clients.removeAll { $0.isGone }
            if !poll[door].isEmpty { clients += reception.arrivals() }
        }
    }

    private func serve(_ client: Client) {
        guard let message = client.receive() else {
            if client.isGone { onLeave(client) }
            return
        }
        switch message {
        case .hello(let streams, _):
            client.streams = streams
            client.sendLast(.started(pid: 0))
        case .control(let request): client.sendLast(perform(request, client))
        case .stdin, .stdinEnd, .resize, .signal: break  // there is no process
        }
    }
}

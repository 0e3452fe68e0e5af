import Linux
import SystemPackage

/// Where a monitor's clients come in: one socket for all runs of its container.
final class Reception {
    let door: Door

    init(in runDirectory: borrowing FD) throws(SysError) {
        door = Door(try runDirectory.listenForMessages(at: "attach"))
    }

    /// Those that wait now.
    func arrivals() -> [Client] {
        var clients: [Client] = []
        while let socket = door.accept() {
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
            let door = reception.door.add(to: &poll)
            let places = clients.map { poll.add($0.socket, .readable) }
            let pause = reception.door.milliseconds
            _ = try poll.wait(
                milliseconds: pause < 0 ? Int32(left.rounded(.up)) : min(pause, Int32(left.rounded(.up))))
            for (client, place) in zip(clients, places) where !poll[place].isEmpty { serve(client) }
            for client in clients where client.isGone { onLeave(client) }
            clients.removeAll { $0.isGone }
            if let door, !poll[door].isEmpty {
                clients += reception.arrivals()
                if reception.door.isShut { clients.removeAll { $0.streams == nil } }
            }
        }
    }

    private func serve(_ client: Client) {
        switch client.receive() {
        case .hello(let streams, _):
            client.streams = streams
            client.sendLast(.started(pid: 0))
        case .control(let request): client.sendLast(perform(request, client))
        case .stdin, .stdinEnd, .resize, .signal, nil: break  // there is no process
        }
    }
}

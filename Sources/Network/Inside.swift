public import Linux
import SystemPackage

/// A visit to a container's network namespace; the process has one thread, so all of it goes.
enum Inside {
    /// Runs `body` there and comes back, also after an error. When coming back fails the process must end.
    static func visit<R: ~Copyable>(
        _ pidfd: borrowing Pidfd, _ body: () throws(SysError) -> R
    ) throws(SysError) -> R {
        try Process.visit(.network, of: pidfd.fd, body)
    }

    /// What every container gets, as docker gives it: ping and low ports without privilege.
    static func allowUnprivileged() throws(SysError) {
        try setSysctl("ipv4/ping_group_range", "0 2147483647", optional: true)
        try setSysctl("ipv4/ip_unprivileged_port_start", "0", optional: true)
    }

    /// Where the network has no IPv6 the link has none either; a container never believes a router that claims to
    /// offer it.
    static func setIPv6(_ isOn: Bool, on link: String) throws(SysError) {
        try setSysctl("ipv6/conf/\(link)/accept_ra", "0", optional: true)
        try setSysctl("ipv6/conf/\(link)/disable_ipv6", isOn ? "0" : "1", optional: !isOn)
    }
}

/// `--network none`: only the loopback link, set up.
public func configureLoopbackOnly(_ pidfd: borrowing Pidfd) throws(NetworkError) {
    do throws(SysError) {
        try Inside.visit(pidfd) { () throws(SysError) in
            try Inside.allowUnprivileged()
            var socket = try NetlinkSocket(.route)
            try socket.transact([Route.raise("lo")])
        }
    } catch {
        throw NetworkError("set up the container's loopback: \(error)")
    }
}

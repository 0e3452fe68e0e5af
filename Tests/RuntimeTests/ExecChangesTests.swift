import OCI
import Testing

@testable import Runtime

private func user(_ text: String) throws -> RuntimeSpec.User {
    var first = RuntimeSpec.Process()
    (first.user.uid, first.user.gid) = (7, 8)
    var changes = ExecChanges()
    changes.user = text
    return try changes.applied(to: first).user
}

@Test func usersOfFurtherProcessesAreNumbers() throws {
    #expect(try user("1000").uid == 1000 && user("1000").gid == 8)
    let both = try user("4294967294:2147483648")
    #expect(both.uid == 4_294_967_294 && both.gid == 2_147_483_648)
    #expect(try user("007:0").uid == 7)
}

/// What was no number became another user, mostly root (CVE-2026-30892); what wraps or means "do not change" to the
/// kernel did so too (CVE-2024-40635).
@Test(arguments: [
    "", ":", "1:", ":1", "1:2:3", " 1", "1 ", "1\n", "+0", "-1", "-0", "0x0", "1e3", "1.0", "root", "0:root",
    "١",
    "4294967295", "4294967296", "0:4294967295", "18446744073709551616",
])
func cve_2026_30892_whatIsNoUserIsRefused(text: String) {
    #expect(throws: RuntimeError.self, "\(text)") { try user(text) }
}

import Linux
import OCI
import SystemPackage

@testable import Runtime

/// The documents beside config.json; the same bytes are tried as each of them.
enum DocumentsPart {
    static func run(_ bytes: [UInt8]) {
        readUsers(bytes)
        do {
            let json = try JSON(parsing: bytes)
            expect((try? JSON(parsing: json.bytes)) == json, "a document cannot be read back")
            expect((try? JSON(parsing: json.pretty)) == json, "a document cannot be read back when indented")
            attempt { try readProcess(json) }
            attempt { try readResources(json) }
            attempt { try readRecord(json) }
        } catch { report(error) }
    }

    private static func attempt(_ body: () throws -> Void) {
        do { try body() } catch { report(error) }
    }

    private static func readProcess(_ json: JSON) throws {
        let process = try RuntimeSpec.Process(json)
        expect(try RuntimeSpec.Process(JSON(parsing: process.json.bytes)) == process, "a process is lost")
        var changes = ExecChanges()
        (changes.args, changes.env, changes.user) = (["a"], process.env, process.cwd)
        changes.capabilities = process.capabilities?.bounding ?? []
        attempt { _ = try changes.applied(to: process) }
        try process.check()
        var facts = CreateFacts(
            credentials: Credentials(uid: process.user.uid, gid: process.user.gid),
            stdio: .terminal(nil), seccomp: .unconfined, keyringName: nil)
        facts.lastCapability = 40
        let plan = try planExec(process, facts)
        expect(plan.steps.last == .execute, "the last step is not the exec")
    }

    private static func readResources(_ json: JSON) throws {
        let resources = try RuntimeSpec.Resources(json)
        let again = try RuntimeSpec.Resources(JSON(parsing: resources.json.bytes))
        expect(again == resources, "resources are lost")
        let all: Set = ["cpu", "cpuset", "io", "memory", "pids", "hugetlb", "rdma", "misc"]
        var facts = LimitFacts(available: all, hosts: all, defaults: [])
        for limit in [Int64.min, -1, 0, 1, .max] {
            (facts.memoryLimit, facts.isIdle) = (limit, limit < 0)
            attempt { _ = systemdProperties(try planLimits(resources, facts).rounded().writes) }
        }
        _ = DeviceFilter(resources.devices).program
    }

    private static func readRecord(_ json: JSON) throws {
        let record = try ContainerRecord(json)
        _ = FilePath(record.bundle).pushing(FilePath(record.rootfs))
        for status in [ContainerState.Status.creating, .running, .stopped] {
            let text = record.state(status, pid: record.pid).json().text
            expect((try? JSON(parsing: text)) != nil, "a state cannot be read back")
        }
        expect(try ContainerRecord(record.json) == record, "a record cannot be read back")
    }

    /// The files of an image.
    private static func readUsers(_ bytes: [UInt8]) {
        let database = UserDatabase(passwd: bytes, group: bytes)
        let name = String(decoding: bytes.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self)
        for user in ["0", "1000:0", name, name + ":" + name] {
            attempt { _ = try database.resolve(user, additional: [name]) }
        }
        expect(!database.home(of: 0).isEmpty, "a user has no home")
        _ = IDMap(reading: String(decoding: bytes, as: UTF8.self)).outside(0)
    }
}

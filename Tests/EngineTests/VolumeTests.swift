import Linux
import Monitor
import OCI
import SystemPackage
import Testing

@testable import Engine

@Suite struct VolumeTests {
    private func withStore(_ body: (VolumeStore) throws -> Void) throws {
        let scratch = try Scratch()
        try withExtendedLifetime(scratch) { try body(VolumeStore(paths: scratch.paths)) }
    }

    private func backing(_ options: [String: String]) throws(UsageError) -> VolumeBacking {
        try VolumeBacking(options)
    }

    @Test func driverOptionsBecomeAMount() throws {
        #expect(try backing([:]) == .directory)
        #expect(
            try backing(["type": "none", "o": "bind,ro", "device": "/a/../b"]) == .bind("/b", ["bind", "ro"]))
        #expect(try backing(["type": "tmpfs", "device": "tmpfs", "o": "size=1m"]) == .tmpfs(["size=1m"]))
        #expect(try backing(["type": "tmpfs", "device": "tmpfs"]) == .tmpfs([]))
    }

    @Test(arguments: [
        (["foo": "1"], "invalid option: \"foo\""), (["type": "tmpfs"], "missing required option: \"device\""),
        (["device": "tmpfs"], "missing required option: \"type\""),
        (["o": "ro"], "missing required option: \"device\""),
        (["size": "1m"], "quota size requested but no quota support"),
        (["type": "none", "o": "bind", "device": "rel"], "device \"rel\" is not an absolute path"),
        (["type": "none", "o": "bind,suid", "device": "/a"], "invalid option of a bind: \"suid\""),
        (["type": "tmpfs", "device": "tmpfs", "o": "x"], "invalid tmpfs option [\"x\"]"),
        (
            ["type": "nfs", "o": "addr=1.2.3.4", "device": ":/x"],
            "a volume of type nfs is not supported: mount it on the host and name its directory "
                + "(type=none,o=bind,device=PATH)"
        ),
        (
            ["type": "ext4", "device": "/dev/sda1"],
            "a volume of type ext4 is not supported: use type=tmpfs, or type=none with o=bind"
        ),
    ])
    func refusesOptions(options: [String: String], why: String) {
        #expect(throws: UsageError(why)) { try backing(options) }
    }

    /// A source whose name only begins like it has none.
    @Test func devicesOfABindWorkBelowDevOnly() throws {
        let scratch = try Scratch()
        let id = String(repeating: "ab", count: 32)
        var image = ImageConfig(platform: Platform(architecture: "amd64"))
        image.process.cmd = ["sh"]
        var options = RunOptions(image: "busybox")
        options.host.mounts = ["/dev/missing-here", "/development-missing"].map { source in
            var bind = MountOption.Bind(source)
            bind.makesSource = true
            return MountOption(.bind(bind), target: "/a" + source)
        }
        let config = try ContainerConfig(
            id: id, name: "box", created: .now(), image: try #require(Digest(hex: id)), config: image,
            options: options)
        let plan = try Volumes(scratch.paths).plan(config)
        #expect(plan.made == ["directory /dev/missing-here", "directory /development-missing"])
        let safe = plan.prepared.mounts.filter { Set(["nodev", "nosuid"]).isSubset(of: $0.options) }
        #expect(safe.map(\.source) == ["/development-missing"])
    }

    @Test func aVolumeIsMadeOnceAndKeepsItsRecord() throws {
        try withStore { store in
            var record = VolumeRecord("data", created: Timestamp(seconds: 1_700_000_000))
            record.labels = ["a": "b"]
            #expect(try store.hold(record).isNew)
            let again = try store.hold(VolumeRecord("data", created: .now()))
            #expect(!again.isNew && again.record == record)
            #expect(try store.read("data") == record && store.names() == ["data"])
            let document = record.document(mountpoint: "/m")
            #expect(document["Labels"]?["a"]?.string == "b" && document.text.contains("\"Options\":null"))
            #expect(document["CreatedAt"]?.string?.hasPrefix("2023-11-1") == true)
        }
    }

    @Test func aDirectoryWithoutARecordIsAVolume() throws {
        try withStore { store in
            let id = String(repeating: "ab", count: 32)
            for name in ["old", id] {
                _ = try FD.directory(store.mountpoint(name), make: true)
                #expect(try store.read(name)?.isAnonymous == (name == id))
            }
            #expect(try !store.hold(VolumeRecord("old", created: .now())).isNew)
        }
    }

    @Test func aDamagedRecordHurtsNoOther() throws {
        try withStore { store in
            _ = try store.hold(VolumeRecord("good", created: .now()))
            _ = try store.hold(VolumeRecord("worse", created: .now()))
            try FD.open(store.paths.volumes.appending("worse"), [.readOnly, .directory])
                .replace("volume.json", with: Array("{".utf8))
            let catalog = VolumeCatalog(paths: store.paths)
            let (volumes, damaged) = try catalog.list(VolumeFilters())
            #expect(volumes.map(\.name) == ["good"] && damaged.count == 1)
            #expect(damaged.first?.hasPrefix("volume worse is damaged: volume.json: ") == true)
            #expect(try catalog.remove("worse", force: false))
            #expect(try store.names() == ["good"])
        }
    }

    /// Whoever makes a container with a volume and whoever removes that volume with another one do not meet.
    @Test func aNamelessVolumeGoesWithItsLastContainer() throws {
        try withStore { store in
            let containers = try FD.directory(store.paths.containers, make: true)
            let ids = ["11", "22"].map { String(repeating: $0, count: 32) }
            for id in ids { try containers.makeDirectory(FilePath(id)) }
            let name = String(repeating: "cd", count: 32)
            let record = VolumeRecord(name, created: .now(), isAnonymous: true)
            for id in ids { _ = try store.hold(record, user: id) }
            let volumes = try FD.open(store.paths.volumes, [.readOnly, .directory])
            func remove(_ id: String) throws {
                try containers.remove(FilePath(id), directory: true)
                try AnonymousVolumes.remove(FilePath(name), of: id, in: volumes, containers: containers)
            }
            try remove(ids[0])
            #expect(try store.names() == [name])
            try remove(ids[1])
            #expect(try store.names().isEmpty)
            try AnonymousVolumes.remove(FilePath(name), of: ids[1], in: volumes, containers: containers)
        }
    }

    @Test func whatCutCommandsLeftIsSweptByThePrune() throws {
        try withStore { store in
            _ = try FD.directory(store.paths.containers, make: true)
            for name in [".new-1/_data", ".removing-x/_data"] {
                _ = try FD.directory(store.paths.volumes.appending(name), make: true)
            }
            #expect(try store.names().isEmpty)
            _ = try VolumeCatalog(paths: store.paths).prune(isDryRun: false)
            let left = try FD.open(store.paths.volumes, [.readOnly, .directory]).entries()
            #expect(left.isEmpty)
        }
    }

    @Test func filtersAreChecked() throws {
        var filters = VolumeFilters()
        for text in ["dangling=maybe", "color=red", "name=(", "dangling"] {
            #expect(throws: UsageError.self) { try filters.add(text) }
        }
        try filters.add("name=^da")
        try filters.add("label=a=b")
        var record = VolumeRecord("data", created: .zero)
        #expect(!filters.holds(record, isUsed: false))
        record.labels = ["a": "b"]
        #expect(filters.holds(record, isUsed: false))
        try filters.add("dangling=false")
        #expect(!filters.holds(record, isUsed: false) && filters.holds(record, isUsed: true))
        try filters.add("driver=other")
        #expect(!filters.holds(record, isUsed: true))
    }

    @Test func theTableIsDockers() throws {
        let listing = VolumesView.listing([VolumeSummary(name: "data", mountpoint: "/m", labels: ["a": "b"])])
        #expect(try listing.render(format: nil) == "DRIVER    VOLUME NAME\nlocal     data\n")
        #expect(
            try listing.render(format: "json")
                == #"{"Availability":"N/A","Driver":"local","Group":"N/A","Labels":"a=b","Links":"N/A","#
                + #""Mountpoint":"/m","Name":"data","Scope":"local","Size":"N/A","Status":"N/A"}"# + "\n")
        #expect(try listing.render(format: #"{{.Name}} {{.Label "a"}}"#) == "data b\n")
    }
}

import Support
import Testing

/// A disk without a free block and one without a free inode, mounted inside the enclosure only: what looks at things and
/// what removes them works.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class NoRoomTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: false) }
    deinit { apus.tearDown() }

    /// How the root is made, and how it is filled to the last again and again.
    struct Disk: Sendable, CustomStringConvertible {
        let description: String
        let mount: String
        let fill: String
    }
    private static let names = """
        mkdir -p "$APUS_ROOT/full"; i=$(ls "$APUS_ROOT/full" | wc -l)
        while : 2> /dev/null > "$APUS_ROOT/full/$i"; do i=$((i+1)); done; true
        """
    static let disks = [
        Disk(
            description: "no blocks",
            mount: "truncate -s 32M disk && mkfs.ext4 -q -m 0 disk && mount -o loop disk \"$APUS_ROOT\"",
            fill: """
                mkdir -p "$APUS_ROOT/full"; head -c 40M /dev/urandom >> "$APUS_ROOT/full/large"; sync
                i=0; while head -c 4000 /dev/urandom >> "$APUS_ROOT/full/$i"; do i=$((i+1)); done; true
                """),
        Disk(
            description: "no inodes",
            mount:
                "truncate -s 32M disk && mkfs.ext4 -q -m 0 -N 256 disk && mount -o loop disk \"$APUS_ROOT\"",
            fill: names),
        Disk(
            description: "no inodes in memory",
            mount: "mount -t tmpfs -o size=64M,nr_inodes=300 none \"$APUS_ROOT\"", fill: names),
    ]

    @Test(arguments: disks) func lookingAndRemovingWorkWithoutRoom(disk: Disk) throws {
        func run(_ script: String) throws {
            let outcome = try StoreSweep.shell(script, apus)
            if outcome.code != 0 { throw Trouble(because: "\(script): \(outcome)") }
        }
        try run("mkdir -p \"$APUS_ROOT\" && \(disk.mount) && chmod 700 \"$APUS_ROOT\"")
        try run(StoreWork.files)
        try run(StoreWork.images)
        try run(
            """
            apus load -q -i two.tar.gz && apus tag two again && apus import extra.tar && apus import base.tar base &&
            apus create --name box --network none two true && apus build -q -t made context && apus rmi made
            """)
        for words in [
            ["ps", "-a"], ["images"], ["system", "df"], ["system", "df", "-v"], ["rmi", "again"],
            ["rm", "box"],
            ["rmi", "two"], ["image", "prune", "-f"], ["rmi", "base"], ["builder", "prune", "-af"],
            ["container", "prune", "-f"], ["system", "prune", "-af"],
        ] {
            _ = try apus.shell(disk.fill)
            let outcome = try apus.apus(words)
            #expect(outcome.code == 0 && outcome.err.isEmpty, "\(words): \(outcome)")
        }
        #expect(try apus.must("images", "-q").isEmpty && apus.must("ps", "-aq").isEmpty)
        _ = try apus.shell(disk.fill)
        let load = try apus.apus(["load", "-i", apus.directory + "/two.tar.gz"])
        #expect(
            load.code == 1 && load.errorLines.count == 1 && load.err.contains("No space left"), "\(load)")
        #expect(try apus.must("images", "-q").isEmpty)
        try run("rm -r \"$APUS_ROOT/full\"; apus load -q -i two.tar.gz && apus system check")
        #expect(try apus.shell("ls -A \"$APUS_ROOT/staging\"").text.isEmpty)
    }
}

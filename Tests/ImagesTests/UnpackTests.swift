import Images
import Linux
import OCI
import Support
import SystemPackage
import Testing

/// Hostile layer tars: the corpus of 86 cases, by their numbers, and what must become of each.
@Suite(.enabled(if: isRoot, "unpacking sets owners and makes devices"))
struct UnpackTests {
    @Test("is refused, and leaves nothing behind", arguments: HostileImage.refused)
    func isRefused(_ test: HostileImage) throws {
        try withScratch { scratch in
            let store = try ImageStore(root: scratch.appending("store"))
            #expect(throws: ImageError.self) { _ = try store.tree(ofImporting: test.layers[0], scratch) }
            #expect(try store.images().isEmpty)
            #expect(try listing(scratch.appending("store/layers")).isEmpty)
            #expect(try listing(scratch.appending("store/staging")).isEmpty)
            #expect(try listing(scratch.appending("store/blobs/sha256")).isEmpty)
        }
    }

    @Test("is placed below the root", arguments: HostileImage.placed)
    func isPlaced(_ test: HostileImage) throws {
        try withScratch { scratch in
            let store = try ImageStore(root: scratch.appending("store"))
            let tree = try listing(try store.tree(ofImporting: test.layers[0], scratch))
            #expect(tree.sorted() == test.tree.sorted())
        }
    }
}

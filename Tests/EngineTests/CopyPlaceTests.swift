import SystemPackage
import Testing

@testable import Engine

/// What the end of a path says to `cp`.
@Suite struct CopyPlaceTests {
    @Test(arguments: [
        ("/a/b", "/a/b", false, false), ("a//b/", "/w/a/b", true, false), ("a/.", "/w/a", true, true),
        (".", "/w", true, true), ("/", "/", true, true), ("/a/..", "/", true, true),
        ("/a/b/..", "/a", true, false), ("../../../x", "/x", false, false), ("a/./b", "/w/a/b", false, false),
    ])
    func endsOfPaths(typed: String, path: String, isDirectory: Bool, isContent: Bool) {
        let place = TypedPath(typed, in: "/w")
        #expect(place.path == FilePath(path) && place.isDirectory == isDirectory)
        #expect(place.isContent == isContent)
    }

    @Test func theRootHasNoName() {
        #expect(TypedPath("/").name == nil && TypedPath("/..").name == nil)
        #expect(TypedPath("/a/b/").name == "b")
    }
}

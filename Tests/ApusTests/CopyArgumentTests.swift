import Testing

@testable import apus

@Suite struct CopyArgumentTests {
    @Test(arguments: [
        ("box:/a:b", CopyArgument.inside(container: "box", path: "/a:b")),
        ("box:a", .inside(container: "box", path: "a")),
        ("box:", .inside(container: "box", path: "")), ("-", .local("-")), ("/a:b", .local("/a:b")),
        ("./a:b", .local("./a:b")), ("..:b", .local("..:b")), ("a", .local("a")), (":a", .local(":a")),
    ])
    func aColonNamesAContainer(typed: String, argument: CopyArgument) {
        #expect(CopyArgument(typed) == argument)
    }
}

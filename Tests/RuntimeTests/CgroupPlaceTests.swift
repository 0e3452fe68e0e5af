import Runtime
import SystemPackage
import Testing

private func place(
    _ cgroupsPath: String?, driver: CgroupDriver = .cgroupfs, own: FilePath = "/user.slice/me.scope"
) throws(RuntimeError) -> CgroupPlace? {
    try planCgroupPlace(cgroupsPath, id: "c1", driver: driver, own: own)
}

@Test func anAbsoluteCgroupPathIsBelowTheRootOfTheTree() throws {
    #expect(try place("/kubepods/pod1/c1")?.path == "kubepods/pod1/c1")
    #expect(try place("//kubepods/./c1/")?.path == "kubepods/c1")
}

@Test func aRelativeCgroupPathIsBesideOurOwnCgroup() throws {
    #expect(try place("a/b")?.path == "user.slice/a/b")
    #expect(try place(nil)?.path == "user.slice/c1")
    #expect(try place("")?.path == "user.slice/c1")
    #expect(try place(nil, own: "/")?.path == "c1")
}

@Test(arguments: ["..", "../x", "/a/../../b", "a/..", "/", "/.", "//"])
func aCgroupPathThatLeadsOutOrNowhereIsRefused(path: String) {
    #expect(throws: RuntimeError.self) { try place(path) }
}

@Test func withoutADriverThereIsNoCgroup() throws {
    #expect(try place("/a", driver: .disabled) == nil)
}

@Test func aSystemdScopeIsInTheDirectoryOfItsSlice() throws {
    let absent = try place(nil, driver: .systemd)
    #expect(absent?.path == "system.slice/runc-c1.scope")
    #expect(absent?.unit?.slice == "system.slice")
    #expect(absent?.unit?.name == "runc-c1.scope")
    let nested = try place("kube-pods-b.slice:cri:c9", driver: .systemd)
    #expect(nested?.path == "kube.slice/kube-pods.slice/kube-pods-b.slice/cri-c9.scope")
    #expect(try place("-.slice:p:n", driver: .systemd)?.path == "p-n.scope")
    #expect(try place(":p:n", driver: .systemd)?.path == "system.slice/p-n.scope")
    #expect(try place("machine.slice:x:foo.slice", driver: .systemd)?.unit?.name == "foo.slice")
}

@Test(arguments: [
    "/docker/c1", "a:b", "a.slice:b:c:d", "a:b:c", "a.slice:b:", "..slice:b:c", "a--b.slice:p:n",
    "a/b.slice:p:n", "a.slice:p/q:n", "a.slice:p:../../n", ".slice:p:n", "a.slice:p:n\nx",
])
func whatIsNoSliceAndUnitIsRefused(path: String) {
    #expect(throws: RuntimeError.self) { try place(path, driver: .systemd) }
}

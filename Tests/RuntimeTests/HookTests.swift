import OCI
import Runtime
import Testing

private let state = ContainerState(
    id: "c1", status: .creating, pid: 7, bundle: "/bundle", annotations: ["a": "b"])

/// Points of the container's process: those of the host change the working directory of the whole process.
private func failure(_ hooks: [RuntimeSpec.Hook], _ point: HookPoint = .createContainer) -> String? {
    do throws(RuntimeError) {
        try runHooks(hooks, at: point, state: state)
        return nil
    } catch { return error.description }
}

private func shell(_ script: String, timeout: Int32? = nil) -> RuntimeSpec.Hook {
    var hook = RuntimeSpec.Hook(path: "/bin/sh")
    hook.args = ["sh", "-c", script]
    hook.timeout = timeout
    return hook
}

@Test func hookThatFailsIsNamedWithWhatItSaid() {
    #expect(
        failure([shell("exit 0"), shell("echo out; echo err >&2; exit 3")], .startContainer)
            == "error running startContainer hook #1: exit status 3, stdout: out, stderr: err")
    #expect(
        failure([shell("kill -TERM $$")])
            == "error running createContainer hook #0: signal: terminated, stdout: , stderr: ")
    #expect(
        failure([.init(path: "/nonexistent")])
            == "error running createContainer hook #0: fork/exec /nonexistent: no such file or directory")
    #expect(
        failure([.init(path: "/etc")])
            == "error running createContainer hook #0: fork/exec /etc: permission denied")
}

@Test func hooksAfterOneThatFailsDoNotRun() {
    #expect(failure([shell("exit 1"), shell("exit 2")])?.contains("hook #0: exit status 1") == true)
}

@Test func hookReadsTheStateFromItsInput() {
    let document =
        #"{"ociVersion":"1.2.0","id":"c1","pid":7,"status":"creating","bundle":"/bundle","#
        + #""annotations":{"a":"b"}}"#
    #expect(failure([shell("test \"$(cat)\" = '\(document)'")]) == nil)
    #expect(failure([shell("exec <&-; exit 0")]) == nil)
}

@Test func hookGetsItsOwnEnvironmentAndArgumentsOnly() {
    var hook = RuntimeSpec.Hook(path: "/usr/bin/env")
    hook.args = ["any", "sh", "-c", "env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=; exit 9"]
    #expect(failure([hook])?.contains("stdout: , stderr") == true)
    hook.env = ["A=1 2", "B="]
    hook.args[3] = "echo $A/$B; exit 9"
    #expect(failure([hook])?.contains("stdout: 1 2/, stderr") == true)
    // Without arguments the path is the only one.
    let plain = RuntimeSpec.Hook(path: "/bin/cat")
    #expect(failure([plain]) == nil)
}

@Test func hookHasNoDescriptorsButTheThree() {
    #expect(failure([shell("ls /proc/$$/fd; exit 1")])?.contains("stdout: 0\n1\n2, ") == true)
}

@Test func hookThatPassesItsTimeIsKilled() {
    #expect(
        failure([shell("exec sleep 60", timeout: 1)])
            == "error running createContainer hook #0: hook ran past specified timeout of 1.0s")
    #expect(failure([shell("exit 0", timeout: 60)]) == nil)
}

@Test func hookThatSaysMuchOrLeavesAChildDoesNotBlock() {
    let long = failure([shell("yes | head -c 1000000; yes | head -c 1000000 >&2; exit 1")])
    #expect(long.map { $0.utf8.count < 3500 } == true)
    #expect(failure([shell("sleep 2 & echo $! > /dev/null; exit 0")]) == nil)
}

@Test func everyPointIsOneOfTheConfiguration() throws {
    for point in HookPoint.allCases {
        let text =
            #"{"ociVersion":"1.2.0","root":{"path":"r"},"hooks":{"\#(point.rawValue)":[{"path":"/h"}]}}"#
        let hooks = try RuntimeSpec(JSON(parsing: Array(text.utf8))).hooks
        for other in HookPoint.allCases { #expect(hooks[other].count == (other == point ? 1 : 0)) }
    }
}

import Linux
import OCI
import Testing

@testable import Runtime

private func hear(_ dialogue: inout SyncDialogue, _ message: SyncMessage, with descriptor: Bool = false)
    -> SyncDialogue.Act?
{
    try? dialogue.hear(message.bytes, hasDescriptor: descriptor)  // nil: refused
}

private func end(_ dialogue: inout SyncDialogue) -> SyncDialogue.Act? {
    try? dialogue.hear([], hasDescriptor: false)  // as above
}

@Test func everyWordOfAChildFitsOnce() {
    var full = SyncDialogue(
        requests: 3, hasTerminal: true, notifies: true, runsHooks: true, waitsForStart: true)
    #expect(hear(&full, .request(0)) == .sendTree(0))
    #expect(hear(&full, .request(0)) == nil)
    #expect(hear(&full, .request(2)) == .sendTree(2))
    #expect(hear(&full, .request(1)) == nil)
    #expect(hear(&full, .console) == nil)
    #expect(hear(&full, .console, with: true) == .keepConsole)
    #expect(hear(&full, .console, with: true) == nil)
    #expect(hear(&full, .listener(7)) == nil)
    #expect(hear(&full, .ready) == nil)
    #expect(hear(&full, .rooted) == .runHooks)
    #expect(hear(&full, .rooted) == nil)
    #expect(hear(&full, .ready) == nil)
    #expect(hear(&full, .listener(7)) == .handOver(7))
    #expect(hear(&full, .listener(7)) == nil)
    #expect(end(&full) == nil)
    #expect(hear(&full, .ready) == .end)
}

/// A child in an attacker's hands gets nothing done that the plan does not have.
@Test func aChildIsNotHeardOnWhatThePlanDoesNotHave() {
    var plain = SyncDialogue(
        requests: 0, hasTerminal: false, notifies: false, runsHooks: false, waitsForStart: false)
    for word in [
        SyncMessage.console, .request(0), .request(.max), .listener(0), .listener(-1), .rooted, .ready, .go,
        .placed, .tree,
    ] {
        #expect(hear(&plain, word, with: true) == nil)
    }
    #expect(throws: RuntimeError("unable to start container process: the child says what does not fit")) {
        try plain.hear([200, 1, 2], hasDescriptor: false)
    }
    #expect(end(&plain) == .end)
}

@Test func anEndBeforeTheTerminalOrTheSupervisorIsAnError() {
    var terminal = SyncDialogue(
        requests: 0, hasTerminal: true, notifies: false, runsHooks: false, waitsForStart: false)
    #expect(end(&terminal) == nil)
    var supervised = SyncDialogue(
        requests: 0, hasTerminal: false, notifies: true, runsHooks: false, waitsForStart: false)
    #expect(end(&supervised) == nil)
}

@Test func messagesAreKnownToTheirLastByte() {
    for message in [
        SyncMessage.console, .go, .listener(-5), .placed, .request(9), .tree, .rooted, .ready,
        .failed(errno: 2, isExec: true, text: "sh"),
    ] {
        #expect(SyncMessage(message.bytes) == message)
    }
    #expect(SyncMessage([5, 0]) == nil && SyncMessage([6, 1, 2]) == nil && SyncMessage([3, 1]) == nil)
}

@Test func theParentsGoMayComeBeforeItsAnswerOnce() {
    var words = ParentWords()
    #expect(words.hear(SyncMessage.go.bytes, hasDescriptor: false, awaiting: .tree) == false)
    #expect(words.hear(SyncMessage.go.bytes, hasDescriptor: false, awaiting: .tree) == nil)
    #expect(words.hear(SyncMessage.tree.bytes, hasDescriptor: false, awaiting: .tree) == nil)
    #expect(words.hear(SyncMessage.tree.bytes, hasDescriptor: true, awaiting: .tree) == true)
    #expect(words.has(.go) && !words.has(.placed))
    #expect(words.hear([], hasDescriptor: false, awaiting: .placed) == nil)
}

@Test func whatAStartedProcessLeavesIsAFailureOrNothing() throws {
    #expect(StartGate.failure([]) == nil)
    #expect(StartGate.failure([5])?.description.contains("does not fit") == true)
    let failure = StartGate.failure(SyncMessage.failed(errno: 2, isExec: true, text: "/sh").bytes)
    #expect(failure?.exitCode == 127)
    // Not more than a message is taken, however much there is.
    let pipe = try Pipe()
    try pipe.write.writeAll([UInt8](repeating: 3, count: 40_000))
    #expect(try StartGate.awaitEnd(of: pipe.takeRead()).count <= 8192)
}

@Test func allDescriptorsCanBePreserved() throws {
    var facts = CreateFacts(
        credentials: Credentials(), stdio: .descriptors(stdin: 0, stdout: 1, stderr: 2), seccomp: .unconfined,
        keyringName: nil)
    facts.preservedDescriptors = .max
    var process = RuntimeSpec.Process()
    process.args = ["a"]
    #expect(try planExec(process, facts).steps.contains(.closeDescriptors(from: .max)))
}

/// Lists that name the same numbers again and again take neither memory nor time.
@Test func repeatedNumbersOfAListCountOnce() {
    let list = Array(repeating: "0-4095", count: 2_000).joined(separator: ",")
    #expect(CPUList(list)?.cpus.count == 4096)
    #expect(CPUList(list + "," + list) == nil)
    #expect(numberList(list).count == 4096)
}

import Linux

/// The parent's side of the making of a process (Sync.swift): which word of the child fits next. Each fits once, in its
/// place, and only where the plan has it. A child may be in the hands of whoever shares a namespace with it: whatever
/// it says, the parent does nothing that it would not have done anyway, and comes to an end.
struct SyncDialogue {
    /// What the parent does on a word that fits.
    enum Act: Equatable, Sendable {
        /// The descriptor that came with it is the terminal's master.
        case keepConsole
        /// The answer is this one of the plan's requested trees.
        case sendTree(Int)
        /// The supervisor gets the child's descriptor of this number, and then the child may go on.
        case handOver(CInt)
        /// The root is built: hooks run, and then the child may go on.
        case runHooks
        /// The process is running, or waits for its start.
        case end
    }

    /// Those that have not been asked for; the plan's order is the child's.
    private var trees: Range<Int>
    private var awaitsConsole: Bool
    private var awaitsListener: Bool
    private var awaitsHooks: Bool
    private let waitsForStart: Bool

    init(requests: Int, hasTerminal: Bool, notifies: Bool, runsHooks: Bool, waitsForStart: Bool) {
        (trees, awaitsConsole, awaitsListener) = (0..<requests, hasTerminal, notifies)
        (awaitsHooks, self.waitsForStart) = (runsHooks, waitsForStart)
    }

    init(_ plan: CreatePlan, _ facts: CreateFacts) {
        var hasTerminal = false
        if case .terminal = facts.stdio { hasTerminal = true }
        self.init(
            requests: plan.requested.count, hasTerminal: hasTerminal, notifies: plan.seccomp.notifies,
            runsHooks: facts.runsHooks, waitsForStart: facts.gate != nil)
    }

    /// The act for a message; no bytes are the end of the child's side.
    mutating func hear(_ bytes: [UInt8], hasDescriptor: Bool) throws(RuntimeError) -> Act {
        switch SyncMessage(bytes) {
        case .failed(let errno, let isExec, let text):
            throw startError(errno: errno, isExec: isExec, text)
        case .console where awaitsConsole && hasDescriptor:
            awaitsConsole = false
            return .keepConsole
        case .request(let number) where trees.contains(Int(number)):
            trees = (Int(number) + 1)..<trees.upperBound
            return .sendTree(Int(number))
        case .rooted where awaitsHooks:
            (awaitsHooks, trees) = (false, 0..<0)
            return .runHooks
        case .listener(let number) where awaitsListener && !awaitsHooks:
            (awaitsListener, trees) = (false, 0..<0)
            return .handOver(number)
        case .ready where waitsForStart && isComplete: return .end
        case nil where bytes.isEmpty && !waitsForStart && isComplete: return .end
        default:
            let what = bytes.isEmpty ? "ended unexpectedly" : "says what does not fit"
            throw RuntimeError("unable to start container process: the child \(what)")
        }
    }

    private var isComplete: Bool { !awaitsHooks && !awaitsListener && !awaitsConsole }
}

/// Hears a child until its process is running; answers the terminal's master. Every act but those on what came with
/// the message is `perform`'s.
func listen(
    to child: borrowing FD, _ dialogue: SyncDialogue,
    perform: (SyncDialogue.Act) throws(RuntimeError) -> Void
) throws(RuntimeError) -> FD? {
    var dialogue = dialogue
    var console: FD?
    while true {
        var received = try asStartError { () throws(SysError) in try child.receiveMessage(limit: 4096) }
        let act = try dialogue.hear(received.bytes, hasDescriptor: received.descriptor.raw != nil)
        switch act {
        case .keepConsole: console = received.descriptor.take()
        case .end: return console
        case .sendTree, .handOver, .runHooks: try perform(act)
        }
    }
}

/// The child's side: the parent may say "go" before it answers a request, once.
struct ParentWords {
    private var hasGo = false

    /// Whether the awaited word is there: true now or before, false when more has to come, nil when it never will.
    mutating func hear(_ bytes: [UInt8], hasDescriptor: Bool, awaiting word: SyncMessage) -> Bool? {
        switch SyncMessage(bytes) {
        case .tree? where word == .tree: return hasDescriptor ? true : nil
        case .go? where word == .tree && !hasGo:
            hasGo = true
            return false
        case let heard?: return heard == word ? true : nil
        case nil: return nil
        }
    }

    /// Whether the word has come before it was awaited.
    func has(_ word: SyncMessage) -> Bool { word == .go && hasGo }
}

import Testing

@testable import Engine
@testable import Monitor

@Test(
    arguments: [
        ("no", 1, 0, false, false), ("always", 0, 9, true, true), ("unless-stopped", 0, 9, false, true),
        ("unless-stopped", 1, 0, true, false), ("on-failure", 0, 0, false, false),
        ("on-failure", 1, 99, false, true), ("on-failure:3", 1, 2, false, true),
        ("on-failure:3", 1, 3, false, false),
    ] as [(String, Int32, Int, Bool, Bool)])
func policiesDecide(text: String, code: Int32, count: Int, byHand: Bool, wanted: Bool) throws {
    var options = HostOptions()
    try options.setRestart(text)
    #expect(options.restart.restarts(after: code, count: count, isStoppedByHand: byHand) == wanted)
    #expect(try HostOptions(options.json).restart == options.restart)
}

@Test func theWaitDoublesUpToAMinute() {
    var delay = RestartDelay()
    let waits = (0..<12).map { _ in delay.next(afterRunOf: 0) }
    #expect(waits == [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000])
    #expect(delay.next(afterRunOf: 10) == 100)
}

@Test func requestsOfCommandsSurviveTheSocket() {
    let all: [ControlRequest] = [
        .stop, .restart, .pause, .unpause, .reload,
        .kill(9, ends: true),
    ]
    for request in all {
        #expect(ClientMessage(ClientMessage.control(request).bytes[...]) == .control(request))
    }
    for bad: [UInt8] in [[5], [5, 9], [5, 0, 0], [5, 4, 0]] {
        #expect(ClientMessage(bad[...]) == nil)
    }
    #expect(MonitorMessage(MonitorMessage.done(pid: 7).bytes[...]) == .done(pid: 7))
}

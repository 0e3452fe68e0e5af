import Linux
import Testing

@testable import apus

@Suite struct ProgressTests {
    private func shown(_ mode: String, _ body: (ProgressDisplay) -> Void) throws -> String {
        let pipe = try Pipe()
        body(try ProgressDisplay(mode, to: pipe.write.raw))
        return String(decoding: try pipe.read.readSome(limit: 4096), as: UTF8.self)
    }

    /// As of `push -a`: the same layers for each tag, and lines between.
    private func twoTags(_ display: ProgressDisplay) {
        for tag in ["1", "2"] {
            display.show("layer", "Preparing")
            display.show("layer", "Pushed")
            display.say("digest", id: tag)
        }
    }

    @Test func everyTagIsTold() throws {
        let text = try shown("plain") { display in
            for tag in ["1", "2"] {
                display.show("layer", "Already exists")
                display.say("digest", id: tag)
            }
        }
        #expect(text == "layer: Already exists\n1: digest\nlayer: Already exists\n2: digest\n")
    }

    @Test func aTerminalsLinesBetweenStay() throws {
        let once = "layer: Preparing\n\u{1b}[1A\r\u{1b}[2Klayer: Pushed\r\u{1b}[1B"
        #expect(try shown("tty", twoTags) == "\(once)1: digest\n\(once)2: digest\n")
    }
}

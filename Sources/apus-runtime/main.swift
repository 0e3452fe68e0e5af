import Linux
import Monitor

// The parsing of a runtime's own command line comes with `create`, `start`, ...; so far this program is the
// monitor that the engine starts for each container.
let words = CommandLine.arguments
guard words.count == 3, words[1] == "monitor", let command = MonitorCommand(rawValue: words[2]) else {
    Kernel.printError("usage: apus-runtime monitor start|adopt|exec (started by apus)")
    Process.exitNow(125)
}
Process.exitNow(command.run())

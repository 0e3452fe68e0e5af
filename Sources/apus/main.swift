import Linux

let arguments = Process.takeArguments()
Process.exitNow(Program.run(Array(arguments.dropFirst()), environment: Process.environment))

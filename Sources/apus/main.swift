import Linux

Process.exitNow(Program.run(Array(CommandLine.arguments.dropFirst()), environment: Process.environment))

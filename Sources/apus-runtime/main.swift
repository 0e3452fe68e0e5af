import Linux

Process.exitNow(Program.run(CommandLine.arguments))

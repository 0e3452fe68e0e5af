import Linux

Process.exitNow(Program.run(Process.takeArguments()))

/// Every command, in the order in which `apus --help` lists them.
enum CommandList {
    static let sections: [(title: String, commands: [Command])] = [
        ("Common Commands", [RunCommand.run, ExecCommand.exec, PsCommand.ps, ImagesCommand.images]),
        (
            "Containers",
            [
                RunCommand.create, StartCommand.start, AttachCommand.attach, LogsCommand.logs,
                EndCommands.stop,
                EndCommands.kill, EndCommands.wait, EndCommands.remove, InspectCommand.container,
            ]
        ),
        (
            "Images",
            [
                ImagesCommand.importRoot, ImagesCommand.load, ImagesCommand.save, ImagesCommand.tag,
                ImagesCommand.remove, InspectCommand.image,
            ]
        ),
        (
            "Other Commands",
            [InspectCommand.any, SystemCommands.version, SystemCommands.info, SystemCommands.completion]
        ),
    ].map { title, commands in (title, commands.filter { !$0.name.isEmpty }) }

    /// Those that are called by their group alone (`image inspect`) have no name of their own.
    static let all: [Command] = [
        RunCommand.run, RunCommand.create, ExecCommand.exec, StartCommand.start, AttachCommand.attach,
        PsCommand.ps,
        LogsCommand.logs, EndCommands.stop, EndCommands.kill, EndCommands.wait, EndCommands.remove,
        ImagesCommand.images, ImagesCommand.importRoot, ImagesCommand.load, ImagesCommand.save,
        ImagesCommand.tag, ImagesCommand.remove, InspectCommand.any, InspectCommand.container,
        InspectCommand.image,
        SystemCommands.version, SystemCommands.info, SystemCommands.completion,
    ]
}

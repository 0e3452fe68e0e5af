/// Every command, in the order in which `apus --help` lists them.
enum CommandList {
    /// Those that are called by their group alone (`image inspect`) have no name of their own.
    static let sections: [(title: String, commands: [Command])] = [
        (
            "Common Commands",
            [
                RunCommand.run, ExecCommand.exec, PsCommand.ps, BuildCommand.build, TransferCommands.pull,
                TransferCommands.push, ImagesCommand.images, LoginCommands.login, LoginCommands.logout,
            ]
        ),
        (
            "Containers",
            [
                RunCommand.create, StartCommand.start, AttachCommand.attach, LogsCommand.logs,
                EndCommands.stop,
                EndCommands.kill, EndCommands.wait, EndCommands.remove, LifecycleCommands.restart,
                LifecycleCommands.pause, LifecycleCommands.unpause, LifecycleCommands.update,
                LifecycleCommands.rename,
                InspectCommand.container, PortCommand.port, TopCommand.top, DiffCommand.diff,
                CopyCommand.copy, StatsCommand.stats,
                CommitCommand.commit, ExportCommand.export, PruneCommands.container,
            ]
        ),
        (
            "Images",
            [
                ImagesCommand.importRoot, ImagesCommand.load, ImagesCommand.save, ImagesCommand.tag,
                ImagesCommand.remove, HistoryCommand.history, InspectCommand.image,
                PruneCommands.image, PruneCommands.builder,
            ]
        ),
        ("Networks", NetworkCommands.all),
        (
            "Volumes",
            [
                VolumeCommands.create, VolumeCommands.list, InspectCommand.volume, VolumeCommands.remove,
                PruneCommands.volume,
            ]
        ),
        (
            "Other Commands",
            [
                InspectCommand.any, SystemCommands.version, SystemCommands.info, SystemCommands.completion,
                EventsCommand.events, ExplainCommand.explain,
                DiskUsageCommand.df, PruneCommands.system, CheckCommand.check, LifecycleCommands.boot,
            ]
        ),
    ]

    static let all: [Command] = sections.flatMap(\.commands)
}

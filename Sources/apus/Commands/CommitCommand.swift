import Engine
import Linux

/// `commit`.
enum CommitCommand {
    static let commit = Command(
        "commit", group: "container", "CONTAINER [REPOSITORY[:TAG]]",
        "Create a new image from a container's changes", words: 1...2,
        flags: [
            .value("author", "a", "string", "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")"),
            .list("change", "c", "Apply Dockerfile instruction to the created image"),
            .value("message", "m", "string", "Commit message"),
            .toggle("pause", "p", "Pause container during commit", default: true),
        ]
    ) { arguments, session in
        let containers = try session.containers()
        var commit = CommitOptions()
        commit.author = arguments.value("author")
        commit.message = arguments.value("message")
        commit.changes = arguments.values("change")
        commit.pauses = arguments.isOn("pause")
        let id = try containers.commit(
            try containers.records.find(arguments.words[0]), as: arguments.words.dropFirst().first, commit)
        try Standard.out("\(id)\n")
        return 0
    }
}

import Images
import Linux
import OCI
import SystemPackage

// WORKDIR, COPY and ADD.
extension Builder {
    func enterDirectory(_ path: String, _ state: inout StageState) throws {
        if path.isEmpty { throw BuildError("WORKDIR is empty: its variables have no value") }
        let absolute = state.absolute(path)
        state.config.process.workingDir = absolute
        let user = state.config.process.user
        let epoch = state.epoch
        let key = StepKey.directory(absolute, on: state)
        try layered(key, &state, "WORKDIR \(absolute)") { layers, upper, work in
            let root = try mountOverlay(lower: layers, upper: upper, work: work, volatile: true)
            let owner = user.isEmpty ? nil : try Owner(user, in: root)
            let copier = Copier(root: root, owner: owner, mode: nil, epoch: epoch)
            _ = try copier.makeDirectory(FilePath(absolute))
        }
    }

    func perform(
        _ written: Instruction.Copy, _ statement: Statement, _ state: inout StageState,
        _ expander: VariableExpander
    ) throws {
        let copy = try expand(written, expander)
        let mode = try copy.chmod.map { try parseMode($0) }
        let isDirectory = try meansDirectory(copy)
        let destination = state.absolute(copy.destination)
        let origin = try origin(of: copy)
        var digests: [String] = []
        for source in copy.sources { digests.append(try digest(of: source, in: origin)) }
        digests += copy.heredocs.map { "\($0.name):" + SHA256.hex(of: Array($0.content.utf8)) }
        let seen = origin.fingerprint()
        let target = destination + (isDirectory ? "/" : "")
        let key = StepKey.copy(copy, sources: digests, destination: target, on: state)
        let epoch = state.epoch
        try layered(key, &state, history(copy)) { layers, upper, work in
            let root = try mountOverlay(lower: layers, upper: upper, work: work, volatile: true)
            let owner = try copy.chown.map { try Owner($0, in: root) }
            let copier = Copier(root: root, owner: owner, mode: mode, epoch: epoch)
            try write(copy, from: try tree(of: origin), with: copier, to: FilePath(destination), isDirectory)
            if let seen, try tree(of: origin).takeFingerprint() != seen {
                throw BuildError("the build context changed while it was copied; build again")
            }
        }
    }

    private func history(_ copy: Instruction.Copy) -> String {
        var words = [copy.isAdd ? "ADD" : "COPY"]
        if let from = copy.from { words.append("--from=\(from)") }
        if let chown = copy.chown { words.append("--chown=\(chown)") }
        if let chmod = copy.chmod { words.append("--chmod=\(chmod)") }
        words += copy.sources + copy.heredocs.map { "<<\($0.name)" } + [copy.destination]
        return words.joined(separator: " ")
    }

    private func expand(
        _ copy: Instruction.Copy, _ expander: VariableExpander
    ) throws(DockerfileError) -> Instruction.Copy {
        var result = copy
        result.sources = []
        for source in copy.sources { result.sources.append(try expander.word(source)) }
        result.destination = try expander.word(copy.destination)
        result.chown = try copy.chown.map { text throws(DockerfileError) in try expander.word(text) }
        result.chmod = try copy.chmod.map { text throws(DockerfileError) in try expander.word(text) }
        var inText = expander
        inText.keepsQuotes = true
        for (i, heredoc) in copy.heredocs.enumerated() where heredoc.expands {
            result.heredocs[i].content = try inText.word(heredoc.content)
        }
        if copy.isAdd, let remote = result.sources.first(where: isRemoteSource) {
            throw DockerfileError("ADD of a remote source (\(remote)) is not supported", isSyntax: false)
        }
        return result
    }

    private func meansDirectory(_ copy: Instruction.Copy) throws -> Bool {
        let text = copy.destination
        let isDirectory = text.isEmpty || text.hasSuffix("/") || text == "." || text.hasSuffix("/.")
        if !isDirectory, copy.sources.count + copy.heredocs.count > 1 { throw severalSources(copy) }
        return isDirectory
    }

    private func severalSources(_ copy: Instruction.Copy) -> BuildError {
        BuildError(
            "When using \(copy.isAdd ? "ADD" : "COPY") with more than one source file, the destination must be "
                + "a directory and end with a /")
    }

    private func write(
        _ copy: Instruction.Copy, from tree: SourceTree, with copier: borrowing Copier, to target: FilePath,
        _ isDirectory: Bool
    ) throws {
        var selections: [Selection] = []
        for source in copy.sources { selections += try tree.select(source) }
        if selections.isEmpty, copy.heredocs.isEmpty {
            throw BuildError("COPY failed: no source files were specified")
        }
        if selections.count > 1, !isDirectory { throw severalSources(copy) }
        for selection in selections {
            if copy.isAdd, selection.status.type == .regular,
                try unpack(selection, from: tree, with: copier, to: target, chmod: copy.chmod)
            {
                continue
            }
            try copier.copy(selection, of: tree, to: target, asDirectory: isDirectory)
        }
        for heredoc in copy.heredocs {
            try copier.write(
                Array(heredoc.content.utf8), named: FilePath(heredoc.name), to: target,
                asDirectory: isDirectory)
        }
    }

    /// ADD of an archive, known by its content: false when it is none.
    private func unpack(
        _ selection: Selection, from tree: SourceTree, with copier: borrowing Copier, to target: FilePath,
        chmod: String?
    ) throws -> Bool {
        guard try looksLikeArchive(try tree.root.openResolved(selection.path)) else { return false }
        if chmod != nil { throw BuildError("ADD --chmod of an archive is not supported") }
        let file = try tree.root.openResolved(selection.path)
        guard try file.status() == selection.status else {
            throw BuildError("ADD failed: \(selection.path.string) changed while it was read; build again")
        }
        _ = try copier.makeDirectory(target)
        let owner = copier.owner.map { ($0.uid, $0.gid) }
        try unpackArchive(file, into: copier.root, at: target, owner: owner)
        return true
    }
}

/// Where a COPY reads from.
enum CopyOrigin {
    case context(SourceTree)
    /// A stage's or an image's layers, lowest first.
    case layers([Layer])

    /// What was walked over so far; nil for layers, which never change.
    func fingerprint() -> [UInt8]? {
        if case .context(let tree) = self { return tree.takeFingerprint() }
        return nil
    }
}

extension Builder {
    private func origin(of copy: Instruction.Copy) throws -> CopyOrigin {
        guard let from = copy.from else {
            guard let context else { preconditionFailure("a build has a context") }
            _ = context.takeFingerprint()
            return .context(context)
        }
        if let index = BuildPlan.stageIndex(from, in: plan?.stages ?? []) {
            guard let state = finished[index] else {
                throw BuildError("--from=\(from) names a stage that is not built yet")
            }
            return .layers(state.layers)
        }
        if Int(from) != nil { throw BuildError("invalid stage index \(from)") }
        return .layers(from == "scratch" ? [] : try layers(of: try image(named: from)))
    }

    /// One digest of all that a source selects. Of layers, which do not change, it is remembered.
    private func digest(of source: String, in origin: CopyOrigin) throws -> String {
        guard case .layers(let layers) = origin else { return try freshDigest(of: source, in: origin) }
        let key = StepKey.selection(source, in: layers.map(\.diffID))
        if let key, let known = cache.contentDigest(of: key) { return known }
        let digest = try freshDigest(of: source, in: origin)
        if let key { try cache.recordContent(digest, of: key) }
        return digest
    }

    private func freshDigest(of source: String, in origin: CopyOrigin) throws -> String {
        let tree = try tree(of: origin)
        var hash = SHA256()
        for selection in try tree.select(source) { hash.update(try tree.digest(of: selection)) }
        return hash.hex()
    }

    private func tree(of origin: CopyOrigin) throws -> SourceTree {
        switch origin {
        case .context(let tree): return tree
        case .layers(let layers):
            let ids = layers.map(\.diffID)
            if let tree = trees[ids] { return tree }
            let root: FD
            if layers.isEmpty {
                root = try FD.newMount("tmpfs", options: ["size=4k"])
            } else {
                root = try mountOverlay(lower: trees(of: layers), upper: nil, work: nil)
            }
            let tree = SourceTree(root: root, keepsOwners: true)
            trees[ids] = tree
            return tree
        }
    }
}

import Images
import Linux
import OCI
import SystemPackage

/// Unpacks and packs for the comparison with other programs' tars: reads lines of a word and two paths with tabs
/// between, answers each with `ok` or with why not.
func act(_ words: [Substring]) throws {
    guard words.count == 3 else { throw ProbeError(description: "WORD, PATH and PATH") }
    let (from, to) = (FilePath(String(words[1])), FilePath(String(words[2])))
    switch words[0] {
    case "unpack": try unpackArchive(FD.open(from), into: FD.directory(to, make: true))
    case "pack": try exportRoot(FD.directory(from), to: FD.open(to, [.writeOnly, .create, .truncate]))
    case "layer":
        let store = try ImageStore(root: to)
        let image = try store.importRoot(FD.open(from), as: nil, process: .init(), comment: nil)
        // The tree of an image's only layer, to be looked at.
        let layer = image.config.diffIDs.first.flatMap(store.layer)
        try FD.directory(to).makeSymlink("tree", to: layer?.tree ?? "")
    default: throw ProbeError(description: "no word \(words[0])")
    }
}

struct ProbeError: Error, CustomStringConvertible { let description: String }

while let line = readLine() {
    do {
        try act(line.split(separator: "\t"))
        try StandardStream.write(1, Array("ok\n".utf8)[...])
    } catch { try StandardStream.write(1, Array("\(error)\n".utf8)[...]) }
}

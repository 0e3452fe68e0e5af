import OCI
import Runtime

extension Command {
    static let features = Command("features", "", "print what this runtime can do as JSON") {
        context throws(RuntimeError) in
        _ = try context.arguments.positional(0...0, "features")
        Standard.out(runtimeFeatures(version: Program.version).pretty + "\n")
        return 0
    }
}

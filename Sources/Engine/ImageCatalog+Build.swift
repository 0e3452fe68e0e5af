public import Build

extension ImageCatalog {
    /// Builds an image; `report` hears of progress while it goes on.
    public func build(_ options: BuildOptions, report: @escaping (BuildReport) -> Void) throws {
        _ = try Builder(store: store, runner: BuildSteps(paths: paths), report: report).build(options)
    }
}

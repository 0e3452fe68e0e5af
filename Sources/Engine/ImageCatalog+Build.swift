public import Build

extension ImageCatalog {
    /// Builds an image; `puller` brings in bases that are not here, `report` hears of progress while it goes on.
    public func build(
        _ options: BuildOptions, puller: @escaping Pulling, report: @escaping (BuildReport) -> Void
    ) throws {
        let runner = BuildSteps(paths: paths, puller: puller)
        _ = try Builder(store: store, runner: runner, report: report).build(options)
    }
}

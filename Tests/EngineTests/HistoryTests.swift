import Engine
import Linux
import OCI
import Testing

@Suite struct HistoryTests {
    private let now = Timestamp(seconds: 1_795_208_799)
    private let id = Digest(hex: String(repeating: "ab", count: 32))
    private let layers = ["1", "2"].compactMap { Digest(hex: String(repeating: $0, count: 64)) }

    private func steps(_ history: [ImageConfig.History]) throws -> [HistoryStep] {
        var config = ImageConfig()
        config.diffIDs = layers
        config.history = history
        return HistoryView.steps(of: config, id: try #require(id)) { $0 == layers[0] ? 4_261_550 : 12 }
    }

    private func sample() throws -> [HistoryStep] {
        try steps([
            .init(created: "2026-11-13T10:00:00Z", createdBy: nil, comment: "imported"),
            .init(
                created: "2026-11-20T21:04:39Z",
                createdBy: "ENV\tA=a value that is longer than forty-five characters",
                emptyLayer: true),
            .init(created: "2026-11-20T21:06:36Z", createdBy: "RUN touch /a"),
        ])
    }

    @Test func historyLooksAsDockers() throws {
        let text = try HistoryView.listing(sample(), now: now).render(format: nil)
        #expect(
            text == """
                IMAGE          CREATED         CREATED BY                                      SIZE      COMMENT
                abababababab   3 seconds ago   RUN touch /a                                    12B       
                <missing>      2 minutes ago   ENV A=a value that is longer than forty-five…   0B        
                <missing>      7 days ago                                                      4.26MB    imported

                """)
    }

    @Test func exactNumbersAreGivenWhereAskedFor() throws {
        let listing = HistoryView.listing(try sample(), now: now, truncates: false, isHuman: false)
        let lines = try listing.render(format: "{{.ID}} {{.CreatedAt}} {{.CreatedSince}} {{.Size}}").split(
            separator: "\n")
        let times = try ["2026-11-20T21:06:36Z", "2026-11-20T21:04:39Z", "2026-11-13T10:00:00Z"].map {
            Durations.rfc3339(try #require(Timestamp(parsing: $0)))
        }
        #expect(
            lines.map(String.init) == [
                "\(try #require(id)) \(times[0]) \(times[0]) 12", "<missing> \(times[1]) \(times[1]) 0",
                "<missing> \(times[2]) \(times[2]) 4261550",
            ])
        #expect(
            try listing.render(format: nil).hasPrefix(
                "IMAGE" + String(repeating: " ", count: 69) + "CREATED AT"))
    }

    @Test func anImageMaySayMoreOrLessThanItHas() throws {
        #expect(try steps([]).isEmpty)
        let many = try steps((0..<4).map { .init(createdBy: "\($0)") })
        #expect(many.map(\.size) == [0, 0, 12, 4_261_550])
        #expect(
            try HistoryView.listing(many, now: now).render(format: "{{.CreatedSince}}").hasPrefix("N/A\n"))
    }
}

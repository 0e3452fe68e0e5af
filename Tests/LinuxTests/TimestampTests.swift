import Linux
import Testing

@Suite struct TimestampTests {
    @Test(arguments: [
        (0, 0, "1970-01-01T00:00:00.000000000Z"),
        (1_795_208_799, 798_857_238, "2026-11-20T21:06:39.798857238Z"),
        (951_782_400, 5, "2000-02-29T00:00:00.000000005Z"), (-1, 0, "1969-12-31T23:59:59.000000000Z"),
        (-62_135_596_800, 0, "0001-01-01T00:00:00.000000000Z"),
        (4_102_444_799, 0, "2099-12-31T23:59:59.000000000Z"),
    ])
    func writesAndReadsTheSameMoment(seconds: Int, nanoseconds: Int, text: String) {
        let time = Timestamp(seconds: Int64(seconds), nanoseconds: Int32(nanoseconds))
        #expect(time.rfc3339Nano == text)
        #expect(Timestamp(parsing: text) == time)
        #expect(Timestamp(parsing: time.rfc3339Short) == time)
    }

    @Test func daysOfFourCenturiesComeBack() {
        for day in stride(from: Int64(-80_000), through: 66_097, by: 7) {
            let time = Timestamp(seconds: day * 86400)
            #expect(Timestamp(parsing: time.rfc3339Nano) == time)
        }
    }

    @Test func readsOffsetsAndShortFractions() {
        let expected = Timestamp(seconds: 1_795_208_799, nanoseconds: 500_000_000)
        #expect(Timestamp(parsing: "2026-11-20T23:06:39.5+02:00") == expected)
        #expect(Timestamp(parsing: "2026-11-20 17:36:39.5-0330") == expected)
        #expect(Timestamp(parsing: "2026-11-20t21:06:39.5000000009z") == expected)
        #expect(expected.rfc3339Short == "2026-11-20T21:06:39.5Z")
    }

    @Test(arguments: [
        "", "2026-11-20", "2026-11-20T21:06:39", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
        "2026-11-31T00:00:00Z", "2026-11-20T24:00:00Z", "2026-11-20T21:06:39.Z", "2026-11-20T21:06:39Zx",
        "+026-11-20T21:06:39Z", "2026-11-20T21:06:39+25:00", "-001-11-20T21:06:39Z",
    ])
    func refusesWhatIsNoMoment(text: String) { #expect(Timestamp(parsing: text) == nil) }

    @Test func nowIsAfterThisWasWrittenAndOrdered() {
        let (a, b) = (Timestamp.now(), Timestamp.now())
        #expect(a <= b)
        #expect(a.seconds > 1_700_000_000)
        #expect(Timestamp(seconds: .min).description.hasSuffix("Z"))
        #expect(Timestamp(seconds: 2).elapsed(since: Timestamp(seconds: 0, nanoseconds: 500_000_000)) == 1.5)
    }
}

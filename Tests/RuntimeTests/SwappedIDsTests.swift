import Testing

@testable import Runtime

@Suite struct SwappedIDsTests {
    @Test(arguments: [
        (UInt32(5), UInt32(5), "0 0 5\n5 5 1\n6 6 4294967289\n"),
        (1000, 0, "0 1000 1\n1 1 999\n1000 0 1\n1001 1001 4294966294\n"),
        (3, 4, "0 0 3\n3 4 1\n4 3 1\n5 5 4294967290\n"),
    ])
    func twoChangePlacesAndAllOthersStay(one: UInt32, other: UInt32, lines: String) {
        #expect(swappedIDs(one, other) == lines)
        #expect(swappedIDs(other, one) == lines)
    }

    @Test func theLastNumberIsNoID() {
        #expect(swappedIDs(.max, 0) == "0 0 4294967295\n")
    }
}

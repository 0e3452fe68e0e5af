import CLinux
import Linux
import Testing

@Test func capabilitySetsHaveTheNumbersOfTheKernel() {
    #expect(CapabilitySet.default.description == "00000000800405fb")
    #expect(CapabilitySet.all(40).description == "000001ffffffffff")
    #expect(CapabilitySet.all(63).rawValue == .max)
    #expect(CapabilitySet.all(-1) == [])
}

@Test func capabilityNamesAgreeWithLibcap() {
    for (number, name) in CapabilitySet.all(CapabilitySet.lastNamed).names.enumerated() {
        #expect(cl_cap_number(name.lowercased()) == CInt(number), "\(name)")
    }
}

@Test func capabilityNamesAreReadInAnyForm() throws {
    #expect(
        try CapabilitySet(names: ["net_admin", "CAP_KILL", "Cap_Sys_Admin"]) == [.netAdmin, .kill, .sysAdmin])
    #expect(try CapabilitySet(names: CapabilitySet.default.names) == .default)
    #expect(CapabilitySet.netRaw.names == ["CAP_NET_RAW"])
    #expect(CapabilitySet(number: 50).names == ["CAP_50"])
}

@Test(arguments: ["", "CAP_", "ALL", "CAP_CAP_KILL", "21", "kill\0", "CAP_NOPE", "kill "])
func unknownCapabilitiesAreRefused(name: String) {
    #expect(throws: UnknownCapability(name: name)) { try CapabilitySet(names: ["chown", name]) }
}

import Testing

@testable import Network

@Suite struct PortParsing {
    @Test(arguments: [
        ("80", "0.0.0.0:0->80/tcp"), ("8080:80", "0.0.0.0:8080->80/tcp"),
        ("127.0.0.1:8080:80/udp", "127.0.0.1:8080->80/udp"), ("[::1]:8080:80", "[::1]:8080->80/tcp"),
        ("0.0.0.0:8080:80", "0.0.0.0:8080->80/tcp"), ("127.0.0.1::80", "127.0.0.1:0->80/tcp"),
        ("::1:8080:80", "[::1]:8080->80/tcp"), ("8080:80/TCP", "0.0.0.0:8080->80/tcp"),
    ])
    func onePort(_ text: String, _ expected: String) throws {
        #expect(try PortMapping.parse(text).map(\.description) == [expected])
    }

    @Test func aRangeGivesOneMappingForEachPort() throws {
        let ports = try PortMapping.parse("8000-8002:80-82/udp")
        #expect(
            ports.map(\.description) == [
                "0.0.0.0:8000->80/udp", "0.0.0.0:8001->81/udp", "0.0.0.0:8002->82/udp",
            ])
    }

    @Test func aRangeForOnePortTakesTheFirstFreeOne() throws {
        let ports = try PortMapping.parse("8000-8010:80")
        #expect(ports == [PortMapping(hostPort: 8000, lastHostPort: 8010, containerPort: 80)])
    }

    @Test(arguments: [
        ("99999:80", "invalid hostPort: 99999"), ("80:99999", "invalid containerPort: 99999"),
        ("8080:0", "invalid containerPort: 0"), ("a:80", "invalid hostPort: a"),
        ("80/dccp", "invalid proto: dccp"), ("", "no port specified: <empty>"),
        ("8080:", "no port specified: 8080:<empty>"), ("1.2.3.4.5:1:2", "invalid IP address: 1.2.3.4.5"),
        ("90-80:80", "invalid hostPort: 90-80"), ("+80", "invalid containerPort: +80"),
        ("1-3:1-2", "invalid ranges specified for container and host Ports: 1-2 and 1-3"),
        ("[::g]:1:2", "invalid IP address: ::g"),
    ])
    func badTextIsRefusedInDockersWords(_ text: String, _ expected: String) {
        #expect(throws: NetworkError(expected)) { try PortMapping.parse(text) }
    }

    @Test func aRecordReadsBack() throws {
        for text in ["8080-8090:80", "127.0.0.1:1:2/udp", "[2001:db8::1]:1:2"] {
            for port in try PortMapping.parse(text) { #expect(try PortMapping(port.json) == port) }
        }
    }
}

import Linux
import OCI
import Testing

@testable import Registry

@Test(arguments: [
    ("https://a.example/x?y=z#f", "a.example", 443, "/x?y=z"), ("HTTP://A.Example:80", "a.example", 80, "/"),
    ("https://[::1]:5000/v2/", "::1", 5000, "/v2/"), ("http://127.0.0.1?q", "127.0.0.1", 80, "/?q"),
    ("https://a_b.c/", "a_b.c", 443, "/"),
])
func urlsAreTakenApart(_ text: String, _ host: String, _ port: Int, _ target: String) throws {
    let url = try WebURL(text)
    #expect(url.host == host && url.port == port && url.target == target)
}

@Test(arguments: [
    "", "a.example", "ftp://a/", "file:///etc/passwd", "https://", "https:///x", "https://a:0/",
    "https://a:65536/",
    "https://a:b/", "https://user:pw@a/", "https://a b/", "https://a/\r\nX: y", "https://a..b/",
    "https://\u{e4}/",
    "http://127.1/", "http://2130706433/", "http://0x7f.0.0.1/", "http://0x7f000001/", "http://1.2.3.4.5/",
    "http://[127.0.0.1]/", "http://[::1/", "http://[fe80::1%25eth0]/",
])
func urlsThatMeanSomethingElseAreRefused(_ text: String) {
    #expect(throws: RegistryError.self) { try WebURL(text) }
}

@Test(arguments: [
    ("/x", "https://a.example:5000/x"), ("x?q=1", "https://a.example:5000/v2/x?q=1"),
    ("?q", "https://a.example:5000/v2/y?q"), ("//b/z", "https://b/z"), ("http://c", "http://c/"),
])
func locationsAreResolved(_ location: String, _ expected: String) throws {
    let base = try WebURL("https://a.example:5000/v2/y?old")
    #expect(try base.resolving(location) == WebURL(expected))
}

@Test func theHostHeaderHasAPortWhereItIsNotTheUsualOne() throws {
    #expect(try WebURL("https://a:443/").authority == "a")
    #expect(try WebURL("http://a:443/").authority == "a:443")
    #expect(try WebURL("https://[::1]:5000/").authority == "[::1]:5000")
    #expect(try WebURL("https://a/b?secret=1").description == "https://a/b")
}

@Test(arguments: [
    ("127.0.0.1", IPAddress.Place.loopback), ("127.255.0.9", .loopback), ("::1", .loopback),
    ("::ffff:127.0.0.1", .loopback), ("::7f00:1", .loopback), ("64:ff9b::7f00:1", .loopback),
    ("2002:7f00:1::", .loopback), ("169.254.169.254", .link), ("::ffff:169.254.169.254", .link),
    ("fe80::1", .link),
    ("febf::1", .link), ("fd00:ec2::254", .link), ("100.100.100.200", .link), ("0.0.0.0", .nowhere),
    ("::", .nowhere), ("224.0.0.1", .nowhere), ("255.255.255.255", .nowhere), ("ff02::1", .nowhere),
    ("10.0.0.1", .elsewhere), ("192.168.1.1", .elsewhere), ("8.8.8.8", .elsewhere),
    ("2001:db8::1", .elsewhere),
    ("fd00::1", .elsewhere),
])
func addressesAreKnownByTheirPlace(_ text: String, _ place: IPAddress.Place) {
    #expect(IPAddress(text)?.place == place)
}

@Test(arguments: ["", "127.1", "1.2.3", "0x7f.0.0.1", "01.2.3.4", ":::", "[::1]", "localhost", "1.2.3.4 "])
func textThatIsNoAddressIsNone(_ text: String) { #expect(IPAddress(text) == nil) }

@Test func namesAreLookedUp() throws {
    let found = try IPAddress.resolve("localhost").get()
    #expect(!found.isEmpty && found.allSatisfy { $0.place == .loopback })
    #expect(throws: ResolveError.self) { try IPAddress.resolve("does-not-exist.invalid").get() }
}

@Test func proxiesAreTakenFromTheEnvironment() throws {
    let proxies = try Proxies(environment: [
        "HTTP_PROXY=http://al%40ice:secret@proxy.example:3128/", "https_proxy=10.0.0.9:8080",
        "NO_PROXY=.corp.example, example.org,192.168.0.0/16,only.example:5000",
    ])
    let plain = try #require(proxies.proxy(for: try WebURL("http://a.example/")))
    #expect(plain.host == "proxy.example" && plain.port == 3128)
    #expect(plain.authorization == "Basic " + Base64.encode(Array("al@ice:secret".utf8)))
    #expect(try proxies.proxy(for: WebURL("https://a.example/"))?.host == "10.0.0.9")
    for direct in [
        "https://x.corp.example/", "https://example.org/", "https://sub.example.org/", "https://192.168.7.7/",
        "https://only.example:5000/", "https://localhost/", "https://127.0.0.1:5000/",
    ] {
        #expect(try proxies.proxy(for: WebURL(direct)) == nil, "\(direct)")
    }
    for proxied in [
        "https://corp.example/", "https://192.169.0.1/", "https://only.example/", "https://anexample.org/",
    ] {
        #expect(try proxies.proxy(for: WebURL(proxied)) != nil, "\(proxied)")
    }
    #expect(throws: RegistryError.self) { try Proxies(environment: ["HTTPS_PROXY=socks5://a:1"]) }
    #expect(try Proxies(environment: ["HTTPS_PROXY="]) == Proxies())
}

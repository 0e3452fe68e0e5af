// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target: Swift 6 mode, warnings are errors, imports internal unless said otherwise.
let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .unsafeFlags(["-Xfrontend", "-function-sections"], .when(configuration: .release)),
]
/// Of the rooms of `apus-runtime`: without regular expressions and what comes with them, which is a tenth of a program.
let lean: [SwiftSetting] =
    strict + [.unsafeFlags(["-Xfrontend", "-disable-implicit-string-processing-module-import"])]
/// Release binaries are static, so that installing is copying a file; debug stays dynamic for speed.
let staticBinary: [LinkerSetting] = [
    .unsafeFlags(["-static-executable", "-use-ld=lld"], .when(configuration: .release))
]
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

/// Registries are spoken to over SwiftNIO and its TLS; nothing else of it, because the rest brings Foundation.
let nio: [Target.Dependency] =
    ["NIOCore", "NIOPosix", "NIOHTTP1", "NIOTLS"].map { .product(name: $0, package: "swift-nio") }
    + [.product(name: "NIOSSL", package: "swift-nio-ssl")]

func room(
    _ name: String, _ dependencies: [Target.Dependency], _ settings: [SwiftSetting] = strict
) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// What is fuzzed: tests that replay the kept inputs, or with APUS_FUZZ=1 libFuzzer's program (`make fuzz`).
let fuzz: Target = {
    let dependencies: [Target.Dependency] =
        ["Images", "Registry", "Network", "Runtime", "CLinux", "Linux", "OCI", system] + nio
    guard Context.environment["APUS_FUZZ"] == "1" else {
        return .testTarget(
            name: "FuzzTests", dependencies: dependencies + ["tar-probe"],
            exclude: ["Differential", "Fuzzer", "corpus"],
            swiftSettings: strict)
    }
    return .executableTarget(
        name: "fuzz", dependencies: dependencies, path: "Tests/FuzzTests",
        exclude: ["Differential", "DifferentialTests.swift", "ReplayTests.swift", "corpus"],
        swiftSettings: strict)
}()

let package = Package(
    name: "apus",
    products: [
        .executable(name: "apus", targets: ["apus"]),
        .executable(name: "apus-runtime", targets: ["apus-runtime"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    ],
    targets: [
        .target(
            name: "CLinux", cSettings: [.treatAllWarnings(as: .error)],
            linkerSettings: [.linkedLibrary("seccomp"), .linkedLibrary("cap"), .linkedLibrary("nettle")]),
        .target(
            name: "CCodecs", cSettings: [.treatAllWarnings(as: .error)],
            linkerSettings: [.linkedLibrary("z"), .linkedLibrary("zstd")]),
        .target(name: "CNames", cSettings: [.treatAllWarnings(as: .error)]),
        .target(
            name: "CSeal",
            cSettings: [
                .treatAllWarnings(as: .error), .unsafeFlags(["-ffreestanding", "-fno-stack-protector"]),
            ]),
        room("Linux", ["CLinux", system], lean),
        room("OCI", [], lean),
        room("Images", ["CCodecs", "Linux", "OCI", system]),
        room("Registry", ["CNames", "Linux", "OCI", system] + nio),
        room("Network", ["Linux", "OCI", system], lean),
        room("Runtime", ["Linux", "OCI", system], lean),
        room("Monitor", ["Runtime", "Network", "Linux", "OCI", system], lean),
        room("Build", ["Images", "Linux", "OCI", system]),
        room(
            "Engine",
            ["Images", "Registry", "Network", "Build", "Monitor", "Runtime", "Linux", "OCI", system]),
        .executableTarget(
            name: "apus-runtime", dependencies: ["CSeal", "Monitor", "Runtime", "Linux", "OCI", system],
            swiftSettings: lean,
            linkerSettings: staticBinary + [.unsafeFlags(["-Xlinker", "-e", "-Xlinker", "seal_entry"])]),
        .executableTarget(
            name: "apus", dependencies: ["Engine", "Build", "Linux", "OCI", system],
            swiftSettings: strict, linkerSettings: staticBinary),
        // Run by tests: clones and loads filters, which the test process with its threads must not.
        .executableTarget(
            name: "linux-probe", path: "Tests/LinuxProbe", cSettings: [.treatAllWarnings(as: .error)]),
        .target(name: "Support", dependencies: ["CLinux"], path: "Tests/Support", swiftSettings: strict),
        .executableTarget(
            name: "network-probe", dependencies: ["Network", "CLinux", "Linux", "OCI", system],
            path: "Tests/NetworkProbe", swiftSettings: strict),
        // Run by the comparison of our tars with other programs'.
        .executableTarget(
            name: "tar-probe", dependencies: ["Images", "Linux", "OCI", system], path: "Tests/TarProbe",
            swiftSettings: strict),
        tests("LinuxTests", ["CLinux", "Linux", "linux-probe", system]),
        tests("OCITests", ["OCI"]),
        tests("ImagesTests", ["Support", "Images", "Linux", "OCI", system]),
        .testTarget(
            name: "RegistryTests", dependencies: ["Registry", "Linux", "OCI", system] + nio,
            exclude: ["registry.py"],
            swiftSettings: strict),
        tests("NetworkTests", ["Network", "Linux", "OCI", "network-probe", system]),
        tests("RuntimeTests", ["Runtime", "Linux", "OCI", system]),
        tests("BuildTests", ["Build", "Images", "Linux", "OCI", system]),
        tests(
            "EngineTests",
            ["Engine", "Monitor", "Network", "Images", "Build", "Runtime", "Linux", "OCI", system]),
        tests("ApusTests", ["apus", "Engine", "Linux", "OCI", system]),
        .testTarget(
            name: "SystemTests", dependencies: ["Support", "linux-probe"], exclude: ["tree.py"],
            swiftSettings: strict),
        .testTarget(
            name: "CallerTests", dependencies: ["Support"], exclude: ["Differential/cases"],
            swiftSettings: strict),
        fuzz,
    ]
)

import OCI
import Testing

/// What `runc spec` writes, with more of the members filled in.
private let document = """
    {"ociVersion": "1.2.0",
     "process": {"terminal": true, "consoleSize": {"height": 24, "width": 80},
       "user": {"uid": 1000, "gid": 4294967294, "umask": 18, "additionalGids": [10, 20]},
       "args": ["sh", "-c", "echo"], "env": ["PATH=/bin", "TERM=xterm"], "cwd": "/tmp",
       "capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"],
         "ambient": ["CAP_KILL"], "inheritable": []},
       "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 18446744073709551615, "soft": 1024}],
       "noNewPrivileges": true, "apparmorProfile": "p", "oomScoreAdj": -998, "selinuxLabel": "l",
       "scheduler": {"policy": "SCHED_DEADLINE", "flags": ["SCHED_FLAG_RECLAIM"], "runtime": 5, "deadline": 6,
         "period": 7}, "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
       "execCPUAffinity": {"initial": "0", "final": "0-1"}},
     "root": {"path": "rootfs", "readonly": true}, "hostname": "box", "domainname": "example",
     "mounts": [{"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]},
       {"destination": "/d", "uidMappings": [{"containerID": 0, "hostID": 4294901760, "size": 65536}]}],
     "hooks": {"prestart": [{"path": "/a", "args": ["a"], "env": ["B=c"], "timeout": 3}],
       "poststop": [{"path": "/b"}]},
     "annotations": {"a.b": "c"},
     "linux": {"uidMappings": [{"containerID": 0, "hostID": 1, "size": 2}],
       "gidMappings": [{"containerID": 0, "hostID": 1, "size": 2}],
       "timeOffsets": {"monotonic": {"secs": -3, "nanosecs": 5}},
       "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 438, "uid": 0, "gid": 5},
         {"path": "/dev/f", "type": "p"}],
       "netDevices": {"eth7": {"name": "in0"}}, "cgroupsPath": "/a/b",
       "resources": {"devices": [{"allow": false, "access": "rwm"},
           {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rw"}],
         "memory": {"limit": 1048576, "swap": -1, "swappiness": 60, "disableOOMKiller": false},
         "cpu": {"shares": 1024, "quota": -1, "period": 100000, "cpus": "0-1", "idle": 1}, "pids": {"limit": 5},
         "blockIO": {"weight": 100, "weightDevice": [{"major": 8, "minor": 0, "weight": 10}],
           "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1000}]},
         "hugepageLimits": [{"pageSize": "2MB", "limit": 1}],
         "network": {"classID": 1, "priorities": [{"name": "eth0", "priority": 2}]},
         "rdma": {"mlx": {"hcaHandles": 1}}, "unified": {"memory.high": "1"}},
       "rootfsPropagation": "slave", "sysctl": {"net.ipv4.ip_forward": "1"}, "maskedPaths": ["/proc/kcore"],
       "readonlyPaths": ["/proc/bus"], "mountLabel": "m", "namespaces": [{"type": "pid"},
         {"type": "network", "path": "/run/ns"}], "intelRdt": {"closID": "c", "enableCMT": true},
       "personality": {"domain": "LINUX32"},
       "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0-1", "flags": ["MPOL_F_STATIC_NODES"]},
       "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
         "architectures": ["SCMP_ARCH_X86_64"], "flags": ["SECCOMP_FILTER_FLAG_LOG"],
         "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"},
           {"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [
             {"index": 0, "value": 18446744073709551615, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}]}]}}}
    """

@Test func specIsReadWhole() throws {
    let spec = try RuntimeSpec(JSON(parsing: document))
    #expect(spec.process.user.gid == 4_294_967_294)
    #expect(spec.process.rlimits.first?.hard == .max)
    #expect(spec.process.oomScoreAdj == -998)
    #expect(spec.mounts[1].uidMappings == [.init(containerID: 0, hostID: 4_294_901_760, size: 65536)])
    #expect(spec.hooks.prestart.first?.timeout == 3)
    #expect(spec.linux.namespaces == [.init(.pid), .init(.network, path: "/run/ns")])
    #expect(spec.linux.seccomp?.syscalls[1].args.first?.value == .max)
    #expect(spec.linux.resources.devices[0] == .init(allow: false))
}

@Test func specSurvivesWritingAndReading() throws {
    let spec = try RuntimeSpec(JSON(parsing: document))
    #expect(try RuntimeSpec(JSON(parsing: spec.json.bytes)) == spec)
    #expect(try RuntimeSpec(RuntimeSpec().json) == RuntimeSpec())
}

/// Found by `make fuzz`: they were kept, and not written.
@Test func aFifoHasNoDeviceNumbers() throws {
    let device = #"{"path":"/dev/f","type":"p","major":8,"minor":1}"#
    let text = #"{"ociVersion":"1.2.0","root":{"path":"/"},"linux":{"devices":["# + device + "]}}"
    let spec = try RuntimeSpec(JSON(parsing: text))
    #expect(spec.linux.devices.first?.major == 0 && spec.linux.devices.first?.minor == 0)
    #expect(try RuntimeSpec(JSON(parsing: spec.json.bytes)) == spec)
}

@Test func specWritesNoMemberForWhatIsAbsent() throws {
    #expect(RuntimeSpec().json.text == #"{"ociVersion":"1.2.0","root":{"path":"rootfs"}}"#)
}

@Test func specIgnoresWhatItDoesNotKnow() throws {
    let json = try JSON(parsing: #"{"ociVersion":"1.9.9","root":{"path":"/"},"vm":{},"linux":{"new":[1]}}"#)
    #expect(try RuntimeSpec(json).ociVersion == "1.9.9")
}

/// Documents that hold `member` in an otherwise right spec.
private func error(_ member: String) -> String? {
    do {
        _ = try RuntimeSpec(JSON(parsing: "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"/\"},\(member)}"))
        return nil
    } catch { return error.description }
}

@Test(arguments: [
    (
        #""process": {"cwd": "/", "user": {"uid": 4294967296}}"#,
        "process.user.uid is out of range (0 to 4294967295)"
    ),
    (#""process": {"cwd": "/", "user": {"uid": -1}}"#, "process.user.uid is out of range (0 to 4294967295)"),
    (#""process": {"cwd": "/", "user": {"gid": 4294967295}}"#, "process.user.id 4294967295 is not usable"),
    (#""process": {"cwd": "/", "user": {"uid": 1.5}}"#, "process.user.uid is not an integer"),
    (#""process": {"cwd": "/", "user": {"uid": "0"}}"#, "process.user.uid is not an integer"),
    (
        #""process": {"cwd": "/", "user": {"additionalGids": [1, -7]}}"#,
        "process.user.additionalGids[1] is out of range (0 to 4294967295)"
    ),
    (#""process": {"cwd": "/", "args": ["a\u0000b"]}"#, "process.args[0] holds a NUL"),
    (#""process": {"args": ["a"]}"#, "process.cwd is missing"),
    (#""process": []"#, "process is not an object"),
    (#""mounts": [{"destination": "/"}, 3]"#, "mounts[1] is not an object"),
    (#""mounts": [{"source": "/"}]"#, "mounts[0].destination is missing"),
    (
        #""linux": {"uidMappings": [{"containerID": 1, "hostID": 0, "size": 4294967295}, {"size": 1}]}"#,
        "linux.uidMappings[1].containerID is missing"
    ),
    (
        #""linux": {"uidMappings": [{"containerID": 2, "hostID": 0, "size": 4294967295}]}"#,
        "linux.uidMappings[0].containerID plus size passes 2^32"
    ),
    (#""linux": {"namespaces": [{"type": "vm"}]}"#, #"linux.namespaces[0].type "vm" is not known"#),
    (
        #""linux": {"resources": {"memory": {"limit": 9223372036854775808}}}"#,
        "linux.resources.memory.limit is out of range (-9223372036854775808 to 9223372036854775807)"
    ),
    (
        #""linux": {"resources": {"rdma": {"d": 1}}}"#, "linux.resources.rdma.d is not an object"
    ),
    (
        #""linux": {"resources": {"devices": [{"allow": true, "access": "x"}]}}"#,
        #"linux.resources.devices[0].access "x" is not of r, w and m"#
    ),
    (#""linux": {"devices": [{"path": "/d", "type": "c"}]}"#, "linux.devices[0].major is missing"),
    (
        #""linux": {"seccomp": {"defaultAction": "A", "syscalls": [{"names": ["a"], "action": "B", "args": [{"index": 6, "value": 1, "op": "C"}]}]}}"#,
        "linux.seccomp.syscalls[0].args[0].index 6 is not 0 to 5"
    ),
    (#""hooks": {"poststop": [{"path": "a"}]}"#, #"hooks.poststop[0].path "a" is not absolute"#),
    (#""hooks": {"poststop": [{"path": "/a", "timeout": 0}]}"#, "hooks.poststop[0].timeout 0 is not above 0"),
])
func specRefusals(member: String, expected: String) { #expect(error(member) == expected) }

@Test func specNeedsAVersionAndARoot() {
    #expect(throws: JSONError("ociVersion is missing")) {
        try RuntimeSpec(JSON(parsing: #"{"root":{"path":"a"}}"#))
    }
    #expect(throws: JSONError("root is missing")) {
        try RuntimeSpec(JSON(parsing: #"{"ociVersion":"1.0.0"}"#))
    }
    #expect(throws: JSONError("config.json is not an object")) { try RuntimeSpec(JSON(parsing: "[]")) }
}

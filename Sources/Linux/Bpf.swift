import CLinux

/// One instruction of the kernel's virtual machine (linux/bpf.h): the few kinds that a filter needs.
public struct BpfInstruction: Equatable, Sendable {
    /// Operation and class.
    public let code: UInt8
    /// Registers 0 to 10.
    public let target: UInt8
    public let source: UInt8
    /// Instructions to jump over, or bytes from the source register's address.
    public let offset: Int16
    /// The constant operand.
    public let constant: UInt32

    init(_ code: UInt8, _ target: UInt8 = 0, _ source: UInt8 = 0, offset: Int16 = 0, constant: UInt32 = 0) {
        (self.code, self.target, self.source) = (code, target, source)
        (self.offset, self.constant) = (offset, constant)
    }

    /// As the kernel reads it on a little-endian machine.
    var word: UInt64 {
        UInt64(code) | UInt64(target) << 8 | UInt64(source) << 12
            | UInt64(UInt16(bitPattern: offset)) << 16 | UInt64(constant) << 32
    }

    /// `target = *(u32 *)(source + bytes)`.
    public static func load(_ target: UInt8, from source: UInt8, bytes: Int16) -> BpfInstruction {
        BpfInstruction(0x61, target, source, offset: bytes)
    }
    /// `target = source`, 32 bits.
    public static func move(_ target: UInt8, from source: UInt8) -> BpfInstruction {
        BpfInstruction(0xbc, target, source)
    }
    /// `target = constant`.
    public static func set(_ target: UInt8, _ constant: UInt32) -> BpfInstruction {
        BpfInstruction(0xb4, target, constant: constant)
    }
    /// `target &= mask`.
    public static func and(_ target: UInt8, _ mask: UInt32) -> BpfInstruction {
        BpfInstruction(0x54, target, constant: mask)
    }
    /// `target |= source`.
    public static func or(_ target: UInt8, _ source: UInt8) -> BpfInstruction {
        BpfInstruction(0x4c, target, source)
    }
    /// `target <<= bits`.
    public static func shiftLeft(_ target: UInt8, by bits: UInt32) -> BpfInstruction {
        BpfInstruction(0x64, target, constant: bits)
    }
    /// `target >>= bits`.
    public static func shiftRight(_ target: UInt8, by bits: UInt32) -> BpfInstruction {
        BpfInstruction(0x74, target, constant: bits)
    }
    /// Jumps over `count` instructions unless `target` is `constant`; 32 bits (Linux 5.1).
    public static func skip(_ count: Int16, unless target: UInt8, is constant: UInt32) -> BpfInstruction {
        BpfInstruction(0x56, target, offset: count, constant: constant)
    }
    /// Jumps over `count` instructions when `target` is `constant`.
    public static func skip(_ count: Int16, when target: UInt8, is constant: UInt32) -> BpfInstruction {
        BpfInstruction(0x16, target, offset: count, constant: constant)
    }
    /// Jumps over `count` instructions.
    public static func skip(_ count: Int16) -> BpfInstruction { BpfInstruction(0x05, offset: count) }
    /// Ends with what is in register 0.
    public static let exit = BpfInstruction(0x95)
}

/// Device filters of a cgroup: programs of type BPF_PROG_TYPE_CGROUP_DEVICE. They go with the cgroup.
extension Cgroup {
    /// Loads a program and puts it in the place of those that are attached here; there is no moment without one.
    public func setDeviceFilter(_ instructions: [BpfInstruction]) throws(SysError) {
        let program = try Self.loadDeviceFilter(instructions.map(\.word))
        var old = try deviceFilters()
        // One program is replaced in one step; of several all but one are taken away afterwards.
        var replaced: FD?
        if let id = old.popLast() { replaced = try Self.deviceFilter(id: id) }
        _ = try sys("bpf", "attach a device filter to /\(path)") {
            cl_bpf_attach_device(directory.raw, program.raw, replaced.raw ?? -1)
        }
        try detach(old)
    }

    /// Takes every device filter of this cgroup away; those of cgroups above still count.
    public func removeDeviceFilters() throws(SysError) { try detach(deviceFilters()) }

    /// The ids of the filters of this very cgroup.
    public func deviceFilters() throws(SysError) -> [UInt32] {
        var ids = [UInt32](repeating: 0, count: 64)  // as many as a cgroup may have
        let count = try sys("bpf", "query the device filters of /\(path)") {
            cl_bpf_query_device(directory.raw, &ids, UInt32(ids.count))
        }
        return Array(ids.prefix(Int(count)))
    }

    private static func loadDeviceFilter(_ words: [UInt64]) throws(SysError) -> FD {
        do {
            return FD(
                adopting: try sys("bpf", "load a device filter") {
                    cl_bpf_load_device(words, words.count, "apus_devices")
                })
        } catch {
            throw error.hinting("needs CAP_BPF or CAP_SYS_ADMIN, and a kernel with CONFIG_CGROUP_BPF")
        }
    }

    private func detach(_ filters: [UInt32]) throws(SysError) {
        for id in filters {
            let program = try Self.deviceFilter(id: id)
            _ = try sys("bpf", "detach a device filter from /\(path)") {
                cl_bpf_detach_device(directory.raw, program.raw)
            }
        }
    }

    private static func deviceFilter(id: UInt32) throws(SysError) -> FD {
        FD(adopting: try sys("bpf", "program \(id)") { cl_bpf_program(id) })
    }
}

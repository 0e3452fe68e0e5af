/// Reading the fixed fields of a header block (POSIX ustar, GNU, v7).
enum TarFields {
    static let block = 512

    static func slice(_ header: UnsafeRawBufferPointer, _ at: Int, _ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: header[at..<(at + count)])
    }

    /// The bytes of a field up to its first NUL.
    static func text(_ field: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: field[..<(field.firstIndex(of: 0) ?? field.count)])
    }

    static func isZero(_ header: UnsafeRawBufferPointer) -> Bool { header.allSatisfy { $0 == 0 } }

    /// The sum of all bytes with the sum's own field as blanks; old writers summed signed bytes.
    static func hasValidChecksum(_ header: UnsafeRawBufferPointer) -> Bool {
        // A sum that is no number is wrong too.
        guard let stored = try? signed(slice(header, 148, 8), "checksum") else { return false }
        var unsignedSum: Int64 = 0
        var signedSum: Int64 = 0
        for i in 0..<block {
            let byte = (148..<156).contains(i) ? 0x20 : header[i]
            unsignedSum += Int64(byte)
            signedSum += Int64(Int8(bitPattern: byte))
        }
        return stored == unsignedSum || stored == signedSum
    }

    /// Octal digits between blanks and NULs, or GNU's base-256 with the top bit set; nothing is 0.
    static func signed(_ field: UnsafeRawBufferPointer, _ what: String) throws(ImageError) -> Int64 {
        if let first = field.first, first & 0x80 != 0 { return try base256(field, what) }
        var value: UInt64 = 0
        var at = 0
        while at < field.count, field[at] == 0x20 { at += 1 }
        while at < field.count, (0x30...0x37).contains(field[at]) {
            value = value << 3 | UInt64(field[at] - 0x30)  // at most 12 digits: 36 bits
            at += 1
        }
        guard at == field.count || field[at] == 0 || field[at] == 0x20 else {
            throw .invalid("\(what) is not a number")
        }
        return Int64(value)
    }

    private static func base256(_ field: UnsafeRawBufferPointer, _ what: String) throws(ImageError) -> Int64 {
        let negative = field[0] & 0x40 != 0
        var value: Int64 = negative ? -1 : 0
        for (i, raw) in field.enumerated() {
            let byte = i == 0 ? (negative ? raw | 0x80 : raw & 0x7f) : raw
            guard value >> 55 == (negative ? -1 : 0) else { throw .invalid("\(what) is out of range") }
            value = value << 8 | Int64(byte)
        }
        return value
    }

    static func size(_ field: UnsafeRawBufferPointer, _ what: String) throws(ImageError) -> UInt64 {
        let value = try signed(field, what)
        guard value >= 0, value <= Int64.max / 2 else { throw .invalid("\(what) \(value) is out of range") }
        return UInt64(value)
    }

    /// A uid or gid; 2^32-1 means "no change" to the kernel, and what is above would wrap to another user.
    static func id(_ value: Int64, _ what: String) throws(ImageError) -> UInt32 {
        guard value >= 0, value < Int64(UInt32.max) else {
            throw .invalid("\(what) \(value) is out of range")
        }
        return UInt32(value)
    }

    static func deviceNumber(_ field: UnsafeRawBufferPointer, max: Int64) throws(ImageError) -> UInt32 {
        let value = try signed(field, "device number")
        guard (0...max).contains(value) else { throw .invalid("device number \(value) is out of range") }
        return UInt32(value)
    }

    /// Decimal digits only, as in pax records.
    static func decimal(_ text: some Collection<UInt8>, _ what: String) throws(ImageError) -> UInt64 {
        var value: UInt64 = 0
        for byte in text {
            guard (0x30...0x39).contains(byte) else { throw .invalid("\(what) is not a number") }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(byte - 0x30))
            guard !overflow, !carry, sum <= UInt64(Int64.max / 2) else {
                throw .invalid("\(what) is out of range")
            }
            value = sum
        }
        guard !text.isEmpty else { throw .invalid("\(what) is empty") }
        return value
    }

    /// `[-]SECONDS[.FRACTION]` of a pax record.
    static func time(_ text: UnsafeRawBufferPointer) throws(ImageError) -> (Int64, UInt32) {
        let negative = text.first == UInt8(ascii: "-")
        let digits = UnsafeRawBufferPointer(rebasing: text[(negative ? 1 : 0)...])
        let dot = digits.firstIndex(of: UInt8(ascii: ".")) ?? digits.count
        let seconds = Int64(try decimal(digits[..<dot], "time"))
        var nanoseconds: UInt32 = 0
        var place: UInt32 = 100_000_000
        for byte in digits[min(dot + 1, digits.count)...] {
            guard (0x30...0x39).contains(byte) else { throw .invalid("time is not a number") }
            nanoseconds += UInt32(byte - 0x30) * place
            place /= 10
        }
        if !negative { return (seconds, nanoseconds) }
        return nanoseconds == 0 ? (-seconds, 0) : (-seconds - 1, 1_000_000_000 - nanoseconds)
    }
}

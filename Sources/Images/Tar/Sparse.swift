/// The maps of sparse files, in the four forms that GNU tar has written them: type `S`, and pax 0.0, 0.1 and
/// 1.0.
struct SparseRecords {
    /// `GNU.sparse.name` was given, which goes before `path`.
    var hasName = false
    /// `GNU.sparse.major` is 1: the map stands before the data.
    private(set) var mapIsInData = false
    private(set) var realSize: UInt64?
    private(set) var extents: [TarExtent] = []
    private var pendingOffset: UInt64?
    private(set) var isSparse = false

    mutating func reset() {
        (hasName, mapIsInData, realSize, pendingOffset, isSparse) = (false, false, nil, nil, false)
        extents.removeAll(keepingCapacity: true)
    }

    /// One `GNU.sparse.` record, its key without that.
    mutating func apply(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(ImageError) {
        func number() throws(ImageError) -> UInt64 { try TarFields.decimal(value, "sparse map") }
        func named(_ name: String) -> Bool { key.elementsEqual(name.utf8) }
        isSparse = true
        if named("size") || named("realsize") {
            realSize = try number()
        } else if named("major") {
            mapIsInData = try number() == 1
        } else if named("offset") {
            pendingOffset = try number()
        } else if named("numbytes") {
            guard let offset = pendingOffset else { throw .invalid("bad sparse map") }
            try add(offset, try number())
            pendingOffset = nil
        } else if named("map") {
            try addPairs(value)
        }
    }

    private mutating func addPairs(_ list: UnsafeRawBufferPointer) throws(ImageError) {
        var offset: UInt64?
        for field in list.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let value = try TarFields.decimal(field, "sparse map")
            if let start = offset {
                try add(start, value)
                offset = nil
            } else {
                offset = value
            }
        }
        guard offset == nil else { throw .invalid("bad sparse map") }
    }

    mutating func setRealSize(_ size: UInt64) { (realSize, isSparse) = (size, true) }

    mutating func add(_ offset: UInt64, _ count: UInt64) throws(ImageError) {
        guard extents.count < TarLimit.extents else {
            throw .invalid("sparse map of more than \(TarLimit.extents) parts")
        }
        extents.append(TarExtent(offset: offset, count: count))
    }

    /// In order, apart, within the file, and as long together as what is stored.
    func check(stored: UInt64) throws(ImageError) {
        guard let realSize else { throw .invalid("sparse file without a size") }
        var end: UInt64 = 0
        var sum: UInt64 = 0
        for extent in extents {
            let (extentEnd, overflow) = extent.offset.addingReportingOverflow(extent.count)
            guard extent.offset >= end, !overflow, extentEnd <= realSize else {
                throw .invalid("sparse map overlaps or leads out of the file")
            }
            end = extentEnd
            sum += extent.count  // each part lies within realSize and none overlap: no overflow
        }
        guard sum == stored else { throw .invalid("sparse map does not fit what is stored") }
    }

    /// Adds the offset and length pairs (12 bytes each) of a GNU header or one of its extensions.
    mutating func addOld(_ map: UnsafeRawBufferPointer) throws(ImageError) {
        for at in stride(from: 0, to: map.count - 23, by: 24) {
            if map[at] == 0 { return }
            let offset = try TarFields.size(TarFields.slice(map, at, 12), "sparse map")
            try add(offset, try TarFields.size(TarFields.slice(map, at + 12, 12), "sparse map"))
        }
    }

    /// Reads the map of pax 1.0: decimal lines before the data, filled up to a block. Answers its length.
    mutating func readMap(from stream: inout ByteStream, stored: UInt64) throws(ImageError) -> UInt64 {
        var length: UInt64 = 0
        var wanted: UInt64?
        var numbers: UInt64 = 0
        var (current, digits, offset) = (UInt64(0), 0, UInt64(0))
        while wanted.map({ numbers < $0 }) ?? true {
            guard length + 512 <= stored else { throw .invalid("bad sparse map") }
            let block = try stream.peek(TarFields.block)
            guard block.count == TarFields.block else { throw .invalid("archive ends early (truncated?)") }
            for byte in block where wanted.map({ numbers < $0 }) ?? true {
                if byte != 0x0a {
                    guard (0x30...0x39).contains(byte), digits < 18 else { throw .invalid("bad sparse map") }
                    (current, digits) = (current * 10 + UInt64(byte - 0x30), digits + 1)
                    continue
                }
                guard digits > 0 else { throw .invalid("bad sparse map") }
                if wanted == nil {
                    guard current <= UInt64(TarLimit.extents) else {
                        throw .invalid("sparse map of more than \(TarLimit.extents) parts")
                    }
                    wanted = current * 2
                } else {
                    if numbers % 2 == 0 { offset = current } else { try add(offset, current) }
                    numbers += 1
                }
                (current, digits) = (0, 0)
            }
            stream.consume(TarFields.block)
            length += 512
        }
        return length
    }
}

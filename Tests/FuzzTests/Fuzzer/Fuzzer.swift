/// The part that this process fuzzes is the last word of the command line, after -ignore_remaining_args=1.
private let part: FuzzPart = {
    guard let part = CommandLine.arguments.last.flatMap(FuzzPart.init) else {
        preconditionFailure("the last word is none of \(FuzzPart.allCases.map(\.rawValue))")
    }
    return part
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    part.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}

@_silgen_name("LLVMFuzzerMutate")
private func mutateBytes(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ limit: Int) -> Int

/// Inputs stay of their kind two times of three; what libFuzzer does to bytes shows little but the reader's refusals.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutate(
    _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ limit: Int, _ seed: CUnsignedInt
) -> Int {
    guard seed % 3 != 0 else { return mutateBytes(bytes, count, limit) }
    let old = Array(UnsafeBufferPointer(start: bytes, count: count))
    guard let new = part.mutate(old, seed: UInt64(seed)), new.count <= limit else {
        return mutateBytes(bytes, count, limit)
    }
    for (i, byte) in new.enumerated() { bytes[i] = byte }
    return new.count
}

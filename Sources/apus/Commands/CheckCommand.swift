import Engine
import Linux

/// `system check`.
enum CheckCommand {
    static let check = Command(
        "", group: "system", as: ["check"], "", "Verify images, layers and records",
        flags: [
            .toggle("repair", "Unpack damaged layers again and remove damaged blobs; no image is removed")
        ]
    ) { arguments, session in
        guard let images = try session.imagesIfThere() else {
            try Standard.out("\(StoreCount()): no damage\n")
            return 0
        }
        var left = 0
        var failure: SysError?
        var (found, repairs) = (0, arguments.isOn("repair"))
        try images.check(repairs: repairs) { line, isRepaired in
            found += 1
            if !isRepaired { left += 1 }
            do throws(SysError) { try Standard.show(line + "\n") } catch { failure = error }
        }
        if let failure { throw failure }
        if left > 0 { throw CommandFailure("\(left) damage\(left == 1 ? "" : "s") found") }
        let outcome = found == 0 ? "no damage" : "all damage repaired"
        try Standard.out("\(try images.count()): \(outcome)\n")
        return 0
    }
}

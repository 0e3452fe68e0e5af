/// Reading members of a document whose fields must be right: an error starts with the member's path
/// (`linux.uidMappings[0].size is out of range`), a null counts as absent, and no text holds a NUL,
/// because the kernel would read it as a shorter one.
extension JSON {
    /// A string; nil when absent.
    func text(_ name: String) throws(JSONError) -> String? {
        guard let text = try optionalString(name) else { return nil }
        guard !text.utf8.contains(0) else { throw JSONError("\(name) holds a NUL") }
        return text
    }

    /// An array of strings; empty when absent.
    func texts(_ name: String) throws(JSONError) -> [String] {
        let texts = try stringsOrEmpty(name)
        for (i, text) in texts.enumerated() where text.utf8.contains(0) {
            throw JSONError("\(name)[\(i)] holds a NUL")
        }
        return texts
    }

    /// An object of strings; empty when absent.
    func textMap(_ name: String) throws(JSONError) -> [String: String] {
        let map = try mapOrEmpty(name)
        for (key, value) in map where key.utf8.contains(0) || value.utf8.contains(0) {
            throw JSONError("\(name) holds a NUL")
        }
        return map
    }

    /// true or false; false when absent.
    func flag(_ name: String) throws(JSONError) -> Bool { try optionalBool(name) ?? false }

    /// An integer that fits its type, never cut to it (CVE-2024-40635); nil when absent.
    func number<I: FixedWidthInteger>(_ name: String) throws(JSONError) -> I? {
        guard let value = self[name] else { return nil }
        let fitting: I?
        switch value {
        case .int(let int): fitting = I(exactly: int)
        case .unsigned(let int): fitting = I(exactly: int)
        default: throw JSONError("\(name) is not an integer")
        }
        guard let fitting else { throw JSONError("\(name) is out of range (\(I.min) to \(I.max))") }
        return fitting
    }

    /// An array of integers that fit their type; empty when absent.
    func numbers<I: FixedWidthInteger>(_ name: String) throws(JSONError) -> [I] {
        var result: [I] = []
        for (i, element) in try arrayOrEmpty(name).enumerated() {
            let path = "\(name)[\(i)]"
            result.append(try JSON.object([Member(path, element)]).number(path).required(path))
        }
        return result
    }

    /// One of an enum's words; nil when absent.
    func word<Word: RawRepresentable<String>>(_ name: String) throws(JSONError) -> Word? {
        guard let text = try optionalString(name) else { return nil }
        guard let word = Word(rawValue: text) else { throw JSONError("\(name) \"\(text)\" is not known") }
        return word
    }

    /// An object, read by `read`; nil when absent.
    func child<T>(_ name: String, _ read: (JSON) throws(JSONError) -> T) throws(JSONError) -> T? {
        guard let value = self[name] else { return nil }
        return try JSON.read(value, name, read)
    }

    /// An array of objects; empty when absent.
    func children<T>(_ name: String, _ read: (JSON) throws(JSONError) -> T) throws(JSONError) -> [T] {
        var result: [T] = []
        for (i, element) in try arrayOrEmpty(name).enumerated() {
            result.append(try JSON.read(element, "\(name)[\(i)]", read))
        }
        return result
    }

    /// An object whose members are objects; empty when absent.
    func childMap<T>(_ name: String, _ read: (JSON) throws(JSONError) -> T) throws(JSONError) -> [String: T] {
        guard let value = self[name] else { return [:] }
        guard let members = value.members else { throw JSONError("\(name) is not an object") }
        var result: [String: T] = [:]
        for member in members {
            guard !member.name.utf8.contains(0) else { throw JSONError("\(name) holds a NUL") }
            result[member.name] = try JSON.read(member.value, "\(name).\(member.name)", read)
        }
        return result
    }

    private static func read<T>(
        _ value: JSON, _ path: String, _ read: (JSON) throws(JSONError) -> T
    ) throws(JSONError) -> T {
        guard value.members != nil else { throw JSONError("\(path) is not an object") }
        do throws(JSONError) {
            return try read(value)
        } catch {
            throw JSONError("\(path).\(error.description)")
        }
    }
}

extension Optional {
    /// The value, or the error that the member `name` is missing.
    func required(_ name: String) throws(JSONError) -> Wrapped {
        guard let self else { throw JSONError("\(name) is missing") }
        return self
    }
}

/// Writing: what is empty or absent leaves no member.
extension JSON {
    static func optional(_ text: String?) -> JSON? { text.map(JSON.string) }
    static func optional(_ flag: Bool?) -> JSON? { flag.map(JSON.bool) }
    static func optional(_ number: (some FixedWidthInteger)?) -> JSON? {
        if let number { .number(number) } else { nil }
    }

    static func whenTrue(_ flag: Bool) -> JSON? { flag ? .bool(true) : nil }

    /// An array of objects, nil when it is empty.
    static func nonEmpty<T>(_ values: [T], _ write: (T) -> JSON) -> JSON? {
        values.isEmpty ? nil : .array(values.map(write))
    }

    /// An object of objects in the order of its names, nil when it is empty.
    static func nonEmpty<T>(_ map: [String: T], _ write: (T) -> JSON) -> JSON? {
        guard !map.isEmpty else { return nil }
        return .object(map.sorted { $0.key < $1.key }.map { Member($0.key, write($0.value)) })
    }

    /// Nil for an object without members.
    var unlessEmpty: JSON? { self == .object([]) ? nil : self }
}

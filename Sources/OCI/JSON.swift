/// A JSON document as a value: integers exact, object members in their order, duplicate names refused
/// (RFC 8259; security: two readers must not see two different documents).
public enum JSON: Equatable, Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    /// An integer above `Int64.max` (an rlimit of infinity, a mask of 64 bits), never a smaller one.
    case unsigned(UInt64)
    /// A number that is not an integer of 64 bits.
    case double(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    /// One `"name": value` of an object.
    public struct Member: Equatable, Sendable {
        /// As in the document, escapes resolved.
        public let name: String
        /// Its value; null is kept.
        public var value: JSON
        /// A member of its parts.
        public init(_ name: String, _ value: JSON) { (self.name, self.value) = (name, value) }
    }
}

extension JSON {
    /// The member `name` of an object; nil when absent, null, or this is no object. Names are compared by
    /// bytes: a String would also equal one that Unicode calls equivalent, and another reader sees no such
    /// member.
    public subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        let count = name.utf8.count
        let found = members.first { $0.name.utf8.count == count && $0.name.utf8.elementsEqual(name.utf8) }?
            .value
        return found == .null ? nil : found
    }

    /// The text of a string; nil when this is none.
    public var string: String? { if case .string(let s) = self { s } else { nil } }
    /// The value of an integer that fits 64 bits with a sign; nil when this is none.
    public var int: Int64? { if case .int(let i) = self { i } else { nil } }
    /// true or false; nil when this is neither.
    public var bool: Bool? { if case .bool(let b) = self { b } else { nil } }
    /// The elements of an array; nil when this is none.
    public var array: [JSON]? { if case .array(let a) = self { a } else { nil } }
    /// The members of an object in their order; nil when this is none.
    public var members: [Member]? { if case .object(let m) = self { m } else { nil } }

    /// The strings of an array of strings; nil when it is anything else.
    public var strings: [String]? {
        guard let array else { return nil }
        let strings = array.compactMap(\.string)
        return strings.count == array.count ? strings : nil
    }

    /// An object without the members whose value is nil: how optional fields are written.
    public static func fields(_ members: KeyValuePairs<String, JSON?>) -> JSON {
        .object(members.compactMap { name, value in value.map { Member(name, $0) } })
    }

    /// An integer of any width as the one case that stands for it.
    public static func number(_ value: some FixedWidthInteger) -> JSON {
        Int64(exactly: value).map(JSON.int) ?? .unsigned(UInt64(clamping: value))
    }

    /// A string array, or nil when it is empty: `omitempty` of the OCI documents.
    public static func nonEmpty(_ strings: [String]) -> JSON? {
        strings.isEmpty ? nil : .array(strings.map(JSON.string))
    }

    /// An object of strings in the order of its names, or nil when it is empty.
    public static func nonEmpty(_ map: [String: String]) -> JSON? {
        map.isEmpty ? nil : .object(map.sorted { $0.key < $1.key }.map { Member($0.key, .string($0.value)) })
    }
}

/// What is wrong with a JSON document, and at which byte or member.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One line.
    public let description: String
    /// Takes the line.
    public init(_ description: String) { self.description = description }
}

/// Typed access to members, with the member's path in the error. For documents whose fields must be right.
extension JSON {
    /// A string that must be there.
    public func requireString(_ name: String) throws(JSONError) -> String {
        guard let value = self[name] else { throw JSONError("\(name) is missing") }
        guard let string = value.string else { throw JSONError("\(name) is not a string") }
        return string
    }

    /// An integer that must be there.
    public func requireInt(_ name: String) throws(JSONError) -> Int64 {
        guard let value = self[name] else { throw JSONError("\(name) is missing") }
        guard let int = value.int else { throw JSONError("\(name) is not an integer") }
        return int
    }

    /// A string; nil when it is absent.
    public func optionalString(_ name: String) throws(JSONError) -> String? {
        self[name] == nil ? nil : try requireString(name)
    }

    /// An integer; nil when it is absent.
    public func optionalInt(_ name: String) throws(JSONError) -> Int64? {
        self[name] == nil ? nil : try requireInt(name)
    }

    /// true or false; nil when it is absent.
    public func optionalBool(_ name: String) throws(JSONError) -> Bool? {
        guard let value = self[name] else { return nil }
        guard let bool = value.bool else { throw JSONError("\(name) is not true or false") }
        return bool
    }

    /// The elements of an array member; empty when it is absent.
    public func arrayOrEmpty(_ name: String) throws(JSONError) -> [JSON] {
        guard let value = self[name] else { return [] }
        guard let array = value.array else { throw JSONError("\(name) is not an array") }
        return array
    }

    /// An array of strings; empty when it is absent.
    public func stringsOrEmpty(_ name: String) throws(JSONError) -> [String] {
        guard let value = self[name] else { return [] }
        guard let strings = value.strings else { throw JSONError("\(name) is not an array of strings") }
        return strings
    }

    /// An object of strings; empty when it is absent.
    public func mapOrEmpty(_ name: String) throws(JSONError) -> [String: String] {
        guard let value = self[name] else { return [:] }
        guard let members = value.members else { throw JSONError("\(name) is not an object") }
        var map: [String: String] = [:]
        for member in members {
            guard let string = member.value.string else {
                throw JSONError("\(name).\(member.name) is not a string")
            }
            map[member.name] = string
        }
        return map
    }
}

public import OCI

/// What a listing command prints: rows with docker's field names, in a table, a template or JSON.
public struct Listing: Equatable, Sendable {
    /// One line: what `--format` can name.
    public struct Row: Equatable, Sendable {
        /// In the order of their names, as docker's JSON has them.
        public var fields: [(name: String, value: String)]
        /// Objects that a template may call with a key and that JSON leaves out: `.Label "a"`.
        public var methods: JSON

        /// Takes fields in any order.
        public init(_ fields: [(name: String, value: String)], methods: JSON = .object([])) {
            self.fields = fields.sorted { $0.name < $1.name }
            self.methods = methods
        }

        /// Equal fields and methods.
        public static func == (a: Row, b: Row) -> Bool { a.json == b.json && a.methods == b.methods }

        var json: JSON { .object(fields.map { .init($0.name, .string($0.value)) }) }
    }

    /// Headings by field.
    public var headings: [(field: String, heading: String)]
    /// The template of the table when no other is asked for.
    public var template: String
    /// In the order in which they are printed.
    public var rows: [Row]

    /// Takes docker's headings and its standard template.
    public init(headings: [(field: String, heading: String)], template: String, rows: [Row]) {
        (self.headings, self.template, self.rows) = (headings, template, rows)
    }

    /// Equal headings, template and rows.
    public static func == (a: Listing, b: Listing) -> Bool {
        a.template == b.template && a.rows == b.rows && a.headings.map(\.heading) == b.headings.map(\.heading)
    }

    /// The text for `--format`: nil or `table` gives the standard table, `table TEMPLATE` another one, `json` one
    /// object a line, anything else a line of the template for each row. `escaping` shows control characters as
    /// `\u{1b}`: a terminal must not obey an image's label.
    public func render(format: String?, escaping: Bool = false) throws(TemplateError) -> String {
        let format = format.map(Listing.trimmed).flatMap { $0.isEmpty ? nil : $0 } ?? "table"
        let shown = escaping ? rows.map(Listing.escaped) : rows
        if format == "json" { return shown.map { $0.json.text + "\n" }.joined() }
        guard format.hasPrefix("table") else {
            let template = try Template(Listing.unescaped(format))
            return try lines(template, shown).map { $0 + "\n" }.joined()
        }
        let body = format == "table" ? template : Listing.trimmed(String(format.dropFirst(5)))
        let template = try Template(Listing.unescaped(body))
        let heading = JSON.object(headings.map { .init($0.field, .string($0.heading)) })
        let methods = JSON.object([.init("Label", .object([])), .init("Labels", .string("LABELS"))])
        let first = try template.render(heading, methods: methods, isHeader: true)
        return Table.align([first] + (try lines(template, shown)))
    }

    /// Without the blanks around it, as docker takes a format.
    private static func trimmed(_ text: String) -> String {
        var text = text.drop { $0 == " " }
        while text.last == " " { text.removeLast() }
        return String(text)
    }

    private func lines(_ template: Template, _ rows: [Row]) throws(TemplateError) -> [String] {
        var lines: [String] = []
        for row in rows { lines.append(try template.render(row.json, methods: row.methods)) }
        return lines
    }

    private static func escaped(_ row: Row) -> Row {
        Row(row.fields.map { ($0.name, escapeControls($0.value)) }, methods: escaped(row.methods))
    }

    private static func escaped(_ json: JSON) -> JSON {
        switch json {
        case .string(let text): .string(escapeControls(text))
        case .array(let values): .array(values.map(escaped))
        case .object(let members): .object(members.map { .init(escapeControls($0.name), escaped($0.value)) })
        default: json
        }
    }

    /// docker reads `\t` and `\n` in a format as the characters, since shells do not.
    static func unescaped(_ format: String) -> String {
        var result = ""
        var rest = Substring(format)
        while let character = rest.popFirst() {
            if character == "\\", let next = rest.first, next == "t" || next == "n" {
                rest.removeFirst()
                result += next == "t" ? "\t" : "\n"
            } else {
                result.append(character)
            }
        }
        return result
    }
}

/// Columns of text.
public enum Table {
    /// Lines whose cells are separated by tabs, padded as docker does: cells at least 10 wide, or as `least` says, 3
    /// blanks between, the last cell as it is. Each line ends with a line feed.
    public static func align(_ lines: [String], least: Int = 10) -> String {
        let rows = lines.map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.dropLast().enumerated() {
                if column == widths.count { widths.append(least) }
                widths[column] = max(widths[column], cell.count + 3)
            }
        }
        return rows.map { row in
            let padded = row.dropLast().enumerated().map { column, cell in
                cell + String(repeating: " ", count: widths[column] - cell.count)
            }
            return padded.joined() + (row.last ?? "") + "\n"
        }.joined()
    }
}

/// The text with control characters but `kept` written out (`\u{1b}`), so that no terminal obeys them.
public func escapeControls(_ text: String, keeping kept: Set<Unicode.Scalar> = []) -> String {
    func isControl(_ scalar: Unicode.Scalar) -> Bool {
        if kept.contains(scalar) { return false }
        return scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value)
            || (0x202a...0x202e).contains(scalar.value)
            || (0x2066...0x2069).contains(scalar.value)
    }
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
        if isControl(scalar) {
            result += "\\u{\(String(scalar.value, radix: 16))}"
        } else {
            result.unicodeScalars.append(scalar)
        }
    }
    return result
}

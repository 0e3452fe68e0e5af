import Engine
import OCI
import Testing

/// Outputs of docker's own command line (28.2, `context ls --format`) for the same templates.
@Suite struct TemplateTests {
    private let data = JSON.object([
        .init("Current", .bool(true)), .init("Name", .string("default")),
        .init("State", .object([.init("Pid", .int(7)), .init("Code", .null)])),
        .init("Labels", .object([.init("b", .string("2")), .init("a", .string("1"))])),
        .init("Args", .array([.string("x"), .string("y")])), .init("None", .array([])),
    ])

    private func render(_ template: String) throws -> String { try Template(template).render(data) }

    @Test(arguments: [
        (
            #"{{json .Name}}|{{title "a-b c_d"}}|{{pad "x" 2 3}}|{{truncate "abcdef" 3}}"#,
            #""default"|A-B C_d|  x   |abc"#
        ),
        (
            #"{{join (split "a,b,c" ",") "-"}}|{{print "a" 1 2 "b"}}|{{println "a" 1 true}}|"#,
            "a-b-c|a1 2b|a 1 true\n|"
        ),
        (#"{{print 1 true "a" "b" 2}}|{{print}}"#, "1 trueab2|"),
        (
            #"{{printf "%5s|%-5s|%05d|%q|%v|%x|%t|%d" "a" "b" 42 "q" (split "a b" " ") 255 true "s"}}"#,
            #"    a|b    |00042|"q"|[a b]|ff|true|%!d(string=s)"#
        ),
        (
            #"{{printf "%d %s" 1}}|{{printf "%d" 1 2}}|{{printf "%s" 5}}"#,
            "1 %!s(MISSING)|1%!(EXTRA int=2)|%!s(int=5)"
        ),
        (
            #"{{len "abc"}}|{{index (split "a b" " ") 1}}|{{eq 1 2 1}}{{ne 1 2}}{{lt 1 2}}{{and 1 0}}{{or 0 "x"}}"#,
            "3|b|truetruetrue0x"
        ),
        (
            #"{{range $i, $e := split "a b" " "}}{{$i}}={{$e}};{{end}}|{{with ""}}w{{else}}e{{end}}"#,
            "0=a;1=b;|e"
        ),
        ("{{if false}}1{{else if true}}2{{else}}3{{end}}|{{not 0}}", "2|true"),
        (
            #"a {{- " x " -}} |{{/* c */}}|{{slice "abcdef" 1 3}}|{{.Name | upper | printf "%s!"}}"#,
            "a x ||bc|DEFAULT!"
        ),
        (
            #"{{range split "abc" ""}}{{if eq . "b"}}{{continue}}{{end}}{{.}}{{end}}|{{`raw`}}|{{"e\tx"}}|{{1.5}}"#,
            "ac|raw|e\tx|1.5"
        ),
        (#"{{printf "%.3s|%5.2s|%.3d|%.9s" "abcdef" "xyz" 7 "ab"}}"#, "abc|   xy|007|ab"),
        (#"{{printf "%q" "a\"b\\c\td"}}"#, #""a\"b\\c\td""#),
        (#"{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}|{{with $y := "q"}}{{$y}}{{.}}{{end}}"#, "2|qq"),
        (#"{{- "x" -}}{{"y"}} {{- /* c */ -}} z{{ .Name }}{{- 3}}"#, "xyzdefault3"),
        (#"{{range $e := split "a b" " "}}{{$e}}{{else}}none{{end}}|{{split "a b" " "}}"#, "ab|[a b]"),
    ])
    func printsWhatDockerPrints(template: String, expected: String) throws {
        #expect(try render(template) == expected)
    }

    @Test(arguments: [
        ("{{.State.Pid}} {{json .Args}} {{.Args}}", #"7 ["x","y"] [x y]"#), ("{{.Labels}}", "map[a:1 b:2]"),
        (#"{{index .Labels "a"}}|{{index .Labels "z"}}|{{.Labels.a}}|{{.Labels.z}}"#, "1||1|<no value>"),
        ("{{range $k, $v := .Labels}}{{$k}}{{$v}} {{end}}{{range .None}}x{{else}}-{{end}}", "a1 b2 -"),
        ("{{with .State}}{{.Pid}}{{$.Name}}{{end}}|{{(index .Args 1) | upper}}", "7default|Y"),
        ("{{range .Args}}{{if eq . \"y\"}}{{break}}{{end}}{{.}}{{end}}", "x"),
        ("{{json .State}}", #"{"Pid":7,"Code":null}"#), ("no action } }} at all", "no action } }} at all"),
    ])
    func readsData(template: String, expected: String) throws { #expect(try render(template) == expected) }

    @Test(arguments: [
        ("{{.Foo", "template: :1: unclosed action"),
        ("\n{{foo .}}", "template: :2: function \"foo\" not defined"),
        ("{{if}}", "template: :1: missing value for if"), ("{{if .Name}}x", "template: :1: unexpected EOF"),
        ("{{end}}", "template: :1: unexpected {{end}}"), ("{{else}}", "template: :1: unexpected {{else}}"),
        ("{{\"a}}", "template: :1: unterminated quoted string"),
        ("{{}}", "template: :1: missing value for command"),
        ("{{(.Name}}", "template: :1: unclosed left paren"), ("{{/* x }}", "template: :1: unclosed comment"),
        ("{{1 | 2}}", "template: :1: non executable command in pipeline stage 2"),
        ("{{break}}", "template: :1: {{break}} outside {{range}}"),
    ])
    func refusesWhatCannotBeParsed(template: String, why: String) {
        #expect(refusal { _ = try Template(template) } == why)
    }

    @Test(arguments: [
        ("{{.Foo}}", #"template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo""#),
        (
            "{{eq 1 \"a\"}}",
            #"template: :1:2: executing "" at <eq>: error calling eq: incompatible types for comparison"#
        ),
        ("{{.State.Code.X}}", #"template: :1:2: executing "" at <.X>: nil pointer evaluating .X"#),
    ])
    func refusesWhatTheDataLacks(template: String, why: String) {
        #expect(refusal { _ = try render(template) } == why)
    }

    @Test func hostileTemplatesEnd() {
        #expect(refusal { _ = try Template(String(repeating: "{{if 1}}", count: 5000)) } != nil)
        #expect(refusal { _ = try Template("{{" + String(repeating: "(", count: 5000)) } != nil)
        #expect(throws: Never.self) {
            try render(#"{{len (printf "%999999999d" 1)}}{{pad "x" 999999999 0 | len}}"#)
        }
        for bad in [
            "{{$x}}", "{{index .Args 9}}", "{{index .Args -1}}", "{{slice .Args 2 1}}", "{{range 3}}{{end}}",
        ] {
            #expect(refusal { _ = try render(bad) } != nil, "\(bad)")
        }
    }
}

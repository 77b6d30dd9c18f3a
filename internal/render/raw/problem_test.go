package raw

import (
	"fmt"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/policy"
)

func TestWhatIsWrongIsPointedAt(t *testing.T) {
	const head = "apiVersion: v1\nkind: X\n"
	for _, test := range []struct{ name, file, content, want string }{
		{"a key twice", "f.yaml", head + "a:\n  b:\n    c: 1\n  d: 2\n  b: 3\n", `7:3 key "b" is already set in line 4`},
		{"a key twice in flow style", "f.yaml", head + "a: {b: 1, b: 2}\n", `3:11 key "b" is already set in line 3`},
		{"a key twice in JSON", "f.json", "{\"apiVersion\": \"v1\",\n\"kind\": \"X\",\n\"kind\": \"Y\"}", `3:1 key "kind" is already set in line 2`},
		{"a key twice in the second document", "f.yaml", head + "---\n" + head + "kind: Y\n", `6:1 key "kind" is already set in line 5`},
		{"two keys that are one", "f.yaml", head + "1: a\n\"1\": b\n", `1:0 key "1" is set twice in one map, once as text and once as a number or boolean`},
		{"a tab for indentation", "f.yaml", head + "metadata:\n\tname: a\n", "4:1 a tab is used for indentation"},
		{"a tab behind spaces", "f.yaml", head + "metadata:\n  a:\n  \tb: a\n", "5:3 a tab is used for indentation"},
		{"a colon in a text", "f.yaml", head + "a: b: c\n", "3:5 a second key or colon where a value ends"},
		{"a line that is indented deeper", "f.yaml", head + "metadata:\n  name: a\n    labels: b\n", "5:5 a second key or colon where a value ends"},
		{"a line that is indented less", "f.yaml", head + "metadata:\n    name: a\n  labels: b\n", "5:3 did not find expected key"},
		{"a key without a colon", "f.yaml", head + "metadata\nspec: 1\n", "3:1 a key without a colon"},
		{"a key without a space", "f.yaml", head + "metadata:x\n# c\nspec: 1\n", "3:1 a key without a colon"},
		{"a quote that is never closed", "f.yaml", head + "a: 'x'\nb: \"y\nc: d\ne: f\n", "4:4 a quote is opened here and never closed"},
		{"a bracket that is never closed", "f.yaml", head + "a: [1, 2\nb: c\n", "4:1 did not find expected ',' or ']'"},
		{"an at sign", "f.yaml", head + "a: @b\n", "3:4 a value cannot begin with @"},
		{"an anchor that is not known", "f.yaml", head + "a: x\nb: [c, *nope]\n", "4:8 no anchor &nope is written before this alias"},
		{"a merge conflict", "f.yaml", head + "<<<<<<< HEAD\na: b\n=======\na: c\n>>>>>>> x\n", "3:1 a merge conflict is not resolved"},
		{"a control character", "f.yaml", head + "a: \"b\x01\"\n", "3:6 a control character is not allowed"},
		{"a template", "f.yaml", head + "a: {{ .Values.a }}\n", "3:5 a map or list is used as a key"},
		{"in the second document", "f.yaml", "a: b\n---\n" + head + "---\n" + head + "  a: b\n", "8:3 a second key or colon where a value ends"},
		{"CRLF", "f.yaml", strings.ReplaceAll(head+"a: b: c\n", "\n", "\r\n"), "3:5 a second key or colon where a value ends"},
		{"not UTF-8", "f.yaml", head + "é: a\xff\n", "3:5 byte 0xFF is not text in UTF-8"},
		{"not text", "f.yaml", head + "\x00", "0:0 the file is not text: it contains NUL bytes"},
		{"UTF-16", "f.yaml", "\xff\xfea\x00", "0:0 the file is text in UTF-16, which Kubernetes does not read"},
		{"JSON that ends", "f.json", "{\"apiVersion\": \"v1\",\n\"kind\": \"X\",\n", "2:13 not valid JSON: the file ends in the middle of a value"},
		{"JSON with a wrong bracket", "f.json", "{\"apiVersion\": \"v1\",\n\"kind\": \"X\"]", "2:12 not valid JSON: invalid character ']' after object key:value pair"},
		{"infinity", "f.yaml", head + "a: .inf\n", "1:0 +Inf is not a number that JSON can hold"},
		{"no key", "f.yaml", head + "~: a\n", "1:0 a key is null: keys must be text, write it in quotes"},
		{"an anchor in itself", "f.yaml", head + "a: &a [*a]\n", "1:0 an anchor contains itself"},
		{"an item that is no object", "f.yaml", "apiVersion: v1\nkind: List\nitems:\n- a\n", "4:3 item 1 of the List is not an object"},
		{"what cannot be an object is a warning", "f.yaml", "a: b: c\n", "1:5 a second key or colon where a value ends, warning"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, problems := Parse(test.file, []byte(test.content))
			if len(problems) != 1 {
				t.Fatalf("got problems %v", problems)
			}
			p := problems[0]
			got := fmt.Sprintf("%d:%d %s", p.Location.Line, p.Location.Column, p.Message)
			if p.Warning {
				got += ", warning"
			}
			if got != test.want {
				t.Errorf("\ngot  %s\nwant %s", got, test.want)
			}
			if p.Location.File != test.file || p.Kind != policy.LoadProblem {
				t.Errorf("file %q, kind %q", p.Location.File, p.Kind)
			}
		})
	}
}

func TestOneBadDocumentLeavesTheOthers(t *testing.T) {
	objects, problems := Parse("f.yaml", []byte("apiVersion: v1\nkind: A\n---\nkind: [\n---\napiVersion: v1\nkind: B\n"))
	if len(objects) != 2 || objects[0].Kind() != "A" || objects[1].Kind() != "B" || len(problems) != 1 {
		t.Errorf("got objects %v and problems %v", objects, problems)
	}
}

func TestTemplatesAreRecognised(t *testing.T) {
	_, problems := Parse("f.yaml", []byte("apiVersion: v1\nkind: A\n{{- if .x }}\na: b\n{{- end }}\n"))
	if len(problems) != 1 || !strings.Contains(problems[0].Hint, "template") {
		t.Errorf("got %v", problems)
	}
}

func TestAFileFullOfProblemsIsSummedUp(t *testing.T) {
	_, problems := Parse("f.yaml", []byte(strings.Repeat("kind: [\n---\n", maxProblems+7)))
	if last := problems[len(problems)-1].Message; len(problems) != maxProblems+1 || last != "and 7 more problems in this file" {
		t.Errorf("got %d problems, the last is %q", len(problems), last)
	}
}

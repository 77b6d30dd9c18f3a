package raw

import (
	"fmt"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/policy"
)

// describe writes locations as "line:column the covered text (note)".
func describe(content string, locations []policy.Location) string {
	lines := strings.Split(strings.TrimPrefix(content, "\uFEFF"), "\n")
	var all []string
	for _, l := range locations {
		covered := "?"
		if l.Line > 0 && l.EndLine > 0 && l.EndLine <= len(lines) {
			var parts []string
			for n := l.Line; n <= l.EndLine; n++ {
				text := []rune(lines[n-1])
				from, to := 0, len(text)
				if n == l.Line {
					from = l.Column - 1
				}
				if n == l.EndLine {
					to = min(l.EndColumn-1, len(text))
				}
				parts = append(parts, string(text[from:to]))
			}
			covered = strings.Join(parts, "⏎")
		}
		one := fmt.Sprintf("%d:%d %s", l.Line, l.Column, covered)
		if l.Note != "" {
			one += " (" + l.Note + ")"
		}
		all = append(all, one)
	}
	return strings.Join(all, " | ")
}

const deployment = `# a comment
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web   # trailing
  labels:
    app.kubernetes.io/name: "web"
    'quoted key': 'it''s'
spec:
  replicas: 2
  template:
    spec:
      containers:
      - name: main
        image: registry.example/web:1.0
        args: [--a, "--b=}", --c]
        env:
        - {name: A, value: "1"}
        -   name: B
            value: |
              first
                second

              third
      - &side
        name: side
        command:
        - sh
        - -c
        - >-
          folded
          text
      nodeSelector: {}
      hostNetwork:
      tolerations: [
        {key: a}]
      note: this is
        continued
`

func TestPlaces(t *testing.T) {
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {x: y}}\nspec:\n  containers:\n  - name: main\n"
	merged := `apiVersion: v1
kind: ConfigMap
x-base: &base
  a: 1
  deep:
    b: 2
list: &list [p, q]
data:
  <<: *base
  c: 3
  over: *list
inline:
  <<: [{z: 9}, *base]
direct: *base
own:
  a: 5
  <<: *base
`
	for _, test := range []struct{ name, file, content, path, want string }{
		{"a scalar", "f.yaml", deployment, "spec.replicas", "10:3 replicas: 2"},
		{"a scalar with a comment behind it", "f.yaml", deployment, "metadata.name", "5:3 name: web"},
		{"a map in block style is its key", "f.yaml", deployment, "metadata", "4:1 metadata"},
		{"a list in block style is its key", "f.yaml", deployment, "spec.template.spec.containers", "13:7 containers"},
		{"a list item is its first entry", "f.yaml", deployment, "spec.template.spec.containers[0]", "14:9 name: main"},
		{"a list item behind an anchor", "f.yaml", deployment, "spec.template.spec.containers[1]", "26:9 name: side"},
		{"a scalar item", "f.yaml", deployment, "spec.template.spec.containers[1].command[1]", "29:11 -c"},
		{"an index without brackets is a key that is resolved", "f.yaml", deployment, "spec.template.spec.containers.0.image", "15:9 image: registry.example/web:1.0"},
		{"a key with dots that are not quoted", "f.yaml", deployment, "metadata.labels.app.kubernetes.io/name", `7:5 app.kubernetes.io/name: "web"`},
		{"a key with dots in quotes", "f.yaml", deployment, `metadata.labels["app.kubernetes.io/name"]`, `7:5 app.kubernetes.io/name: "web"`},
		{"a key in quotes", "f.yaml", deployment, `metadata.labels["quoted key"]`, `8:5 'quoted key': 'it''s'`},
		{"a list in flow style", "f.yaml", deployment, "spec.template.spec.containers[0].args", `16:9 args: [--a, "--b=}", --c]`},
		{"an item in flow style", "f.yaml", deployment, "spec.template.spec.containers[0].args[1]", `16:21 "--b=}"`},
		{"a map in flow style", "f.yaml", deployment, "spec.template.spec.containers[0].env[0]", `18:11 {name: A, value: "1"}`},
		{"a key in flow style", "f.yaml", deployment, "spec.template.spec.containers[0].env[0].value", `18:21 value: "1"`},
		{"a literal text to its end", "f.yaml", deployment, "spec.template.spec.containers[0].env[1].value", "20:13 value: |⏎              first⏎                second⏎⏎              third"},
		{"a folded text to its end", "f.yaml", deployment, "spec.template.spec.containers[1].command[2]", "30:11 >-⏎          folded⏎          text"},
		{"an empty map", "f.yaml", deployment, "spec.template.spec.nodeSelector", "33:7 nodeSelector: {}"},
		{"an empty value", "f.yaml", deployment, "spec.template.spec.hostNetwork", "34:7 hostNetwork"},
		{"a flow list of several lines", "f.yaml", deployment, "spec.template.spec.tolerations", "35:7 tolerations"},
		{"a plain text of several lines", "f.yaml", deployment, "spec.template.spec.note", "37:7 note"},
		{"a missing leaf", "f.yaml", deployment, "spec.template.spec.hostPID", `12:5 spec ("hostPID" is missing here)`},
		{"a missing branch", "f.yaml", deployment, "metadata.annotations.owner", `4:1 metadata ("annotations.owner" is missing here)`},
		{"nothing of it is there", "f.yaml", deployment, "status.phase", `2:1 apiVersion: apps/v1 ("status.phase" is missing here)`},
		{"an index beyond the end", "f.yaml", deployment, "spec.template.spec.containers[5].image", `13:7 containers ("[5].image" is missing here)`},
		{"the template of a pod is the pod", "f.yaml", pod, "spec.template.spec.containers[0].name", "6:5 name: main"},
		{"missing in the template of a pod", "f.yaml", pod, "spec.template.spec.containers[0].image", `6:5 name: main ("image" is missing here)`},
		{"a flow map on one line", "f.yaml", pod, "metadata", "3:1 metadata: {name: a, labels: {x: y}}"},
		{"within a flow map", "f.yaml", pod, "metadata.labels.x", "3:30 x: y"},
		{"CRLF", "f.yaml", strings.ReplaceAll(pod, "\n", "\r\n"), "spec.containers[0].name", "6:5 name: main"},
		{"a byte order mark", "f.yaml", "\uFEFF" + pod, "kind", "2:1 kind: Pod"},
		{"columns count characters", "f.yaml", "apiVersion: v1\nkind: X\n\"ключ\": {é: ü, z: 1}\n", "ключ.z", `3:16 z: 1`},
		{"line separators of Unicode are not lines of an editor", "f.yaml", "apiVersion: v1\nkind: X\na: \"b\u2028  c\"\nd: e\n", "d", "4:1 d: e"},
		{"a tab behind the value", "f.yaml", "apiVersion: v1\nkind: X\na: b\t\n", "a", "3:1 a: b"},
		{"a tag before the value", "f.yaml", "apiVersion: v1\nkind: X\na: !!str 12 # x\n", "a", "3:1 a: !!str 12"},
		{"a second document", "f.yaml", "# nothing\n---\n# still nothing\n---\napiVersion: v1\nkind: X\na: b\n", "a", "7:1 a: b"},
		{"directives", "f.yaml", "%YAML 1.1\n---\napiVersion: v1\nkind: X\n", "kind", "4:1 kind: X"},
		{"an explicit key", "f.yaml", "apiVersion: v1\nkind: X\n? a\n: b\n", "a", "3:3 a"},
		{"a literal whose first line is deeper", "f.yaml", "apiVersion: v1\nkind: X\na: |2\n     x\n  y\nb: c\n", "a", "3:1 a: |2⏎     x⏎  y"},

		{"a merged key", "f.yaml", merged, "data.a", "9:3 <<: *base (merged in from *base) | 4:3 a: 1 (written here, at the anchor &base)"},
		{"below a merged key", "f.yaml", merged, "data.deep.b", "9:3 <<: *base (merged in from *base) | 6:5 b: 2 (written here, at the anchor &base)"},
		{"beside a merged key", "f.yaml", merged, "data.c", "10:3 c: 3"},
		{"an alias", "f.yaml", merged, "data.over", "11:3 over: *list (the alias *list stands for it) | 7:7 &list [p, q] (written here, at the anchor &list)"},
		{"below an alias", "f.yaml", merged, "data.over[1]", "11:3 over: *list (the alias *list stands for it) | 7:17 q (written here, at the anchor &list)"},
		{"a merge of several", "f.yaml", merged, "inline.a", "13:3 <<: [{z: 9}, *base] (merged in from *base) | 4:3 a: 1 (written here, at the anchor &base)"},
		{"an inline merge", "f.yaml", merged, "inline.z", "13:9 z: 9"},
		{"missing below an alias", "f.yaml", merged, "direct.nope", `14:1 direct: *base ("nope" is missing here) | 4:3 a: 1 (written here, at the anchor &base)`},
		{"a later merge wins, as in the values", "f.yaml", merged, "own.a", "17:3 <<: *base (merged in from *base) | 4:3 a: 1 (written here, at the anchor &base)"},

		{"JSON", "f.json", "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"X\",\n\t\"a\": [1, {\"b\": \"\\ud83d\\ude00\", \"é\": {\"c\": true}}]\n}\n", "a[1].é.c", `4:39 "c": true`},
		{"a surrogate pair in JSON", "f.json", "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"X\",\n\t\"a\": [1, {\"b\": \"\\ud83d\\ude00\"}]\n}\n", "a[1].b", `4:12 "b": "\ud83d\ude00"`},
		{"an item in JSON over several lines", "f.json", "{\"apiVersion\": \"v1\", \"kind\": \"X\",\n\"a\": [\n  {\n\"b\": 1}]}", "a[0]", `3:3 {`},
		{"a number in JSON", "f.json", "{\"apiVersion\": \"v1\", \"kind\": \"X\", \"n\": 1.50e3}", "n", `1:35 "n": 1.50e3`},
		{"null in JSON", "f.json", "{\"apiVersion\": \"v1\", \"kind\": \"X\", \"n\": null}", "n", `1:35 "n": null`},
		{"the second JSON value of a line", "f.json", "{\"kind\": 1} {\"apiVersion\": \"v1\",\n \"kind\": \"X\"}", "apiVersion", `1:14 "apiVersion": "v1"`},
		{"JSON in a YAML file", "f.yaml", "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"X\"\n}\n", "kind", `3:2 "kind": "X"`},
		{"the merge key of YAML is no merge key of JSON", "f.json", `{"apiVersion": "v1", "kind": "X", "<<": {"a": 1}}`, "a", `1:1 {"apiVersion": "v1", "kind": "X", "<<": {"a": 1}} ("a" is missing here)`},
	} {
		t.Run(test.name, func(t *testing.T) {
			objects, problems := Parse(test.file, []byte(test.content))
			if len(objects) != 1 || len(problems) > 0 {
				t.Fatalf("got %d objects and problems %v", len(objects), problems)
			}
			path, err := policy.ParsePath(test.path)
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(test.content, objects[0].Origin.Field(path)); got != test.want {
				t.Errorf("\ngot  %s\nwant %s", got, test.want)
			}
		})
	}
}

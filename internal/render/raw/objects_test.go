package raw

import (
	"fmt"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/policy"
)

func TestObjectsOfAFile(t *testing.T) {
	for _, test := range []struct{ name, file, content, want string }{
		{"one", "f.yaml", "apiVersion: v1\nkind: A\nmetadata: {name: x}\n", "1 a/x"},
		{"several", "f.yaml", "---\n# c\n---\napiVersion: v1\nkind: A\n---\n\n---\napiVersion: v1\nkind: B\n...\n---\napiVersion: v1\nkind: C\n", "4 a/, 9 b/, 13 c/"},
		{"behind an end marker", "f.yaml", "apiVersion: v1\nkind: A\n...\napiVersion: v1\nkind: B\n", "1 a/, 4 b/"},
		{"on the separator's line", "f.yaml", "--- {apiVersion: v1, kind: A}\n--- # c\napiVersion: v1\nkind: B\n", "1 a/, 3 b/"},
		{"three dashes in a text are no separator", "f.yaml", "apiVersion: v1\nkind: A\ndata: |\n  ---\n  kind: B\n---x: y\n", "1 a/"},
		{"CRLF", "f.yaml", "apiVersion: v1\r\nkind: A\r\n---\r\napiVersion: v1\r\nkind: B\r\n", "1 a/, 4 b/"},
		{"empty", "f.yaml", "", ""},
		{"only comments", "f.yaml", "# a\n---\n# b\n", ""},
		{"no version, no kind", "f.yaml", "kind: A\n---\napiVersion: v1\n---\n- apiVersion: v1\n  kind: A\n---\ntext\n---\napiVersion: 1\nkind: A\n---\napiVersion: v1\nkind: [A]\n", ""},
		{"a list", "f.yaml", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: A\n- {apiVersion: v1, kind: B}\n- kind: nothing\n", "4 a/, 6 b/"},
		{"a list of a kind gives its items theirs", "f.yaml", "apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- metadata: {name: x}\n", "4 deployment/x"},
		{"a list in a list", "f.yaml", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - apiVersion: v1\n    kind: A\n", "7 a/"},
		{"items are a list whatever the kind is", "f.yaml", "apiVersion: v1\nkind: Bundle\nitems:\n- apiVersion: v1\n  kind: A\n", "4 a/"},
		{"an empty list", "f.yaml", "apiVersion: v1\nkind: List\nitems: []\n", ""},
		{"items that are a map", "f.yaml", "apiVersion: v1\nkind: Bundle\nitems: {a: b}\n", "1 bundle/"},
		{"JSON", "f.json", "{\"apiVersion\": \"v1\", \"kind\": \"A\"}\n{\"apiVersion\": \"v1\",\n\"kind\": \"B\"}", "1 a/, 2 b/"},
		{"YAML in a file that is named as JSON", "f.json", "apiVersion: v1\nkind: A\n", "1 a/"},
		{"JSON with a comma too many, as kubectl takes it", "f.json", "{\"apiVersion\": \"v1\",\n\"kind\": \"A\",\n}", "1 a/"},
		{"JSON by its look", "f.yaml", "\n {\"apiVersion\": \"v1\", \"kind\": \"A\"}{\"apiVersion\": \"v1\", \"kind\": \"B\"}", "2 a/, 2 b/"},
		{"YAML that looks like JSON", "f.yaml", "{apiVersion: v1, kind: A}", "1 a/"},
		{"a JSON array is no object", "f.json", "[{\"apiVersion\": \"v1\", \"kind\": \"A\"}]", ""},
		{"a byte order mark", "f.json", "\uFEFF{\"apiVersion\": \"v1\", \"kind\": \"A\"}", "1 a/"},
		{"keys in escapes", "f.yaml", `"\x61piVersion": v1` + "\nkind: A\n", "1 a/"},
	} {
		t.Run(test.name, func(t *testing.T) {
			objects, problems := Parse(test.file, []byte(test.content))
			if len(problems) > 0 {
				t.Errorf("problems %v", problems)
			}
			var got []string
			for _, object := range objects {
				got = append(got, fmt.Sprintf("%d %s", object.Origin.Object().Line, object))
				if root := object.Origin.Root(); root != test.file {
					t.Errorf("root is %q", root)
				}
			}
			if got := strings.Join(got, ", "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestPathsInAListBeginAtTheItem(t *testing.T) {
	const content = "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n- metadata: {name: b}\n  spec:\n    hostPID: true\n"
	objects, _ := Parse("f.yaml", []byte(content))
	if len(objects) != 2 {
		t.Fatalf("got %v", objects)
	}
	path, err := policy.ParsePath("spec.template.spec.hostPID")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describe(content, objects[1].Origin.Field(path)), "7:5 hostPID: true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := describe(content, objects[0].Origin.Field(path)), `4:3 metadata: {name: a} ("spec.hostPID" is missing here)`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	_, present := objects[1].Origin.(*Origin).Locate(policy.Path{policy.Key("spec"), policy.Key("nope")})
	if present != 1 {
		t.Errorf("%d steps are present, want 1", present)
	}
}

func TestFilesThatAreNoObjectsAreLocatedToo(t *testing.T) {
	const values = "# values\nimage:\n  tag: \"1.0\"\n"
	f := Open("values.yaml", []byte(values))
	location, present := f.Locate(0, policy.Path{policy.Key("image"), policy.Key("tag")})
	if got, want := describe(values, []policy.Location{location}), `3:3 tag: "1.0"`; got != want || present != 2 {
		t.Errorf("got %s with %d steps, want %s", got, present, want)
	}
	if location, present := f.Locate(7, nil); present != 0 || location != (policy.Location{File: "values.yaml"}) {
		t.Errorf("a document that does not exist is at %v", location)
	}
	if got, want := describe(values, []policy.Location{f.LocateLine(3)}), `3:3 tag: "1.0"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

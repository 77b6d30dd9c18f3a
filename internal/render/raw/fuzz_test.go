package raw

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/policy"
)

// FuzzParse proves that nothing makes Parse or its origins panic, that places lie in the file, and that single documents
// are read as kubectl reads them.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		deployment, "a: &a {b: 1}\nc: {<<: *a, d: 2}\n", "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: A}]\n",
		"%YAML 1.1\n---\na: b\n...\n---\n? a\n: b", "{\"apiVersion\":\"v1\",\"kind\":\"A\"}{}", "a: |2\n   x\n  y\n", "a: \"x\u2028y\"\n",
		"\uFEFFapiVersion: v1\r\nkind: A\r\n", "a: !!binary aGk=\nb: !!timestamp 2001-01-01\n", "a: 'x\nb: \"", "*a", "<<<<<<< a\n", "a: 0x1F\nb: 1e3\nc: .inf\n",
	} {
		f.Add([]byte(seed))
	}
	paths := []policy.Path{
		nil,
		{policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("containers"), policy.Index(0), policy.Key("image")},
		{policy.Key("c"), policy.Key("b")},
		{policy.Key("metadata"), policy.Key("labels"), policy.Key("app"), policy.Key("kubernetes"), policy.Key("io/name")},
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 1<<16 {
			return
		}
		for _, name := range []string{"f.yaml", "f.json"} {
			file := Open(name, content)
			objects, problems := file.Objects()
			for _, problem := range problems {
				inFile(t, file, problem.Location)
			}
			for _, object := range objects {
				inFile(t, file, object.Origin.Object())
				for _, path := range append(paths, everyPath(object.Content)...) {
					for _, location := range object.Origin.Field(path) {
						inFile(t, file, location)
					}
				}
			}
		}
		got, err := decodeDocument(content)
		if err != nil || Open("f.yaml", content).json {
			return
		}
		// What is accepted is what kubectl reads, unless kubectl reads only a part.
		if want, err := kubectl(content); err == nil && !cmp.Equal(want, got) {
			if document := Open("f.yaml", content).documents[0]; document.start == 0 && document.end == len(content) {
				t.Errorf("-kubectl +assay\n%s", cmp.Diff(want, got))
			}
		}
	})
}

// everyPath leads to the values of the first level.
func everyPath(content map[string]any) (paths []policy.Path) {
	for key := range content {
		paths = append(paths, policy.Path{policy.Key(key)}, policy.Path{policy.Key(key), policy.Index(0)})
	}
	return paths
}

func inFile(t *testing.T, file *File, l policy.Location) {
	t.Helper()
	if l.Line == 0 {
		return
	}
	for n, at := 1, 0; at <= len(file.content); n++ {
		line, next := lineAt(file.content, at)
		if n == l.EndLine || l.EndLine == 0 && n == l.Line {
			if width := len([]rune(string(line))); l.EndLine > 0 && l.EndColumn > width+2 {
				t.Errorf("%+v ends behind its line of %d characters", l, width)
			}
			return
		}
		if next == len(file.content) && (next == 0 || file.content[next-1] != '\n') {
			break
		}
		at = next
		if at == len(file.content) && n+1 < l.Line {
			break
		}
	}
	t.Errorf("%+v is not in the file", l)
}

package raw

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// kubectl decodes a document as Kubernetes' clients do.
func kubectl(document []byte) (any, error) {
	asJSON, err := yaml.YAMLToJSON(document)
	if err != nil {
		return nil, err
	}
	var wrapper map[string]any
	// The library keeps integers only inside of a map.
	if err := utiljson.Unmarshal(append(append([]byte(`{"value":`), asJSON...), '}'), &wrapper); err != nil {
		return nil, err
	}
	return wrapper["value"], nil
}

// decodeDocument decodes as Parse does.
func decodeDocument(document []byte) (any, error) {
	f := Open("f.yaml", document)
	if len(f.problems) > 0 {
		return nil, errors.New(f.problems[0].Message)
	}
	if len(f.documents) != 1 {
		return nil, errors.New("not one document")
	}
	budget := maxFileExpansion
	return f.decode(f.documents[0], &budget)
}

func TestValuesAreThoseThatKubectlSends(t *testing.T) {
	for name, document := range map[string]string{
		"booleans of YAML 1.1":  "[yes, no, on, off, Yes, NO, On, y, n, true, False]",
		"numbers":               "[1, -1, 0777, 0o17, 0x1F, 0b11, 1_000, +5, 08, 1.0, 1.5, 1e3, 1e400, 1e-7, 12345678901234567890, 9223372036854775807, -9223372036854775808, 123456789012345678901234567890]",
		"floats that are whole": "[1.0, 1e18, 1e19, 1e20, 1e21, 9.3e18, -9.3e18, -0.0, 9223372036854775808.0, -9223372036854775808.0, 1152921504606846976.0, 9007199254740993.0]",
		"sexagesimal is text":   "[1:30, 190:20:30]",
		"nothing":               "[null, ~, Null, NULL, ]",
		"timestamps are text":   "[2001-12-14t21:59:43.10-05:00, 2002-12-14, 2001-12-15 2:59:43.10]",
		"tagged timestamp":      "[!!timestamp 2002-12-14, !!timestamp 2001-12-14t21:59:43.10-05:00]",
		"binary":                "[!!binary aGVsbG8=, !!binary /w==, !!binary gICA]",
		"tags":                  "[!!str 1, !!int \"1\", !!float 1, !custom x, ! 12]",
		"keys that are no text": "{1: a, 1.5: b, true: c, 0x10: d, 2002-12-14: e, .inf: f, -.inf: g, .nan: h}",
		"quotes and escapes": `{"a\tb": 'it''s', "\x41": "\u00e9\U0001F600", 'c': "line\
  joined"}`,
		"literal and folded":        "a: |\n  x\n   y\n\nb: >-\n  folded\n  text\n\n  para\nc: |+\n  keep\n\n",
		"explicit keys":             "? a\n: b\n? [x]\n",
		"merge before":              "base: &b {x: 1, y: 2}\nc: {<<: *b, z: 3}\n",
		"merge overridden":          "base: &b {x: 1, y: 2}\nc:\n  <<: *b\n  x: 5\n",
		"merge behind overrides":    "base: &b {x: 1, y: 2}\nc:\n  x: 5\n  <<: *b\n",
		"merge of several":          "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc:\n  <<: [*a, *b]\n",
		"quoted merge key is a key": "a: {\"<<\": {b: 1}}",
		"aliases":                   "a: &a [1, {b: c}]\nd: *a\ne: {f: *a}\n",
		"directive":                 "%YAML 1.1\n---\na: b\n",
		"CRLF":                      "a: b\r\nc: |\r\n  d\r\n  e\r\n",
		"comments":                  "# c\na: b # d\n# e\n",
		"html is not escaped":       "a: <b>&amp;</b>",
		"line separators":           "a: \"x\u2028y\"\nb: c\n",
		"empty values":              "a:\nb: ''\nc: {}\nd: []\n",
		"document on separator":     "--- {a: b}\n",
		"not a number":              "a: .nan",
		"infinite":                  "a: .inf",
		"null key":                  "~: a",
		"map as key":                "{a: b}: c",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decodeDocument([]byte(document))
			want, wantErr := kubectl([]byte(document))
			if (err != nil) != (wantErr != nil) {
				t.Fatalf("error %v; kubectl's %v", err, wantErr)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-kubectl +assay\n%s", diff)
			}
		})
	}
}

// TestRealFilesAreReadAsKubectlReadsThem reads the manifests beside ASSAY_DATA's policies.
func TestRealFilesAreReadAsKubectlReadsThem(t *testing.T) {
	data := os.Getenv("ASSAY_DATA")
	root := filepath.Join(data, "manifests")
	if data == "" {
		t.Skip("ASSAY_DATA is not set")
	}
	documents := 0
	err := filepath.WalkDir(root, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || (filepath.Ext(name) != ".yaml" && filepath.Ext(name) != ".yml") {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f := Open(name, content)
		for _, d := range f.documents {
			budget := maxFileExpansion
			got, err := f.decode(d, &budget)
			want, wantErr := kubectl(f.content[d.start:d.end])
			if repeated := (*duplicateKey)(nil); errors.As(err, &repeated) {
				// kubectl takes the last without a word; Flux refuses these.
				t.Logf("%s:%d: %v", name, d.line+1, err)
			} else if (err != nil) != (wantErr != nil) {
				t.Errorf("%s:%d: error %v; kubectl's %v", name, d.line+1, err, wantErr)
			} else if err == nil && !cmp.Equal(want, got) {
				t.Errorf("%s:%d:\n%s", name, d.line+1, cmp.Diff(want, got))
			}
			documents++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d documents", documents)
}

package check

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/render"
)

// FuzzRun checks whatever may come through a pipe: objects, policies, or nonsense. Nothing may panic, take long, or be
// given a place that does not exist.
func FuzzRun(f *testing.F) {
	f.Add([]byte(deployment("web", 1)))
	f.Add([]byte(celPolicy("acme.own", "object.spec.replicas > 1", "spec.replicas") + "---\n" + deployment("web", 1)))
	f.Add([]byte("apiVersion: pac.weave.works/v2\nkind: PolicyConfig\nmetadata: {name: c}\nspec: {match: {namespaces: [shop]}, config: {acme.shipped: {parameters: {}}}}\n"))
	f.Add([]byte(`{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": null}]}`))
	library := fstest.MapFS{"a/policy.yaml": {Data: []byte(celPolicy("acme.shipped", "has(object.metadata.labels)", "metadata.labels.owner"))}}
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := Run(t.Context(), Options{
			Paths: []string{"-"}, Library: library, FailOn: v2.SeverityLow,
			Render: render.Options{Root: t.TempDir(), Stdin: bytes.NewReader(content)},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Problems {
			if strings.Contains(p.Message, "internal error") || strings.Contains(p.Message, "panic") {
				t.Errorf("problem %q", p.Message)
			}
		}
		count := bytes.Count(content, []byte("\n")) + 1 + bytes.Count(content, []byte("\r"))
		for _, finding := range r.Findings {
			if finding.Location.Line > count || finding.Location.Note == unlocated {
				t.Errorf("a finding at line %d of %d (%s)", finding.Location.Line, count, finding.Location.Note)
			}
		}
	})
}

package policyfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/assay-gitops/assay/api/v2/crds"
	"github.com/assay-gitops/assay/internal/policyfile"
	"github.com/assay-gitops/assay/policy"
)

// dataFolder holds real policies that are not part of the project; see CONTRIBUTING.md.
func dataFolder(t testing.TB) string {
	t.Helper()
	folder := os.Getenv("ASSAY_DATA")
	if folder == "" {
		t.Skip("ASSAY_DATA is not set")
	}
	return folder
}

func realPolicies(t testing.TB) []*policy.Object {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dataFolder(t), "weave-policies", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var objects []*policy.Object
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, parse(t, filepath.Base(file), string(content))...)
	}
	return objects
}

func TestRealPoliciesDecodeWithoutAProblem(t *testing.T) {
	objects := realPolicies(t)
	set, problems := policyfile.FromObjects(objects)
	for _, problem := range problems {
		t.Errorf("%s:%d:%d: %s (%s)", problem.Location.File, problem.Location.Line, problem.Location.Column, problem.Message, problem.Hint)
	}
	if len(set.Sources.Policies) != len(objects) || len(objects) == 0 {
		t.Errorf("%d policies from %d objects", len(set.Sources.Policies), len(objects))
	}
}

// One operation decodes 143 policies, as many as the old library has.
func BenchmarkFromObjects(b *testing.B) {
	var fixtures []*policy.Object
	for _, name := range []string{
		"v2beta1-policy-of-the-first-agent.yaml", "v2beta2-policy-as-a-go-client-writes-it.yaml", "v2beta3-policy-that-only-warns.yaml",
	} {
		fixtures = append(fixtures, parseFile(b, "valid/"+name)...)
	}
	var objects []*policy.Object
	for i := range 143 {
		content := runtime.DeepCopyJSON(fixtures[i%len(fixtures)].Content)
		content["metadata"].(map[string]any)["name"] = fmt.Sprintf("policy-%d", i)
		objects = append(objects, &policy.Object{Content: content})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := policyfile.FromObjects(objects); len(problems) > 0 {
			b.Fatal(write(problems))
		}
	}
}

// One operation is what a process pays once for each kind that it meets.
func BenchmarkFirstObjectOfEachKind(b *testing.B) {
	for _, kind := range crds.Kinds() {
		b.Run(kind, func(b *testing.B) {
			for b.Loop() {
				if err := policyfile.BuildSchema(kind); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

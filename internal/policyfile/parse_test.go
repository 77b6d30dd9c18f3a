package policyfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

func parse(t testing.TB, name, content string) []*policy.Object {
	t.Helper()
	objects, problems := raw.Parse(name, []byte(content))
	for _, problem := range problems {
		t.Fatalf("%s:%d: %s", name, problem.Location.Line, problem.Message)
	}
	return objects
}

func parseFile(t testing.TB, name string) []*policy.Object {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, name, string(content))
}

package library_test

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"

	"github.com/assay-gitops/assay/internal/policyfile"
	"github.com/assay-gitops/assay/internal/render/raw"
)

// TestRegoIsFormatted holds the Rego of the library to what `opa fmt` writes.
func TestRegoIsFormatted(t *testing.T) {
	found := 0
	check := func(name, code string) {
		found++
		formatted, err := format.SourceWithOpts(name, []byte(code), format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if strings.TrimSpace(string(formatted)) != strings.TrimSpace(code) {
			t.Errorf("%s is not formatted; opa fmt writes:\n%s", name, formatted)
		}
	}
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		switch {
		case path.Ext(name) == ".rego":
			check(name, string(content))
		case path.Base(name) == "policy.yaml":
			objects, _ := raw.Parse(name, content)
			set, _ := policyfile.FromObjects(objects)
			for _, p := range set.Sources.Policies {
				if p.Spec.Code != "" {
					check(name, p.Spec.Code)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 10 {
		t.Errorf("only %d pieces of Rego were found", found)
	}
}

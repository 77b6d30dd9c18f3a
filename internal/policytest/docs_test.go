package policytest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/assay-gitops/assay/internal/policytest"
)

var fileBlock = regexp.MustCompile("(?ms)^```yaml (\\S+)\n(.*?)^```$")

// The page's example is a policy with cases that pass.
func TestTheExampleOfThePageRuns(t *testing.T) {
	page, err := os.ReadFile("../../docs/testing-policies.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, block := range fileBlock.FindAllSubmatch(page, -1) {
		file := filepath.Join(dir, string(block[1]))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, block[2], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	summary := run(t, policytest.Options{Paths: []string{dir}, Coverage: true})
	if n := summary.Counts(); n != (policytest.Counts{Passed: 18}) || summary.Incomplete() {
		t.Errorf("%+v, %+v", n, summary.Policies)
	}
}

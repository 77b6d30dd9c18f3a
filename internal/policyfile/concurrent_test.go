package policyfile_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/internal/policyfile"
)

// The schemas are shared by the whole process.
func TestManyDecodeAtOnce(t *testing.T) {
	good := parseFile(t, "valid/v2-policy-in-cel.yaml")
	bad := parseFile(t, "invalid/broken-rules.yaml")
	_, problems := policyfile.FromObjects(bad)
	want := write(problems)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				set, problems := policyfile.FromObjects(append(bad[:len(bad):len(bad)], good...))
				if diff := cmp.Diff(want, write(problems)); diff != "" || len(set.Sources.Policies) != 1 {
					t.Errorf("%d policies; -alone +together:\n%s", len(set.Sources.Policies), diff)
				}
			}
		})
	}
	all.Wait()
}

package policyfile_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/internal/policyfile"
	"github.com/assay-gitops/assay/policy"
)

var update = flag.Bool("update", false, "write the golden files")

// Every file in testdata/invalid has its problems beside it.
func TestProblemsNameThePlaceAndSayWhatToDo(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			name := "invalid/" + filepath.Base(file)
			_, problems := policyfile.FromObjects(parseFile(t, name))
			got := write(problems)
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func write(problems []policy.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "%d:%d: %s\n", p.Location.Line, p.Location.Column, p.Message)
		if p.Hint != "" {
			fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(p.Hint, "\n", "\n    "))
		}
	}
	return b.String()
}

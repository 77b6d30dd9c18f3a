package policytest_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/internal/policytest"
)

var update = flag.Bool("update", false, "write the golden files")

func run(t *testing.T, options policytest.Options) *policytest.Summary {
	t.Helper()
	summary, err := policytest.Run(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return summary
}

func TestGoodPoliciesPass(t *testing.T) {
	summary := run(t, policytest.Options{Paths: []string{"testdata/passing"}, Coverage: true})
	golden(t, "passing", summary)
	if code := summary.ExitCode(); code != 0 {
		t.Errorf("the exit code is %d", code)
	}
}

func TestWhatIsWrongIsTold(t *testing.T) {
	summary := run(t, policytest.Options{Paths: []string{"testdata/failing"}, Coverage: true})
	golden(t, "failing", summary)
	if code := summary.ExitCode(); code != 2 {
		t.Errorf("the exit code is %d", code)
	}
	one := run(t, policytest.Options{Paths: []string{"testdata/failing/host-network"}, Run: "nothing is expected"})
	if !one.Failed() {
		t.Error("the run of a case that fails does not fail")
	}
}

var (
	durations = regexp.MustCompile(`\d+\.\d\d s`)
	times     = regexp.MustCompile(`time="[0-9.]+"`)
)

// golden compares both formats with what is written in testdata, apart from durations.
func golden(t *testing.T, name string, summary *policytest.Summary) {
	t.Helper()
	var text, junit bytes.Buffer
	if err := policytest.WriteText(&text, summary, policytest.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := policytest.WriteJUnit(&junit, summary); err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string]string{
		name + ".txt": durations.ReplaceAllString(text.String(), "0.00 s"),
		name + ".xml": times.ReplaceAllString(junit.String(), `time="0.000"`),
	} {
		file = filepath.Join("testdata", file)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestColour(t *testing.T) {
	summary := run(t, policytest.Options{Paths: []string{"testdata/passing"}})
	var plain, colored bytes.Buffer
	if err := errors.Join(
		policytest.WriteText(&plain, summary, policytest.TextOptions{}),
		policytest.WriteText(&colored, summary, policytest.TextOptions{Color: true}),
	); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plain.String(), "\x1b") || !strings.Contains(colored.String(), "\x1b") {
		t.Errorf("plain:\n%q\ncoloured:\n%q", plain.String(), colored.String())
	}
}

func TestRunChoosesCases(t *testing.T) {
	for _, test := range []struct {
		name, expression string
		want             int
	}{
		{"all", "", 9},
		{"a policy", "^test.replicas/", 6},
		{"a case", "one replica", 1},
		{"a kind", "/StatefulSet$", 2},
		{"a test in Rego", "test_bad_image", 1},
		{"none", "nothing of that name", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := run(t, policytest.Options{Paths: []string{"testdata/passing"}, Run: test.expression}).Counts()
			if got := n.Passed + n.Failed + n.Skipped; got != test.want {
				t.Errorf("%d cases were run, want %d", got, test.want)
			}
		})
	}
}

func TestPathsMayBeFoldersFilesOrTests(t *testing.T) {
	for _, path := range []string{
		"testdata/passing/replicas", "testdata/passing/replicas/policy.yaml", "testdata/passing/replicas/tests",
		"testdata/passing/replicas/tests/cases.yaml",
	} {
		summary := run(t, policytest.Options{Paths: []string{path, path}})
		if len(summary.Policies) != 1 || summary.Counts().Passed != 6 {
			t.Errorf("%s: %d policies, %+v", path, len(summary.Policies), summary.Counts())
		}
	}
}

func TestWhatCannotBeRunAtAllIsAnError(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name    string
		ctx     context.Context
		options policytest.Options
	}{
		{"a path that does not exist", t.Context(), policytest.Options{Paths: []string{"testdata/nothing"}}},
		{"an expression that does not parse", t.Context(), policytest.Options{Paths: []string{"testdata/passing"}, Run: "("}},
		{"a context that has ended", cancelled, policytest.Options{Paths: []string{"testdata/passing"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if summary, err := policytest.Run(test.ctx, test.options); err == nil {
				t.Errorf("no error; %+v", summary.Counts())
			}
		})
	}
}

func TestSeveralPoliciesOfAFolderAreToldApart(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"one", "two"} {
		write(name+".yaml", `
apiVersion: pac.weave.works/v2
kind: Policy
metadata: {name: `+name+`}
spec:
  id: `+name+`
  name: `+name+`
  description: x
  how_to_solve: x
  category: x
  severity: low
  cel: {validations: [{expression: "object.metadata.name != '`+name+`'", message: `+name+`}]}
`)
	}
	write("tests.yaml", `
cases:
  - name: the first
    policy: one
    object: {apiVersion: v1, kind: Pod, metadata: {name: one}}
    violations: [{message: one}]
  - name: the second
    policy: two
    object: {apiVersion: v1, kind: Pod, metadata: {name: one}}
  - name: which one
    object: {apiVersion: v1, kind: Pod, metadata: {name: one}}
`)
	summary := run(t, policytest.Options{Paths: []string{dir}})
	if n := summary.Counts(); n.Passed != 2 || n.Failed != 0 {
		t.Errorf("%+v", n)
	}
	if len(summary.Policies) != 2 || len(summary.Policies[0].Problems) != 1 || !strings.Contains(summary.Policies[0].Problems[0], `"which one" does not say`) {
		t.Errorf("problems: %q", summary.Policies[0].Problems)
	}
}

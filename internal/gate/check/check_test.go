package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/internal/render"
	"github.com/assay-gitops/assay/internal/report"
	"github.com/assay-gitops/assay/policy"
)

// write makes a tree of files and returns its folder.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// celPolicy is a policy for Deployments with one expression that must be true.
func celPolicy(id, expression, path string) string {
	return fmt.Sprintf(`apiVersion: pac.weave.works/v2
kind: Policy
metadata:
  name: %[1]s
spec:
  id: %[1]s
  name: %[1]s
  severity: medium
  category: acme.categories.test
  description: A test.
  how_to_solve: Pass it.
  targets:
    kinds: [Deployment]
  cel:
    validations:
    - expression: %[2]q
      message: failed %[1]s
      path: %[3]s
`, id, expression, path)
}

func deployment(name string, replicas int) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: %[1]s
  namespace: shop
spec:
  replicas: %[2]d
  selector:
    matchLabels: {app: %[1]s}
  template:
    metadata:
      labels: {app: %[1]s}
    spec:
      containers:
      - name: main
        image: registry.example/%[1]s:1.0
`, name, replicas)
}

// options check the folder "tree" below dir by the policies in "policies".
func options(dir string) Options {
	return Options{
		Paths:    []string{filepath.Join(dir, "tree")},
		Policies: []string{filepath.Join(dir, "policies")},
		Render:   render.Options{Root: dir},
		FailOn:   v2.SeverityLow,
	}
}

func mustRun(t *testing.T, o Options) *report.Report {
	t.Helper()
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lines are the findings and problems of a report in short.
func lines(r *report.Report) []string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, fmt.Sprintf("%s:%d:%d %s %s %s fails=%v %s also=%d %s", f.Location.File, f.Location.Line, f.Location.Column,
			f.Result.Policy.Spec.ID, f.Result.Object, f.Occurrence.Message, f.Fails, f.Result.Status, len(f.Also), f.Fingerprint))
	}
	for _, p := range r.Problems {
		out = append(out, fmt.Sprintf("%s:%d %s %s", p.Location.File, p.Location.Line, p.Kind, p.Message))
	}
	return out
}

// crowd is a tree with many objects, some of which violate some of the policies, and one policy that fails on some.
func crowd(t testing.TB, files, perFile int) map[string]string {
	t.Helper()
	tree := map[string]string{
		"policies/two.yaml":   celPolicy("acme.two", "object.spec.replicas >= 2", "spec.replicas"),
		"policies/even.yaml":  celPolicy("acme.even", "object.spec.replicas % 2 == 0", "spec.replicas"),
		"policies/fails.yaml": celPolicy("acme.fails", "object.spec.replicas != 3 || object.spec.nothing == 1", "spec"),
	}
	for i := range files {
		var b strings.Builder
		for j := range perFile {
			b.WriteString("---\n" + deployment(fmt.Sprintf("app-%d-%d", i, j), (i+j)%5))
		}
		tree[fmt.Sprintf("tree/%02d/apps.yaml", i)] = b.String()
	}
	return tree
}

func TestTheReportDoesNotDependOnHowManyWork(t *testing.T) {
	dir := write(t, crowd(t, 20, 10))
	o := options(dir)
	o.Jobs = 1
	want := lines(mustRun(t, o))
	if len(want) < 150 {
		t.Fatalf("only %d lines: the corpus tests nothing", len(want))
	}
	for range 3 {
		o.Jobs = 8
		if diff := cmp.Diff(want, lines(mustRun(t, o))); diff != "" {
			t.Fatalf("one worker (-) and eight (+) differ:\n%s", diff)
		}
	}
}

func TestStopAtFirstEndsAtTheSameFailureWhoeverIsFaster(t *testing.T) {
	dir := write(t, crowd(t, 20, 10))
	o := options(dir)
	o.Render.StopAtFirst = true
	o.Jobs = 1
	want := lines(mustRun(t, o))
	if problems := want[len(want)-1]; !strings.Contains(problems, "acme.fails") {
		t.Fatalf("the run did not end at the failing policy: %s", problems)
	}
	for range 5 {
		o.Jobs = 8
		if diff := cmp.Diff(want, lines(mustRun(t, o))); diff != "" {
			t.Fatalf("one worker (-) and eight (+) differ:\n%s", diff)
		}
	}
}

func TestAnInterruptedRunReportsWhatItFound(t *testing.T) {
	dir := write(t, crowd(t, 20, 10))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := options(dir)
	o.Jobs = 1
	o.Progress = func(p Progress) {
		if p.Phase == Judging && p.Done == 50 {
			cancel()
		}
	}
	r, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Objects != 50 || len(r.Findings) == 0 {
		t.Errorf("%d objects with %d findings, want the first 50 objects with theirs", r.Objects, len(r.Findings))
	}
	last := r.Problems[len(r.Problems)-1]
	if want := "interrupted: 50 of 200 objects were judged, the report is not complete"; last.Message != want {
		t.Errorf("problem %q, want %q", last.Message, want)
	}
	if got := r.ExitCode(); got != 2 {
		t.Errorf("exit code %d, want 2", got)
	}
}

func TestARunThatIsInterruptedBeforeItBeganSaysSo(t *testing.T) {
	dir := write(t, crowd(t, 1, 1))
	ctx, cancel := context.WithTimeoutCause(t.Context(), -time.Second, context.DeadlineExceeded)
	defer cancel()
	r, err := Run(ctx, options(dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Problems) == 0 || !strings.HasPrefix(r.Problems[len(r.Problems)-1].Message, "out of time") {
		t.Errorf("problems %+v do not say that time ran out", r.Problems)
	}
}

func TestFailsFollowsEnforcementExceptionAndThreshold(t *testing.T) {
	files := map[string]string{
		"tree/web.yaml":         deployment("web", 1),
		"policies/a.yaml":       celPolicy("acme.enforced", "false", "spec"),
		"policies/b.yaml":       strings.Replace(celPolicy("acme.advisory", "false", "spec"), "  severity", "  enforce: false\n  severity", 1),
		"policies/c.yaml":       celPolicy("acme.excepted", "false", "spec"),
		"tree/exceptions.yaml":  "apiVersion: pac.weave.works/v2\nkind: PolicyException\nmetadata: {name: e}\nspec:\n  policies: [acme.excepted]\n  match: {namespaces: [shop]}\n  reason: agreed\n",
		"policies/ignored.yaml": deployment("never-judged", 1),
	}
	dir := write(t, files)
	for _, test := range []struct {
		failOn v2.Severity
		want   map[string]bool
	}{
		{v2.SeverityLow, map[string]bool{"acme.enforced": true, "acme.advisory": false, "acme.excepted": false}},
		{v2.SeverityMedium, map[string]bool{"acme.enforced": true, "acme.advisory": false, "acme.excepted": false}},
		{v2.SeverityHigh, map[string]bool{"acme.enforced": false, "acme.advisory": false, "acme.excepted": false}},
		{"", map[string]bool{"acme.enforced": false, "acme.advisory": false, "acme.excepted": false}},
	} {
		t.Run("fail on "+string(test.failOn), func(t *testing.T) {
			o := options(dir)
			o.FailOn = test.failOn
			r := mustRun(t, o)
			got := map[string]bool{}
			for _, f := range r.Findings {
				got[f.Result.Policy.Spec.ID] = f.Fails
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("fails (-want +got):\n%s", diff)
			}
			if r.Objects != 1 || r.Evaluations != 3 {
				t.Errorf("%d objects, %d evaluations; want 1 and 3", r.Objects, r.Evaluations)
			}
		})
	}
}

func TestTheModeChoosesThePolicies(t *testing.T) {
	set := "apiVersion: pac.weave.works/v2beta2\nkind: PolicySet\nmetadata: {name: s}\nspec:\n  name: s\n  mode: audit\n  filters: {ids: [acme.one]}\n"
	dir := write(t, map[string]string{
		"tree/web.yaml":   deployment("web", 1),
		"policies/a.yaml": celPolicy("acme.one", "false", "spec") + "---\n" + celPolicy("acme.two", "false", "spec") + "---\n" + set,
	})
	for mode, want := range map[v2.Mode]int{v2.ModeAudit: 1, v2.ModeAdmission: 2, "": 2} {
		o := options(dir)
		o.Mode = mode
		if got := len(mustRun(t, o).Findings); got != want {
			t.Errorf("mode %q: %d findings, want %d", mode, got, want)
		}
	}
}

func TestPoliciesOfTheLibraryThatTargetNothingInTheTreeAreNotCompiled(t *testing.T) {
	library := os.DirFS(write(t, map[string]string{
		"a/policy.yaml": celPolicy("acme.shipped", "false", "spec"),
		"b/policy.yaml": strings.Replace(celPolicy("acme.elsewhere", "false", "spec"), "[Deployment]", "[CronJob]", 1),
	}))
	config := "apiVersion: pac.weave.works/v2\nkind: PolicyConfig\nmetadata: {name: c}\nspec:\n  match: {namespaces: [shop]}\n  config:\n    acme.elsewhere: {parameters: {}}\n"
	dir := write(t, map[string]string{
		"tree/web.yaml":    deployment("web", 1),
		"tree/config.yaml": config,
		// A policy of the tree is compiled whatever it targets, so that its mistakes are found.
		"tree/own.yaml": strings.Replace(celPolicy("acme.own", "objekt.x", "spec"), "[Deployment]", "[CronJob]", 1),
	})
	o := options(dir)
	o.Policies, o.Library = nil, library
	r := mustRun(t, o)
	var ids []string
	for _, p := range r.Policies {
		ids = append(ids, p.Spec.ID)
	}
	if diff := cmp.Diff([]string{"acme.shipped"}, ids); diff != "" {
		t.Errorf("compiled policies (-want +got):\n%s", diff)
	}
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, "objekt") {
		t.Errorf("want the mistake in acme.own and nothing about the config of a policy that exists, got %+v", r.Problems)
	}
}

func TestAPathOrAFilterThatNamesNothingIsAnError(t *testing.T) {
	dir := write(t, crowd(t, 1, 1))
	missing := options(dir)
	missing.Paths = []string{filepath.Join(dir, "treee")}
	if _, err := Run(t.Context(), missing); err == nil || !strings.Contains(err.Error(), "treee") {
		t.Errorf("error %v does not name the missing path", err)
	}
	filtered := options(dir)
	filtered.Only = catalog.Filter{Policies: []string{"acme.tow"}}
	_, err := Run(t.Context(), filtered)
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "acme.two") {
		t.Errorf("error %v does not suggest acme.two", err)
	}
}

func TestNothingIsWrittenIntoTheTree(t *testing.T) {
	files := crowd(t, 2, 2)
	files["tree/k/kustomization.yaml"] = "# a comment\nresources: [d.yaml]\nnamePrefix: x-\n"
	files["tree/k/d.yaml"] = deployment("d", 1)
	dir := write(t, files)
	mustRun(t, options(dir))
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		got[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files, got); diff != "" {
		t.Errorf("the tree before (-) and after (+):\n%s", diff)
	}
}

func TestAPanicOfTheEngineCostsOneObject(t *testing.T) {
	// A snapshot that does not exist stands for a defect in the engine.
	got := Judge{}.Judge(t.Context(), &policy.Request{Object: named("Service", "s", fixedOrigin{})})
	var failures Failures
	failures.Add(got.Failures...)
	problems := failures.Problems()
	if !got.Done || len(problems) != 1 || problems[0].Kind != policy.EvaluationProblem || !strings.Contains(problems[0].Message, "internal error") {
		t.Errorf("outcome %+v, want one problem that says it was an internal error", got)
	}
}

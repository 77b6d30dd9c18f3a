package policytest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

// Options of Run.
type Options struct {
	// Paths are folders that are searched for policies with tests, or files in such folders.
	Paths []string
	// Run is a regular expression; only cases for which "<policy id>/<case name>/<kind>" matches are run. All when empty.
	Run string
	// Coverage asks for what the tests reach.
	Coverage bool
	// Timeout of one case; engine.DefaultTimeout when zero, DefaultRegoTimeout for tests in Rego.
	Timeout time.Duration
}

// Run runs the tests of all policies below the paths. What is wrong with a policy or its tests is part of the summary;
// the error is that of a path that cannot be read, of an expression that does not parse, or of the context.
func Run(ctx context.Context, options Options) (*Summary, error) {
	started := time.Now()
	chosen, err := regexp.Compile(options.Run)
	if err != nil {
		return nil, fmt.Errorf("reading the expression that chooses cases: %w", err)
	}
	folders, err := discover(options.Paths)
	if err != nil {
		return nil, err
	}
	r := &runner{options: options, chosen: chosen, judges: judges{options: engine.Options{Timeout: options.Timeout}}}
	summary := &Summary{}
	for _, f := range folders {
		results, err := r.folder(ctx, f)
		if err != nil {
			return nil, err
		}
		summary.Policies = append(summary.Policies, results...)
	}
	summary.Duration = time.Since(started)
	return summary, nil
}

type runner struct {
	options Options
	chosen  *regexp.Regexp
	judges  judges
}

// folder runs the tests of the policies of one folder.
func (r *runner) folder(ctx context.Context, f *folder) ([]PolicyResult, error) {
	if len(f.policies) == 0 {
		return []PolicyResult{{Policy: &v2.Policy{}, Folder: f.path, File: f.path, Problems: f.problems}}, nil
	}
	var results []PolicyResult
	for i, p := range f.policies {
		t := &trial{
			runner: r, folder: f, policy: p,
			result: PolicyResult{Policy: p, File: f.file[p], Folder: f.path},
		}
		if i == 0 {
			t.result.Problems = append(t.result.Problems, f.problems...)
		}
		started := time.Now()
		if err := t.run(ctx); err != nil {
			return nil, err
		}
		t.result.Duration = time.Since(started)
		results = append(results, t.result)
	}
	return results, nil
}

// trial is the run of the tests of one policy.
type trial struct {
	runner   *runner
	folder   *folder
	policy   *v2.Policy
	snapshot *engine.Snapshot
	coverage *coverage
	result   PolicyResult
}

func (t *trial) run(ctx context.Context) error {
	var err error
	if t.snapshot, err = t.runner.judges.compile(ctx, t.policy); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		t.problem("%s: the policy does not compile: %v", t.result.File, err)
		return nil
	}
	if t.runner.options.Coverage {
		if t.coverage, err = newCoverage(ctx, t); err != nil {
			return err
		}
	}
	for _, name := range t.folder.yaml {
		if err := t.file(ctx, name); err != nil {
			return err
		}
	}
	if err := t.regoTests(ctx); err != nil {
		return err
	}
	if t.coverage != nil {
		t.result.Coverage = t.coverage.report()
	}
	return nil
}

func (t *trial) problem(format string, args ...any) {
	t.result.Problems = append(t.result.Problems, fmt.Sprintf(format, args...))
}

// file runs what a YAML file holds: cases, or manifests that must pass or fail by the file's name.
func (t *trial) file(ctx context.Context, name string) error {
	content, err := readBounded(name)
	if err != nil {
		t.problem("%v", err)
		return nil
	}
	cases, found, err := readCases(content)
	if err != nil {
		t.problem("%s: %v", name, err)
		return nil
	}
	if !found {
		cases = t.manifests(name, content)
	}
	for i := range cases {
		if err := t.testCase(ctx, name, &cases[i]); err != nil {
			return err
		}
	}
	return nil
}

// manifests are the objects of a file (or of a folder) named pass… or fail…, as cases. Other files are fixtures of
// somebody else.
func (t *trial) manifests(name string, content []byte) []testCase {
	verdictName := ""
	for _, part := range []string{filepath.Base(filepath.Dir(name)), filepath.Base(name)} {
		for _, prefix := range []string{"pass", "fail"} {
			if strings.HasPrefix(part, prefix) {
				verdictName = prefix
			}
		}
	}
	if verdictName == "" {
		return nil
	}
	objects, problems := raw.Parse(filepath.ToSlash(name), content)
	for _, p := range problems {
		t.problem("%s:%d: %s", p.Location.File, p.Location.Line, p.Message)
	}
	var cases []testCase
	for _, o := range objects {
		if kinds := t.policy.Spec.Targets.Kinds; len(kinds) > 0 && !slices.Contains(kinds, o.Kind()) {
			continue
		}
		c := testCase{Name: o.Name() + " must " + verdictName, Object: o.Content, someViolation: verdictName == "fail"}
		if o.Origin != nil {
			c.line = o.Origin.Object().Line
		}
		cases = append(cases, c)
	}
	return cases
}

// testCase runs one case on each of its objects.
func (t *trial) testCase(ctx context.Context, file string, c *testCase) error {
	if len(t.folder.policies) > 1 && c.Policy == "" && !c.someViolation {
		if c.Policy == "" && t.policy == t.folder.policies[0] {
			t.problem("%s:%d: case %q does not say by its policy which of the %d policies of the folder it tests", file, c.line, c.Name, len(t.folder.policies))
		}
		return nil
	}
	if c.Policy != "" && c.Policy != t.policy.Spec.ID {
		return nil
	}
	tested, err := withParameters(t.policy, c.Parameters)
	if err != nil {
		t.problem("%s:%d: case %q: %v", file, c.line, c.Name, err)
		return nil
	}
	snapshot := t.snapshot
	if tested != t.policy {
		if snapshot, err = t.runner.judges.compile(ctx, tested); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			t.problem("%s:%d: case %q: with its parameters the policy does not compile: %v", file, c.line, c.Name, err)
			return nil
		}
	}
	objects := c.objects(t.policy)
	if len(objects) == 0 {
		t.problem("%s:%d: case %q: the policy targets no kind that contains a pod", file, c.line, c.Name)
	}
	for i := range objects {
		of := &objects[i]
		if !t.runner.chosen.MatchString(t.policy.Spec.ID + "/" + c.Name + "/" + of.kind) {
			continue
		}
		if err := t.try(ctx, file, c, of, tested, snapshot); err != nil {
			return err
		}
	}
	return nil
}

func (c *testCase) objects(p *v2.Policy) []podObject {
	if c.Object != nil {
		o := policy.Object{Content: c.Object}
		return []podObject{{kind: o.Kind(), content: c.Object}}
	}
	kinds := p.Spec.Targets.Kinds
	if len(c.Kinds) > 0 {
		kinds = c.Kinds
	}
	return expand(c.Pod, kinds)
}

func (t *trial) try(ctx context.Context, file string, c *testCase, of *podObject, tested *v2.Policy, snapshot *engine.Snapshot) error {
	started := time.Now()
	request := c.request(tested, of.content)
	got := judge(ctx, snapshot, request)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	result := CaseResult{Name: c.Name, Kind: of.kind, File: file, Line: c.line, Status: Passed}
	if c.someViolation {
		result.Failure = noViolation(got)
	} else {
		result.Failure = difference(c, of, got)
	}
	if result.Failure != "" {
		result.Status = Failed
	}
	result.Duration = time.Since(started)
	t.result.Cases = append(t.result.Cases, result)
	if t.coverage != nil {
		if err := t.coverage.observe(ctx, tested, request, got); err != nil {
			return errors.Join(ctx.Err(), fmt.Errorf("%s:%d: case %q: measuring coverage: %w", file, c.line, c.Name, err))
		}
	}
	return nil
}

// noViolation says what is wrong with a verdict that had to be a violation of whatever kind.
func noViolation(got verdict) string {
	switch {
	case got.err != nil:
		return "the policy failed on the object: " + got.err.Error()
	case !got.applies:
		return "the policy does not apply to the object: its targets, exclusions or match conditions leave it out"
	case len(got.occurrences) == 0:
		return "expected a violation, found none"
	}
	return ""
}

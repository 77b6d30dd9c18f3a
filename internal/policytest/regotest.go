package policytest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// DefaultRegoTimeout of one test in Rego.
const DefaultRegoTimeout = 5 * time.Second

// regoTests runs the unit tests in Rego of the policy's folder. They belong to the first policy in Rego when the folder
// has several.
func (t *trial) regoTests(ctx context.Context) error {
	if len(t.folder.rego) == 0 || t.policy.Spec.Code == "" || !t.isFirstInRego() {
		return nil
	}
	modules, ok := t.regoModules()
	if !ok {
		return nil
	}
	compiler := ast.NewCompiler().WithCapabilities(offline()).WithEnablePrintStatements(true)
	timeout := cmp.Or(t.runner.options.Timeout, DefaultRegoTimeout)
	store := inmem.New()
	runner := tester.NewRunner().SetCompiler(compiler).SetStore(store).SetModules(modules).SetTimeout(timeout).
		CapturePrintOutput(true).RaiseBuiltinErrors(true)
	if t.coverage != nil {
		runner.SetCoverageQueryTracer(t.coverage.tracer)
	}
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return fmt.Errorf("run the tests in Rego of %s: %w", t.folder.path, err)
	}
	defer store.Abort(ctx, txn)
	outcomes, err := runner.RunTests(ctx, txn)
	if err != nil {
		t.problem("%v", err)
		return nil
	}
	var cases []CaseResult
	for outcome := range outcomes {
		if outcome != nil && t.runner.chosen.MatchString(t.policy.Spec.ID+"/"+outcome.Name+"/") {
			cases = append(cases, regoCase(outcome))
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	slices.SortFunc(cases, func(a, b CaseResult) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	t.result.Cases = append(t.result.Cases, cases...)
	return nil
}

func (t *trial) isFirstInRego() bool {
	for _, p := range t.folder.policies {
		if p.Spec.Code != "" {
			return p == t.policy
		}
	}
	return false
}

// regoModules are the policies of the folder and the files below tests/. What does not parse is a problem, and then
// there is nothing to run.
func (t *trial) regoModules() (modules map[string]*ast.Module, ok bool) {
	modules, ok = map[string]*ast.Module{}, true
	add := func(name, code string) {
		parsed, err := parse(name, code)
		if err != nil {
			t.problem("%v", err)
			ok = false
			return
		}
		modules[name] = parsed
	}
	for _, p := range t.folder.policies {
		name := t.folder.file[p] + ":" + codeFile
		if p == t.policy {
			name = codeFile
		}
		if p.Spec.Code != "" {
			add(name, p.Spec.Code)
		}
	}
	for _, name := range t.folder.rego {
		content, err := readBounded(name)
		if err != nil {
			t.problem("%v", err)
			ok = false
			continue
		}
		add(name, string(content))
	}
	if t.folder.module != "" {
		content, err := readBounded(t.folder.module)
		switch {
		case err != nil:
			t.problem("%v", err)
		case strings.TrimSpace(string(content)) != strings.TrimSpace(t.policy.Spec.Code):
			t.problem("%s differs from spec.code of %s: what is tested is spec.code", t.folder.module, t.result.File)
		}
	}
	return modules, ok
}

func regoCase(outcome *tester.Result) CaseResult {
	result := CaseResult{Name: outcome.Name, Status: Passed, Duration: outcome.Duration}
	if outcome.Location != nil {
		result.File, result.Line = outcome.Location.File, outcome.Location.Row
	}
	switch {
	case outcome.Skip:
		result.Status = Skipped
	case outcome.Error != nil:
		result.Status, result.Failure = Failed, outcome.Error.Error()
	case outcome.Fail:
		result.Status, result.Failure = Failed, "the rule is not true"
		if at := outcome.FailedAt; at != nil && at.Location != nil {
			result.Failure = fmt.Sprintf("line %d is not true: %s", at.Location.Row, strings.TrimSpace(string(at.Location.Text)))
		}
	}
	if output := strings.TrimSpace(string(outcome.Output)); result.Status == Failed && output != "" {
		result.Failure += "\nprinted:\n" + output
	}
	return result
}

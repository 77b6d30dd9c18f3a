package cel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/policy"
)

// compareTracking evaluates a bounded program with and without tracking costs: the verdicts must be the same, and no
// limit may be reached.
func compareTracking(tb testing.TB, program *Program, in *Input, params map[string]any) {
	tb.Helper()
	in.begin(context.Background(), program, params)
	defer in.end()
	if !program.bounded || !in.isSmall() || !isSmall(in.params) {
		return
	}
	in.tracks = true
	applies, occurrences, err := program.evaluate(in)
	if err != nil && (stopped(err) || strings.Contains(err.Error(), "costs more than")) {
		tb.Errorf("a bounded program reaches a limit: %v", err)
	}
	in.variables.reset(len(program.variables))
	in.tracks = false
	untracked, untrackedOccurrences, untrackedErr := program.evaluate(in)
	if applies != untracked || (err == nil) != (untrackedErr == nil) {
		tb.Errorf("with tracking: %v, %v; without it: %v, %v", applies, err, untracked, untrackedErr)
	}
	if diff := cmp.Diff(fmt.Sprintf("%#v", occurrences), fmt.Sprintf("%#v", untrackedOccurrences)); diff != "" {
		tb.Errorf("occurrences (-tracked +untracked):\n%s", diff)
	}
}

func TestRealisticPoliciesNeedNoTracking(t *testing.T) {
	compiler := newCompiler(t)
	in := compiler.NewInput(request(fixture(t, "deployment.yaml")))
	if !in.isSmall() {
		t.Error("the Deployment of the tests is not small")
	}
	for i, p := range realistic {
		program := compile(t, compiler, realisticPolicy(t, i))
		if !program.bounded {
			t.Errorf("%s has no bound", p.name)
		}
		compareTracking(t, program, in, map[string]any{"replicas": int64(5)})
	}
}

func TestIsSmall(t *testing.T) {
	text, items := strings.Repeat("x", maxText), make([]any, maxItems)
	for _, test := range []struct {
		name  string
		value any
		want  bool
	}{
		{"a scalar", int64(1), true},
		{"the longest string", text, true},
		{"a string that is too long", text + "x", false},
		{"the longest list", items, true},
		{"a list that is too long", append(items[:maxItems:maxItems], nil), false},
		{"a long string deep inside", map[string]any{"a": []any{map[string]any{"b": text + "x"}}}, false},
		{"a long key", map[string]any{text + "x": true}, false},
		{"what kubectl keeps", map[string]any{"annotations": map[string]any{"kubectl.kubernetes.io/last-applied-configuration": text + text}}, true},
		{"what the API server keeps", map[string]any{"managedFields": []any{text + text}}, true},
	} {
		if got := isSmall(test.value); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	many := map[string]any{}
	for i := range maxItems + 1 {
		many[fmt.Sprint(i)] = true
	}
	if isSmall(many) {
		t.Errorf("a map of %d entries is small", len(many))
	}
	extra := policy.UserInfo{Extra: map[string][]string{"a": make([]string, maxItems+1)}}
	if in := (&Input{request: &policy.Request{UserInfo: &extra}}); in.isSmall() {
		t.Error("a user with many extras is small")
	}
}

func TestContainersAreCountedTogether(t *testing.T) {
	var part []any
	for range maxItems/2 + 1 {
		part = append(part, map[string]any{"name": "x"})
	}
	object := map[string]any{"kind": "Pod", "spec": map[string]any{"containers": part, "initContainers": part}}
	if in := (&Input{request: request(object)}); !isSmall(object) || in.isSmall() {
		t.Error("the containers of a pod are small in parts, but not together")
	}
}

func TestLimitsHoldForLargeObjects(t *testing.T) {
	compiler := newCompiler(t)
	program := compile(t, compiler, check(`object.spec.many.all(x, !x.contains("a long constant makes it dear"))`))
	if !program.bounded {
		t.Fatal("the expression has no bound")
	}
	for length, limited := range map[int]bool{10: false, 4_000_000: true} {
		object := map[string]any{"spec": map[string]any{"many": []any{strings.Repeat("x", length)}}}
		_, _, err := program.Evaluate(context.Background(), compiler.NewInput(request(object)), nil)
		if got := err != nil && strings.Contains(err.Error(), "limit of 1000000 units"); got != limited {
			t.Errorf("a string of %d: err = %v", length, err)
		}
	}
}

func TestWhatGrowsByItselfHasNoBound(t *testing.T) {
	doubled := "[object.metadata.name]"
	for range 30 {
		doubled += ".map(x, x + x)"
	}
	for name, expression := range map[string]string{
		"strings that double":         doubled + ".size() == 1",
		"lists of lists":              `[1, 2, 3].map(a, object.spec.a.map(b, object.spec.a.map(c, object.spec.a))).size() == 3 && object.spec.a.all(a, object.spec.a.all(b, object.spec.a.all(c, object.spec.a.all(d, a == d))))`,
		"a variable that is computed": "variables.long.contains('x')",
		"a formatted string":          `"%s".format([object]).contains("x")`,
	} {
		p := rule(t, "{variables: [{name: long, expression: \"object.kind + '%s%s'.format([object, object])\"}], validations: [{expression: \"true\"}]}")
		p.Spec.CEL.Validations[0].Expression = expression
		if program := compile(t, newCompiler(t), p); program.bounded {
			t.Errorf("%s: the bound is %d", name, program.validations[0].test.bound)
		}
	}
}

func TestTheDeadlineStopsAnUntrackedLoop(t *testing.T) {
	many := make([]any, maxItems)
	for i := range many {
		many[i] = "x"
	}
	compiler := newCompiler(t)
	program := compile(t, compiler, check(`object.spec.many.all(x, object.spec.many.all(y, y == "x" && x != "y"))`))
	in := compiler.NewInput(request(map[string]any{"spec": map[string]any{"many": many}}))
	if !program.bounded || !in.isSmall() {
		t.Fatal("the costs would be tracked")
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := program.Evaluate(&endsSoon{Context: cancelled}, in, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

// endsSoon is a context that ends once its state was asked for: right after the evaluation has begun.
type endsSoon struct {
	context.Context
	asked bool
}

func (c *endsSoon) Err() error {
	if !c.asked {
		c.asked = true
		return nil
	}
	return c.Context.Err()
}

package rego

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/assay-gitops/assay/policy"
)

// Two policies are evaluated on one input in both orders, and each must find what it finds alone. The rule `helper` is shared
// exactly when it means the same in both.
func TestRulesAreSharedWhereTheyMeanTheSame(t *testing.T) {
	const finds = "violation contains {\"msg\": sprintf(\"%v\", [helper])} if true\n"
	for name, test := range map[string]struct {
		first, second string
		// parameters of the first and the second policy.
		parameters [2]map[string]any
		shared     bool
	}{
		"the same": {
			first:  "helper := input.review.object.a\n",
			second: "# another line\nhelper := input.review.object.a\n", shared: true,
		},
		"other names of variables and packages": {
			first:  "helper := [x | some i; x := input.review.object.list[i]; x > 1]\n",
			second: "helper := [y | some j; y := input.review.object.list[j]; y > 1]\n", shared: true,
		},
		"another constant": {
			first:  "helper := input.review.object.a == 1\n",
			second: "helper := input.review.object.a == 2\n",
		},
		"another field": {
			first:  "helper := input.review.object.a\n",
			second: "helper := input.review.object.b\n",
		},
		"the same parameter": {
			first:  "helper := [input.review.object.a, input.parameters.p]\n",
			second: "helper := [input.review.object.a, input.parameters.p]\n", shared: true,
			parameters: [2]map[string]any{{"p": "x", "other": 1}, {"p": "x", "other": 2}},
		},
		"another value of the parameter": {
			first:      "helper := [input.review.object.a, input.parameters.p]\n",
			second:     "helper := [input.review.object.a, input.parameters.p]\n",
			parameters: [2]map[string]any{{"p": "x"}, {"p": "y"}},
		},
		"a number and a string": {
			first:      "helper := [input.review.object.a, input.parameters.p]\n",
			second:     "helper := [input.review.object.a, input.parameters.p]\n",
			parameters: [2]map[string]any{{"p": 1}, {"p": "1"}},
		},
		"a parameter that is not there": {
			first:      "default helper := \"none\"\nhelper := [input.review.object.a, input.parameters.p]\n",
			second:     "default helper := \"none\"\nhelper := [input.review.object.a, input.parameters.p]\n",
			parameters: [2]map[string]any{{"p": 1}, {}},
		},
		"all parameters": {
			first:      "helper := [k | some k; input.parameters[k]; input.review.object.a]\n",
			second:     "helper := [k | some k; input.parameters[k]; input.review.object.a]\n",
			parameters: [2]map[string]any{{"p": 1}, {"q": 1}},
		},
		"all of the input": {
			first:      "helper := [input, input.review.object.a]\n",
			second:     "helper := [input, input.review.object.a]\n",
			parameters: [2]map[string]any{{"p": 1}, {"q": 1}},
		},
		"a function that differs": {
			first:  "helper := f(input.review.object.a)\nf(x) := x + 1\n",
			second: "helper := f(input.review.object.a)\nf(x) := x + 2\n",
		},
		"a function of another name": {
			first:  "helper := f(input.review.object.a)\nf(x) := x + 1\n",
			second: "helper := g(input.review.object.a)\ng(y) := y + 1\n", shared: true,
		},
		"a rule by another": {
			first:  "helper := [base, 1]\nbase := input.review.object.a\n",
			second: "helper := [base, 1]\nbase := input.review.object.b\n",
		},
		"another built-in": {
			first:  "helper := max(input.review.object.list)\n",
			second: "helper := min(input.review.object.list)\n",
		},
		"one that tells something else each time": {
			first:  "helper := [input.review.object.a, rand.intn(\"seed\", 1)]\n",
			second: "helper := [input.review.object.a, rand.intn(\"seed\", 1)]\n",
		},
		"negated": {
			first:  "default helper := false\nhelper if input.review.object.a == 1\n",
			second: "default helper := false\nhelper if not input.review.object.a == 1\n",
		},
		"a replaced input": {
			first:  "helper := x if x := base with input as {\"review\": {\"object\": {\"a\": 7}}}\nbase := input.review.object.a\n",
			second: "helper := base\nbase := input.review.object.a\n",
		},
		"numbers that are large": {
			first:  "helper := input.review.object.a + 12345678901234567890\n",
			second: "helper := input.review.object.a + 12345678901234567891\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var bound [2]*Bound
			for i, code := range []string{test.first, test.second} {
				program, err := NewCompiler(false).Compile(fmt.Sprintf("package p%d\nimport rego.v1\n%s%s", i, code, finds))
				if err != nil {
					t.Fatal(err)
				}
				if bound[i], err = program.Bind(test.parameters[i]); err != nil || bound[i].Fallback() != nil {
					t.Fatal(err, bound[i].Fallback())
				}
			}
			input := func() *Input {
				return NewInput(&policy.Request{Object: &policy.Object{Content: map[string]any{"a": int64(1), "b": "two", "list": []any{int64(1), int64(2), int64(3)}}}})
			}
			evaluate := func(b *Bound, in *Input) []policy.Occurrence {
				found, err := b.Evaluate(in, nil)
				if err != nil || len(found) != 1 {
					t.Fatalf("found %v, error %v", found, err)
				}
				return found
			}
			var alone [2][]policy.Occurrence
			var rules [2]map[meaning]*ast.Term
			for i := range bound {
				in := input()
				alone[i], rules[i] = evaluate(bound[i], in), in.machine.shared
			}
			for _, order := range [][]int{{0, 1}, {1, 0}} {
				in := input()
				evaluate(bound[order[0]], in)
				if diff := cmp.Diff(alone[order[1]], evaluate(bound[order[1]], in)); diff != "" {
					t.Errorf("after the other policy it finds %s", diff)
				}
			}
			shared := false
			for rule := range rules[0] {
				_, both := rules[1][rule]
				shared = shared || both
			}
			if shared != test.shared {
				t.Errorf("shared: %t, want %t", shared, test.shared)
			}
		})
	}
}

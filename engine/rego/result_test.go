package rego

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/policy"
)

// TestResultShapes is the table of COMPATIBILITY: what the old agent understood, and a meaning for what crashed or
// silenced it.
func TestResultShapes(t *testing.T) {
	one := []policy.Occurrence{{}}
	for name, c := range map[string]struct {
		code string
		want []policy.Occurrence
	}{
		"a set of objects": {`violation[r] { r := {"msg": "m", "violating_key": "spec.x", "recommended_value": 3, "image": "ignored"} }`,
			[]policy.Occurrence{{Message: "m", Path: "spec.x", RecommendedValue: int64(3)}}},
		"an element without msg":             {`violation[r] { r := {"violating_key": "spec.x"} }`, []policy.Occurrence{{Path: "spec.x"}}},
		"a plain string keeps its text":      {`violation[r] { r := "text" }`, []policy.Occurrence{{Message: "text"}}},
		"two elements with the same msg":     {`violation[r] { r := {"msg": "m", "a": ["x", "y"][_]} }`, []policy.Occurrence{{Message: "m"}, {Message: "m"}}},
		"an array":                           {`violation = ["a", {"msg": "b"}]`, []policy.Occurrence{{Message: "a"}, {Message: "b"}}},
		"a complete object":                  {`violation = {"msg": "m"}`, []policy.Occurrence{{Message: "m"}}},
		"an empty complete object":           {`violation = {}`, one},
		"a complete string":                  {`violation = "text"`, []policy.Occurrence{{Message: "text"}}},
		"a partial object is one occurrence": {`violation[k] = v { k := ["a", "b"][_]; v := 1 }`, one},
		"a partial object without entries":   {`violation[k] = v { input.nothing; k := "a"; v := 1 }`, nil},
		"true":                               {`violation { true }`, one},
		"false":                              {`violation = false`, nil},
		"a number is a count":                {`violation = 2`, one},
		"zero":                               {`violation = 0`, nil},
		"null":                               {`violation = null`, nil},
		"undefined":                          {`violation = 1 { input.nothing }`, nil},
		"an empty set":                       {`violation[r] { input.nothing; r := 1 }`, nil},
		"elements that are neither object nor text": {`violation[r] { r := [1, true, null][_] }`, []policy.Occurrence{{}, {}, {}}},
		"recommended values of every type": {`violation[r] { r := {"recommended_value": {"a": [1, 1.5, "x", false, null]}} }`,
			[]policy.Occurrence{{RecommendedValue: map[string]any{"a": []any{int64(1), 1.5, "x", false, nil}}}}},
		"large whole numbers stay exact":   {`violation[r] { r := {"recommended_value": 9007199254740993} }`, []policy.Occurrence{{RecommendedValue: int64(9007199254740993)}}},
		"keys of another type are ignored": {`violation[r] { r := {"msg": 1, "violating_key": ["x"]} }`, one},
	} {
		t.Run(name, func(t *testing.T) {
			program, err := NewCompiler(false).Compile("package p\n" + c.code)
			if err != nil {
				t.Fatal(err)
			}
			bound, err := program.Bind(nil)
			if err != nil || bound.Fallback() != nil {
				t.Fatal(err, bound.Fallback())
			}
			in := NewInput(&policy.Request{Object: &policy.Object{Content: map[string]any{"kind": "Pod"}}})
			for evaluator, evaluate := range map[string]func() ([]policy.Occurrence, error){
				"lowered": func() ([]policy.Occurrence, error) { return bound.Evaluate(in, nil) },
				"interpreted": func() ([]policy.Occurrence, error) {
					interpreted, err := program.interpreted(bound.parameters)
					if err != nil {
						return nil, err
					}
					return interpreted.Evaluate(in, nil)
				},
			} {
				got, err := evaluate()
				if err != nil {
					t.Fatal(evaluator, err)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("%s: %s", evaluator, diff)
				}
			}
		})
	}
}

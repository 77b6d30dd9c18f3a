package rego

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/realdata"
	"github.com/assay-gitops/assay/policy"
)

// TestLoweredPlansAgreeWithTheInterpreter judges every real manifest by every real policy, both ways.
func TestLoweredPlansAgreeWithTheInterpreter(t *testing.T) {
	if realdata.Dir() == "" {
		t.Skip("ASSAY_DATA is not set")
	}
	objects := realdata.Objects(t)
	inputs := make([]*Input, len(objects))
	for i, o := range objects {
		inputs[i] = NewInput(&policy.Request{Object: o})
	}
	compiler := NewCompiler(false)
	var pairs, violations int
	for _, p := range realdata.Policies(t) {
		program, err := compiler.Compile(p.Spec.Code)
		if err != nil {
			t.Fatalf("%s: %v", p.Spec.ID, err)
		}
		bound, err := program.Bind(parameters(t, p))
		if err != nil || bound.Fallback() != nil {
			t.Fatalf("%s: %v %v", p.Spec.ID, err, bound.Fallback())
		}
		interpreted, err := program.interpreted(bound.parameters)
		if err != nil {
			t.Fatal(err)
		}
		for i, in := range inputs {
			if !slices.Contains(p.Spec.Targets.Kinds, objects[i].Kind()) {
				continue
			}
			want, wantErr := interpreted.Evaluate(in, nil)
			got, gotErr := bound.Evaluate(in, nil)
			pairs++
			violations += len(want)
			if (wantErr == nil) != (gotErr == nil) {
				t.Errorf("%s on %s: error %v, want %v", p.Spec.ID, objects[i], gotErr, wantErr)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s on %s: %s", p.Spec.ID, objects[i], diff)
			}
		}
	}
	t.Logf("%d objects, %d pairs, %d occurrences, all the same", len(objects), pairs, violations)
	if violations == 0 {
		t.Error("nothing was violated: the comparison says nothing")
	}
}

func parameters(tb testing.TB, p *v2.Policy) map[string]any {
	tb.Helper()
	values := map[string]any{}
	for _, declared := range p.Spec.Parameters {
		var value any
		if declared.Value != nil {
			if err := yaml.Unmarshal(declared.Value.Raw, &value); err != nil {
				tb.Fatal(err)
			}
		}
		values[declared.Name] = value
	}
	return values
}

package cel

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/policy"
)

// TestOneProgramServesManyGoroutines compiles and evaluates in parallel and compares with what one goroutine finds. Run
// with -race it also proves that compilers, programs, objects and parameters are only read.
func TestOneProgramServesManyGoroutines(t *testing.T) {
	type verdict struct {
		Applies     bool
		Occurrences []policy.Occurrence
		Err         string
	}
	compiler := newCompiler(t)
	object := fixture(t, "deployment.yaml")
	containers := object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)
	containers[0].(map[string]any)["securityContext"] = map[string]any{"privileged": true}
	r := request(object)
	params := map[string]any{"replicas": int64(5)}
	var programs []*Program
	for i := range realistic {
		programs = append(programs, compile(t, compiler, realisticPolicy(t, i)))
	}
	programs = append(programs, compile(t, compiler, check(`object.spec.nope == 1`)), compile(t, compiler, check(`object.spec.replicas + object.metadata == 1`)))
	judge := func() []verdict {
		var verdicts []verdict
		in := compiler.NewInput(r)
		for _, program := range programs {
			applies, occurrences, err := program.Evaluate(context.Background(), in, params)
			verdicts = append(verdicts, verdict{applies, occurrences, fmt.Sprint(err)})
		}
		return verdicts
	}
	want := judge()
	if len(want[0].Occurrences) == 0 || len(want[1].Occurrences) == 0 || want[len(want)-1].Err == "<nil>" {
		t.Fatalf("the policies of the test must find something and fail: %+v", want)
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 20 {
				if diff := cmp.Diff(want, judge()); diff != "" {
					t.Errorf("(-alone +together):\n%s", diff)
					return
				}
			}
			if _, err := compiler.Compile(realisticPolicy(t, i)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

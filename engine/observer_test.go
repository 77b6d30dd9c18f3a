package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/policy"
)

// notebook writes down what an observer sees, and refuses policies by id.
type notebook struct {
	refused map[string]error
	seen    []string
}

func (n *notebook) Admit(mode v2.Mode, p *v2.Policy) error {
	n.seen = append(n.seen, "admit "+p.Spec.ID)
	return n.refused[p.Spec.ID]
}

func (n *notebook) Evaluated(mode v2.Mode, p *v2.Policy, took time.Duration, err error) {
	if took <= 0 {
		n.seen = append(n.seen, fmt.Sprintf("%s took %s", p.Spec.ID, took))
	}
	n.seen = append(n.seen, fmt.Sprintf("evaluated %s: %v", p.Spec.ID, err))
}

// endless does not end by itself, but looks at its brake.
const endless = `package endless
violation contains x if { some a in input.review.object.n; some b in input.review.object.n; some c in input.review.object.n; x := a * b * c; x < 0 }`

// manyNumbers is an object for endless.
func manyNumbers() *policy.Object {
	numbers := make([]any, 5000)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	return &policy.Object{Content: map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "many"}, "n": numbers}}
}

func TestAnObserverSeesEveryEvaluation(t *testing.T) {
	suspended := errors.New("suspended")
	n := &notebook{refused: map[string]error{"c": suspended}}
	s := mustCompile(t, engine.Sources{Policies: []*v2.Policy{
		newPolicy("a", always),
		newPolicy("b", endless),
		newPolicy("c", always),
		newPolicy("d", `package d
violation = 1 if input.review.object.n
violation = 2 if input.review.object.n`),
		newPolicy("e", always, func(p *v2.Policy) { p.Spec.Targets.Kinds = []string{"Service"} }),
	}}, engine.Options{Observer: n, Timeout: 50 * time.Millisecond})
	verdict := s.Judge(context.Background(), &policy.Request{Object: manyNumbers()})
	want := []string{
		"admit a", "evaluated a: <nil>",
		"admit b", "evaluated b: evaluation did not end within 50ms",
		"admit c",
		"admit d", "evaluated d: line 3 of the code: eval_conflict_error: complete rules must not produce multiple outputs",
	}
	if diff := cmp.Diff(want, n.seen); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
	if verdict.Evaluated != 4 || len(verdict.Results) != 4 {
		t.Fatalf("%d evaluated, results %v", verdict.Evaluated, verdict.Results)
	}
	if b := verdict.Results[1]; b.Status != policy.Error || !b.Enforced || !errors.Is(b.Err, engine.ErrTimeout) || errors.Is(b.Err, engine.ErrMemory) {
		t.Errorf("out of time: %+v", b)
	}
	if c := verdict.Results[2]; c.Status != policy.Error || c.Enforced || !errors.Is(c.Err, suspended) || !strings.HasSuffix(c.Message, ": suspended") {
		t.Errorf("refused by the observer: %+v", c)
	}
	if d := verdict.Results[3]; d.Status != policy.Error || !d.Enforced || errors.Is(d.Err, engine.ErrTimeout) {
		t.Errorf("failed by itself: %+v", d)
	}
}

func TestACELPolicyOutOfTimeSaysSo(t *testing.T) {
	s := mustCompile(t, engine.Sources{Policies: []*v2.Policy{newPolicy("slow", "", func(p *v2.Policy) {
		p.Spec.CEL = &v2.CELRule{Validations: []v2.CELValidation{{Expression: "object.n.all(a, object.n.all(b, a + b >= 0))"}}}
	})}}, engine.Options{Timeout: time.Millisecond})
	results := s.Judge(context.Background(), &policy.Request{Object: manyNumbers()}).Results
	if len(results) != 1 || !errors.Is(results[0].Err, engine.ErrTimeout) || results[0].Err.Error() != "evaluation did not end within 1ms" {
		t.Errorf("%+v", results)
	}
}

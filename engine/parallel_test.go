package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/policy"
)

// TestJudgingInParallelChangesNothing judges thousands of pairs one at a time and from many goroutines. The race detector
// watches when it is on.
func TestJudgingInParallelChangesNothing(t *testing.T) {
	var policies []*v2.Policy
	for i := range 40 {
		policies = append(policies, newPolicy(fmt.Sprintf("rego-%02d", i), fmt.Sprintf(madeCode, i)))
		policies = append(policies, newPolicy(fmt.Sprintf("cel-%02d", i), "", func(p *v2.Policy) {
			p.Spec.CEL = &v2.CELRule{Validations: []v2.CELValidation{{
				Occurrences: fmt.Sprintf(`workload == null ? [] : workload.containers.filter(c, size(c.name) > %d).map(c, {"message": c.name, "path": c.path})`, i%6),
			}}}
		}))
	}
	var configs []*v2.PolicyConfig
	for i := range 4 {
		c := &v2.PolicyConfig{}
		c.Name = fmt.Sprintf("config-%d", i)
		c.Spec.Match.Resources = []v2.PolicyTargetResource{{Kind: "Deployment", Name: fmt.Sprintf("made-%d", i)}}
		configs = append(configs, c)
	}
	s := mustCompile(t, engine.Sources{Policies: policies, Configs: configs}, engine.Options{})
	var requests []*policy.Request
	for i := range 60 {
		o := object(t, benchDeployment)
		o.Content["metadata"].(map[string]any)["name"] = fmt.Sprintf("made-%d", i)
		o.Content["kind"] = []string{"Deployment", "StatefulSet", "Job", "ReplicaSet"}[i%4]
		requests = append(requests, &policy.Request{Object: o})
	}
	judge := func(r *policy.Request) string {
		var text string
		for _, result := range s.Judge(context.Background(), r).Results {
			text += fmt.Sprintln(result.Policy.Spec.ID, result.Status, result.Message, result.Occurrences, result.Parameters, result.Err)
		}
		return text
	}
	want := make([]string, len(requests))
	for i, r := range requests {
		if want[i] = judge(r); want[i] == "" {
			t.Fatalf("nothing found on %s", r.Object)
		}
	}
	const workers = 8
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := range requests {
				at := (i + w*len(requests)/workers) % len(requests)
				if diff := cmp.Diff(want[at], judge(requests[at])); diff != "" {
					t.Errorf("%s judged in parallel: %s", requests[at].Object, diff)
					return
				}
			}
		})
	}
	group.Wait()
}

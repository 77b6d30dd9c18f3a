package engine_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/policy"
)

// hostPID is what many older policies look like: they know the built-in kinds by name.
const hostPID = `package p
violation contains {"issue_detected": true, "msg": sprintf("%s %s", [input.review.object.kind, input.review.kind.kind]), "violating_key": "spec.template.spec.hostPID"} if {
	input.review.object.kind in {"Deployment", "Job"}
	input.review.object.spec.template.spec.hostPID
}`

func withPod(t *testing.T, apiVersion, kind string, spec map[string]any) *policy.Object {
	o := named(t, kind, "shop", "web", nil)
	o.Content["apiVersion"], o.Content["spec"] = apiVersion, spec
	return o
}

func TestWorkloadsOfOtherKindsAreJudgedByPoliciesAboutTheKindTheyAreLike(t *testing.T) {
	template := map[string]any{"spec": map[string]any{"hostPID": true, "containers": []any{map[string]any{"name": "c"}}}}
	rollout := withPod(t, "argoproj.io/v1alpha1", "Rollout", map[string]any{"template": template})
	scaledJob := withPod(t, "keda.sh/v1alpha1", "ScaledJob", map[string]any{"jobTargetRef": map[string]any{"template": template}})
	targeting := func(kinds ...string) func(*v2.Policy) { return func(p *v2.Policy) { p.Spec.Targets.Kinds = kinds } }
	rego := func(change func(*v2.Policy)) *v2.Policy { return newPolicy("p", hostPID, change) }
	byCEL := newPolicy("p", "", func(p *v2.Policy) {
		p.Spec.Targets.Kinds = []string{"Deployment", "Job"}
		p.Spec.CEL = &v2.CELRule{Validations: []v2.CELValidation{{
			Expression: "!workload.spec.?hostPID.orValue(false)", MessageExpression: "object.kind + ' of ' + workload.path", PathExpression: "workload.path + '.hostPID'",
		}}}
	})
	made := policy.GroupKind{Group: "argoproj.io", Kind: "Rollout"}
	for name, test := range map[string]struct {
		policy  *v2.Policy
		request policy.Request
		want    []policy.Occurrence // nil: not judged
	}{
		"a policy about Deployments": {rego(targeting("Deployment")), policy.Request{Object: rollout}, []policy.Occurrence{{Message: "Deployment Deployment", Path: "spec.template.spec.hostPID"}}},
		"with its group": {rego(func(p *v2.Policy) {
			p.Spec.Targets = v2.PolicyTargets{Kinds: []string{"Deployment"}, APIGroups: []string{"apps"}}
		}),
			policy.Request{Object: rollout}, []policy.Occurrence{{Message: "Deployment Deployment", Path: "spec.template.spec.hostPID"}}},
		"about others":                 {rego(targeting("StatefulSet", "Pod")), policy.Request{Object: rollout}, nil},
		"about the kind itself":        {rego(targeting("Rollout", "Deployment")), policy.Request{Object: rollout}, []policy.Occurrence{}},
		"about every kind":             {rego(targeting()), policy.Request{Object: rollout}, []policy.Occurrence{}},
		"where the template is deeper": {rego(targeting("Job")), policy.Request{Object: scaledJob}, []policy.Occurrence{{Message: "Job Job", Path: "spec.jobTargetRef.template.spec.hostPID"}}},
		"CEL":                          {byCEL, policy.Request{Object: scaledJob}, []policy.Occurrence{{Message: "Job of spec.template.spec", Path: "spec.jobTargetRef.template.spec.hostPID"}}},
		"what it made":                 {rego(targeting("Deployment", "ReplicaSet")), policy.Request{Object: named(t, "ReplicaSet", "shop", "web-1", nil), Controller: made}, nil},
		"what it made, by another":     {rego(targeting("ReplicaSet")), policy.Request{Object: named(t, "ReplicaSet", "shop", "web-1", nil), Controller: made}, []policy.Occurrence{}},
		"another group":                {rego(targeting("Deployment")), policy.Request{Object: withPod(t, "example.com/v1", "Rollout", rollout.Content["spec"].(map[string]any))}, nil},
		"an exclusion of the object": {rego(func(p *v2.Policy) {
			p.Spec.Targets.Kinds, p.Spec.Exclude.Resources = []string{"Deployment"}, []string{"shop/web"}
		}), policy.Request{Object: rollout}, nil},
		"an operation that is not meant": {rego(targeting("Deployment")), policy.Request{Object: rollout, Operation: policy.Delete}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustCompile(t, engine.Sources{Policies: []*v2.Policy{test.policy}, Workloads: policy.KnownWorkloads()}, engine.Options{Compliance: true})
			v := s.Judge(t.Context(), &test.request)
			if test.want == nil {
				if v.Evaluated != 0 {
					t.Fatalf("%d policies judged it: %v", v.Evaluated, v.Results)
				}
				return
			}
			if v.Evaluated != 1 || len(v.Results) != 1 {
				t.Fatalf("%d policies judged it: %v", v.Evaluated, v.Results)
			}
			if v.Results[0].Object != test.request.Object {
				t.Errorf("the result is about %v", v.Results[0].Object)
			}
			if got := append([]policy.Occurrence{}, v.Results[0].Occurrences...); !cmp.Equal(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestResultsAboutAWorkloadAreSortedWithAllOthers(t *testing.T) {
	var policies []*v2.Policy
	for id, kind := range map[string]string{"a": "Deployment", "b": "Rollout", "c": "Deployment", "d": "Rollout"} {
		policies = append(policies, newPolicy(id, always, func(p *v2.Policy) { p.Spec.Targets.Kinds = []string{kind} }))
	}
	s := mustCompile(t, engine.Sources{Policies: policies, Workloads: policy.KnownWorkloads()}, engine.Options{})
	v := s.Judge(t.Context(), &policy.Request{Object: withPod(t, "argoproj.io/v1alpha1", "Rollout", map[string]any{"template": map[string]any{"spec": map[string]any{}}})})
	var ids []string
	for _, r := range v.Results {
		ids = append(ids, r.Policy.Spec.ID)
	}
	if want := []string{"a", "b", "c", "d"}; !cmp.Equal(ids, want) {
		t.Errorf("results of %v, want %v", ids, want)
	}
}

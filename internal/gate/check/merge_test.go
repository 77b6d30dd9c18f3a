package check

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/report"
	"github.com/assay-gitops/assay/policy"
)

// named returns an object of a kind.
func named(kind, name string, origin policy.Origin) *policy.Object {
	return &policy.Object{Origin: origin, Content: map[string]any{
		"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": name, "namespace": "shop"},
	}}
}

func findingOf(p *v2.Policy, object *policy.Object, line int, message string) report.Finding {
	return report.Finding{
		Result:     &policy.Result{Policy: p, Object: object, Status: policy.Violation},
		Occurrence: policy.Occurrence{Message: message, Path: "spec.x"},
		Location:   policy.Location{File: "a.yaml", Line: line, Column: 3},
	}
}

func TestMergeFindings(t *testing.T) {
	a, b := &v2.Policy{}, &v2.Policy{}
	a.Spec.ID, b.Spec.ID = "a", "b"
	staging, production := named("Service", "staging", nil), named("Service", "production", nil)
	twice := findingOf(a, staging, 1, "m")
	excepted := findingOf(a, production, 1, "m")
	excepted.Result.Status = policy.Excepted
	unplaced := findingOf(a, production, 0, "m")
	unplaced.Location = policy.Location{}

	type line struct {
		Policy, Object, Message string
		Line                    int
		Also                    []string
	}
	for _, test := range []struct {
		name     string
		findings []report.Finding
		want     []line
	}{
		{
			"two overlays of one base have one finding",
			[]report.Finding{findingOf(a, staging, 1, "m"), findingOf(a, production, 1, "m")},
			[]line{{"a", "production", "m", 1, []string{"staging"}}},
		},
		{
			"what differs in place, policy or message stays apart, sorted",
			[]report.Finding{
				findingOf(b, staging, 1, "m"), findingOf(a, staging, 2, "m"), findingOf(a, staging, 1, "n"), findingOf(a, production, 1, "m"),
			},
			[]line{
				{"a", "production", "m", 1, nil}, {"a", "staging", "n", 1, nil}, {"b", "staging", "m", 1, nil}, {"a", "staging", "m", 2, nil},
			},
		},
		{
			"what a policy says twice about one object stays two findings, each shared by the other object",
			[]report.Finding{twice, twice, findingOf(a, production, 1, "m"), findingOf(a, production, 1, "m")},
			[]line{{"a", "production", "m", 1, []string{"staging"}}, {"a", "production", "m", 1, []string{"staging"}}},
		},
		{
			"an excepted finding is not one with a violation",
			[]report.Finding{excepted, findingOf(a, staging, 1, "m")},
			[]line{{"a", "production", "m", 1, nil}, {"a", "staging", "m", 1, nil}},
		},
		{
			"without a place nobody knows whether two are one",
			[]report.Finding{unplaced, unplaced},
			[]line{{"a", "production", "m", 0, nil}, {"a", "production", "m", 0, nil}},
		},
		{"nothing", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []line
			for _, f := range mergeFindings(test.findings) {
				l := line{f.Result.Policy.Spec.ID, f.Result.Object.Name(), f.Occurrence.Message, f.Location.Line, nil}
				for _, object := range f.Also {
					l.Also = append(l.Also, object.Name())
				}
				got = append(got, l)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPolicyThatFailsOnManyObjectsIsOneProblem(t *testing.T) {
	p, ignored := &v2.Policy{}, &v2.Policy{}
	p.Spec.ID, ignored.Spec.ID = "acme.policies.p", "acme.policies.q"
	ignored.Spec.FailurePolicy = v2.FailurePolicyIgnore
	broken := errors.New("no such key")
	var failures Failures
	failures.Add([]Failure{
		{p, named("Service", "one", fixedOrigin{}), broken},
		{p, named("Service", "two", fixedOrigin{}), broken},
		{p, named("Service", "three", fixedOrigin{}), errors.New("too slow")},
		{ignored, named("Service", "one", fixedOrigin{}), broken},
		{nil, named("Service", "four", fixedOrigin{}), errors.New("internal error: x")},
	}...)
	got := failures.Problems()
	at := policy.Location{File: "a.yaml", Line: 1, Column: 1}
	want := []policy.Problem{
		{
			Kind: policy.EvaluationProblem, Location: at, Hint: "`assay explain acme.policies.p -o code` shows the rule",
			Message: "policy acme.policies.p could not be evaluated on service/one in namespace: shop: no such key (and on 1 more object)",
		},
		{
			Kind: policy.EvaluationProblem, Location: at, Hint: "`assay explain acme.policies.p -o code` shows the rule",
			Message: "policy acme.policies.p could not be evaluated on service/three in namespace: shop: too slow",
		},
		{
			Kind: policy.EvaluationProblem, Location: at, Hint: "`assay explain acme.policies.q -o code` shows the rule", Warning: true,
			Message: "policy acme.policies.q could not be evaluated on service/one in namespace: shop: no such key",
		},
		{Kind: policy.EvaluationProblem, Location: at, Message: "service/four in namespace: shop could not be judged: internal error: x"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWaysToFailAreBounded(t *testing.T) {
	var failures Failures
	for i := range maxFailures + 7 {
		failures.Add(Failure{object: named("Service", "s", fixedOrigin{}), err: fmt.Errorf("no key %d", i)})
	}
	got := failures.Problems()
	if len(got) != maxFailures+1 || got[maxFailures].Message != "policies could not be evaluated in more ways than these: 7 times" {
		t.Errorf("%d problems, the last is %s", len(got), got[len(got)-1].Message)
	}
}

func TestProblemsMetTwiceAreReportedOnce(t *testing.T) {
	one := policy.Problem{Kind: policy.LoadProblem, Message: "m", Location: policy.Location{File: "b.yaml", Line: 2}}
	other := policy.Problem{Kind: policy.LoadProblem, Message: "m", Location: policy.Location{File: "a.yaml", Line: 9}}
	got := sortProblems([]policy.Problem{one, other, one})
	if diff := cmp.Diff([]policy.Problem{other, one}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

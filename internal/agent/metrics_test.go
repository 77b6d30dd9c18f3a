package agent

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/gate/admission"
	"github.com/assay-gitops/assay/policy"
)

func newTestInstruments() *instruments {
	return newInstruments("v1", func() bool { return true }, func() time.Time { return noon })
}

func TestRequestsAreCountedByVerdict(t *testing.T) {
	i := newTestInstruments()
	violation := []policy.Result{{Policy: policyNamed("p", goodCode), Status: policy.Violation, Enforced: true}}
	for _, d := range []admission.Decision{
		{Allowed: true}, {Allowed: true, Exempt: true}, {Results: violation}, {Allowed: true, Results: violation}, {Err: errors.New("x")},
		{Results: violation, DryRun: true},
	} {
		d.Webhook, d.Operation, d.Resource = "validating", policy.Create, "v1/pods"
		i.admitted(t.Context(), d)
	}
	want := `
# HELP assay_admission_requests_total Requests that a webhook answered, by what came of them: allowed, warned, denied, exempt or error.
# TYPE assay_admission_requests_total counter
assay_admission_requests_total{dry_run="false",operation="CREATE",resource="v1/pods",verdict="allowed",webhook="validating"} 1
assay_admission_requests_total{dry_run="false",operation="CREATE",resource="v1/pods",verdict="denied",webhook="validating"} 1
assay_admission_requests_total{dry_run="false",operation="CREATE",resource="v1/pods",verdict="error",webhook="validating"} 1
assay_admission_requests_total{dry_run="false",operation="CREATE",resource="v1/pods",verdict="exempt",webhook="validating"} 1
assay_admission_requests_total{dry_run="false",operation="CREATE",resource="v1/pods",verdict="warned",webhook="validating"} 1
assay_admission_requests_total{dry_run="true",operation="CREATE",resource="v1/pods",verdict="denied",webhook="validating"} 1
# HELP assay_violations_total Results of policies at admission other than compliance: violation, excepted or error. Dry runs do not count.
# TYPE assay_violations_total counter
assay_violations_total{enforced="true",policy="p",status="violation"} 2
`
	if err := testutil.GatherAndCompare(i.registry, strings.NewReader(want), "assay_admission_requests_total", "assay_violations_total"); err != nil {
		t.Error(err)
	}
}

func TestWhoeverReachesThePortCannotMakeMetricsWithoutEnd(t *testing.T) {
	i := newTestInstruments()
	for n := range 10 * maxLabels {
		i.admitted(t.Context(), admission.Decision{Webhook: "validating", Operation: policy.Create, Resource: fmt.Sprint("v1/r", n), Allowed: true})
	}
	if got := testutil.CollectAndCount(i.requests); got != maxLabels+1 {
		t.Errorf("%d series", got)
	}
}

func TestPoliciesThatAreGoneAreForgotten(t *testing.T) {
	i := newTestInstruments()
	for _, id := range []string{"a", "b"} {
		p := policyNamed(id, goodCode)
		i.evaluations.observe(p, 3*time.Second, nil)
		i.evaluations.observe(p, time.Second, fmt.Errorf("x: %w", engine.ErrTimeout))
		i.evaluations.observe(p, 0, errors.New("conflict"))
		i.violations.WithLabelValues(id, "violation", "true").Inc()
	}
	i.publish(compiledEdition(t, engine.Sources{Policies: []*v2.Policy{policyNamed("a", goodCode), policyNamed("broken", "x")}}))
	want := `
# HELP assay_policy_evaluation_errors_total Evaluations that failed, by why: timeout, memory or error.
# TYPE assay_policy_evaluation_errors_total counter
assay_policy_evaluation_errors_total{policy="a",reason="error"} 1
assay_policy_evaluation_errors_total{policy="a",reason="timeout"} 1
# HELP assay_policy_evaluation_seconds Time that evaluating a policy took.
# TYPE assay_policy_evaluation_seconds summary
assay_policy_evaluation_seconds_sum{policy="a"} 4
assay_policy_evaluation_seconds_count{policy="a"} 3
# HELP assay_snapshot_policies Policies in force.
# TYPE assay_snapshot_policies gauge
assay_snapshot_policies 1
# HELP assay_snapshot_problems Problems of policies, sets, configs and exceptions; left_out says whether the object plays no part because of it.
# TYPE assay_snapshot_problems gauge
assay_snapshot_problems{left_out="false"} 0
assay_snapshot_problems{left_out="true"} 1
# HELP assay_violations_total Results of policies at admission other than compliance: violation, excepted or error. Dry runs do not count.
# TYPE assay_violations_total counter
assay_violations_total{enforced="true",policy="a",status="violation"} 1
# HELP assay_certificate_expiry_timestamp_seconds When the webhook server's certificate ends, in seconds since 1970; 0 while there is none.
# TYPE assay_certificate_expiry_timestamp_seconds gauge
assay_certificate_expiry_timestamp_seconds 1.7955216e+09
`
	if err := testutil.GatherAndCompare(i.registry, strings.NewReader(want), "assay_policy_evaluation_errors_total", "assay_policy_evaluation_seconds",
		"assay_snapshot_policies", "assay_snapshot_problems", "assay_violations_total", "assay_certificate_expiry_timestamp_seconds"); err != nil {
		t.Error(err)
	}
}

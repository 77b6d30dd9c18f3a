package check

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/report"
	"github.com/assay-gitops/assay/policy"
)

// Outcome of judging one object.
type Outcome struct {
	// Done is false when the context ended before all policies were evaluated.
	Done        bool
	Evaluations int
	Findings    []report.Finding
	Failures    []Failure
}

// Failure is a policy that could not be evaluated on an object.
type Failure struct {
	policy *v2.Policy
	object *policy.Object
	err    error
}

// PolicyID is the id of the policy, empty when it is not known which one failed.
func (f Failure) PolicyID() string {
	if f.policy == nil {
		return ""
	}
	return f.policy.Spec.ID
}

// judge judges all objects, several at a time. Outcomes are kept by the object's place in the tree, so that the report
// does not depend on who was faster.
func (r *run) judge(ctx context.Context, snapshot *engine.Snapshot) {
	var (
		outcomes = make([]Outcome, len(r.objects))
		// next is the object to judge next, end the one to stop before: it shrinks when a failure ends the run.
		next, end, judged atomic.Int64
		workers           sync.WaitGroup
		progress          sync.Mutex
		judge             = Judge{Snapshot: snapshot, FailOn: r.FailOn}
	)
	end.Store(int64(len(r.objects)))
	for range min(r.Jobs, len(r.objects)) {
		workers.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= end.Load() || ctx.Err() != nil {
					return
				}
				outcomes[i] = judge.Judge(ctx, &policy.Request{Object: r.objects[i], Mode: r.Mode, Namespace: r.namespaces.of(r.objects[i])})
				r.objects[i] = nil // of large trees, only objects with findings are kept in memory
				if r.Render.StopAtFirst && len(outcomes[i].Failures) > 0 {
					lower(&end, i+1)
				}
				if done := judged.Add(1); r.Progress != nil && progress.TryLock() {
					r.Progress(Progress{Judging, int(done), len(r.objects)})
					progress.Unlock()
				}
			}
		})
	}
	workers.Wait()
	r.collect(outcomes[:end.Load()])
}

// lower makes the value not greater than limit.
func lower(value *atomic.Int64, limit int64) {
	for {
		current := value.Load()
		if current <= limit || value.CompareAndSwap(current, limit) {
			return
		}
	}
}

func (r *run) collect(outcomes []Outcome) {
	var failures Failures
	for i := range outcomes {
		if !outcomes[i].Done {
			continue
		}
		r.report.Objects++
		r.report.Evaluations += outcomes[i].Evaluations
		r.report.Findings = append(r.report.Findings, outcomes[i].Findings...)
		failures.Add(outcomes[i].Failures...)
		outcomes[i] = Outcome{}
	}
	r.report.Problems = append(r.report.Problems, failures.Problems()...)
}

// Judge judges objects one by one and tells what it found in a report's words. It is safe for concurrent use.
type Judge struct {
	Snapshot *engine.Snapshot
	// FailOn is the least severity that makes a finding fail the run; none does when empty.
	FailOn v2.Severity
}

// Judge judges one object. What a policy library or an object can provoke must not end the run for all others.
func (j Judge) Judge(ctx context.Context, request *policy.Request) (o Outcome) {
	defer func() {
		if cause := recover(); cause != nil {
			o = Outcome{Done: true, Failures: []Failure{{object: request.Object, err: fmt.Errorf("internal error: %v", cause)}}}
		}
	}()
	verdict := j.Snapshot.Judge(ctx, request)
	if verdict.Err != nil {
		return Outcome{} // the run ends, and some results are missing
	}
	o = Outcome{Done: true, Evaluations: verdict.Evaluated}
	for i := range verdict.Results {
		result := &verdict.Results[i]
		switch result.Status {
		case policy.Error:
			o.Failures = append(o.Failures, Failure{result.Policy, request.Object, result.Err})
		case policy.Violation, policy.Excepted:
			o.Findings = append(o.Findings, j.findings(result)...)
		}
	}
	return o
}

// findings makes one finding of every occurrence.
func (j Judge) findings(result *policy.Result) []report.Finding {
	findings := make([]report.Finding, 0, len(result.Occurrences))
	fails := result.Status == policy.Violation && result.Enforced && atLeast(result.Policy.Spec.Severity, j.FailOn)
	for _, occurrence := range result.Occurrences {
		location, related := locate(result.Object, occurrence.Path)
		findings = append(findings, report.Finding{
			Result:      result,
			Occurrence:  occurrence,
			Location:    location,
			Related:     related,
			Fingerprint: report.Fingerprint(result.Policy.Spec.ID, result.Object, occurrence.Path, occurrence.Message),
			Fails:       fails,
		})
	}
	return findings
}

// atLeast tells whether a severity reaches a threshold; nothing reaches the empty one.
func atLeast(severity, threshold v2.Severity) bool {
	return threshold != "" && rank(severity) >= rank(threshold)
}

func rank(severity v2.Severity) int {
	switch severity {
	case v2.SeverityHigh:
		return 3
	case v2.SeverityMedium:
		return 2
	}
	return 1
}

package sinktest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/journal"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/policy"
)

// Result is the i-th of many different results, with the ID that ID gives.
func Result(i int) sink.Result {
	violated := &v2.Policy{}
	violated.Name = "weave.policies.containers-minimum-replica-count"
	violated.Spec.ID = violated.Name
	violated.Spec.Name = "Containers Minimum Replica Count"
	violated.Spec.Severity = []v2.Severity{v2.SeverityLow, v2.SeverityMedium, v2.SeverityHigh}[i%3]
	violated.Spec.Code = "package weave\n\nviolation[result] { input.review.object.spec.replicas < input.parameters.replica_count }"
	namespace := fmt.Sprint("team-", i%4)
	object := &policy.Object{Content: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{
			"name": fmt.Sprint("web-", i), "namespace": namespace, "uid": fmt.Sprint("uid-", i),
			"labels": map[string]any{"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"},
		},
		"spec": map[string]any{"replicas": int64(1)},
	}}
	r := sink.New(policy.Result{
		Policy: violated, Object: object, Status: policy.Violation, Enforced: i%2 == 0,
		Message:     fmt.Sprintf("%s in deployment web-%d (1 occurrences)", violated.Spec.Name, i),
		Occurrences: []policy.Occurrence{{Message: "Replica count must be greater than or equal to 2; found 1.", Path: "spec.replicas", RecommendedValue: int64(2)}},
	}, sink.Meta{
		Meta: weave.Meta{AccountID: "account", ClusterID: "cluster", Source: weave.SourceAdmission, Trigger: "CREATE", CreatedAt: time.Unix(1_700_000_000+int64(i), 0)},
		Gate: sink.Admission, Operation: policy.Create, Workspace: namespace, Revision: "main@sha1:0123456789abcdef0123456789abcdef01234567",
	})
	r.Validation.ID = ID(i)
	return r
}

// ID of the i-th result.
func ID(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

// Journal opens a journal that is closed with the test.
func Journal(t testing.TB, dir string) *journal.Journal {
	t.Helper()
	j, _, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// Append writes the results from the first up to before the last to the journal.
func Append(t testing.TB, j *journal.Journal, first, last int) {
	t.Helper()
	for i := first; i < last; i++ {
		r := Result(i)
		record, err := r.Record()
		if err == nil {
			err = j.Append(context.Background(), record)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Run runs a sink until the test ends or the function that it returns is called.
func Run(t testing.TB, o sink.Options) (r *sink.Runner, stop func()) {
	t.Helper()
	r, err := sink.NewRunner(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return r, stop
}

// Wait waits for a condition, two minutes at most.
func Wait(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("two minutes were not enough for: %s", what)
		}
	}
}

// Received counts what a destination got, by ID. It is safe for concurrent use.
type Received struct {
	mu    sync.Mutex
	times map[string]int
}

// Add counts IDs.
func (r *Received) Add(ids ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.times == nil {
		r.times = map[string]int{}
	}
	for _, id := range ids {
		r.times[id]++
	}
}

// Len is how many different results there are.
func (r *Received) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.times)
}

// Want checks that the results from first up to before last are there and no others, but for those that are left out.
// Twice the same is fine by ID; it is counted and returned.
func (r *Received) Want(t testing.TB, first, last int, without ...string) (twice int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]bool{}
	for _, id := range without {
		out[id] = true
	}
	known := 0
	for i := first; i < last; i++ {
		n := r.times[ID(i)]
		if out[ID(i)] != (n == 0) {
			t.Errorf("result %d was delivered %d times", i, n)
		}
		if n > 0 {
			known++
			twice += n - 1
		}
	}
	if len(r.times) != known {
		t.Errorf("%d results were delivered that nobody sent", len(r.times)-known)
	}
	return twice
}

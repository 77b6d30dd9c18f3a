package admission

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/assay-gitops/assay/engine"
)

// While policies change, each request is judged by one state of them: both webhooks, all requests.
func TestSnapshotsChangeWhileRequestsAreJudged(t *testing.T) {
	strict := policies(t, "privileged", "replicas")
	lax := policies(t, "privileged", "replicas")
	for _, p := range lax {
		no := false
		p.Spec.Enforce, p.Spec.Mutate = &no, false
	}
	snapshots := []*engine.Snapshot{
		compile(t, engine.Sources{Policies: strict}, engine.Options{}),
		compile(t, engine.Sources{Policies: lax}, engine.Options{}),
	}
	var current atomic.Pointer[engine.Snapshot]
	current.Store(snapshots[0])
	var recorded atomic.Int64
	o := Options{
		Snapshot:  current.Load,
		Namespace: func(context.Context, string) (map[string]any, error) { return map[string]any{}, nil },
		Brake:     func() (string, bool) { return "", false },
		Record: func(_ context.Context, d Decision) {
			recorded.Add(1)
			if d.Webhook == ValidatingWebhook && (len(d.Results) != 2 || d.Results[0].Enforced != d.Results[1].Enforced || d.Allowed == d.Results[0].Enforced) {
				t.Errorf("a mixture of two states: %+v", d)
			}
		},
		MaxConcurrent: 3,
	}
	validating, mutating := Validating(o), Mutating(o)
	stop := make(chan struct{})
	var swapper, askers sync.WaitGroup
	swapper.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				current.Store(snapshots[i%2])
			}
		}
	})
	const askersCount, each = 8, 40
	for n := range askersCount {
		askers.Go(func() {
			request := asked(t, deployment, "")
			for range each {
				request.Name = fmt.Sprintf("web-%d", n)
				if got := ask(t, validating, "/admission", request); got.AdmissionResponse == nil {
					t.Errorf("got %s", got.shown())
				}
				if got := ask(t, mutating, "/mutation", request); got.AdmissionResponse == nil || !got.Allowed {
					t.Errorf("got %s", got.shown())
				}
			}
		})
	}
	askers.Wait()
	close(stop)
	swapper.Wait()
	if got := recorded.Load(); got != 2*askersCount*each {
		t.Errorf("%d decisions were recorded, want %d", got, 2*askersCount*each)
	}
}

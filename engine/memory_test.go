package engine_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/policy"
)

// Of hungry policies, each allocates until something stops it.
var hungry = map[string]string{
	"texts that are kept": `package hungry

kept contains x if { some a in input.review.object.n; some b in input.review.object.n; x := sprintf("%999999d %d %d", [a, a, b]) }
violation contains "never" if count(kept) < 0`,
	"lists of lists": `package hungry
violation contains "never" if { x := [[c | some c in input.review.object.n] | some a in input.review.object.n; some b in input.review.object.n; a + b > 0 ]; count(x) < 0 }`,
	"ranges": `package hungry
violation contains "never" if { x := [r | some a in input.review.object.n; some b in input.review.object.n; r := numbers.range(a, 500000 + b)]; count(x) < 0 }`,
	"growing sets": `package hungry
words contains sprintf("%d and %d", [a, b]) if { some a in input.review.object.n; some b in input.review.object.n }
violation contains "never" if count(words) < 0`,
	"joined texts": `package hungry
violation contains "never" if { x := [concat(y, [y, y]) | some a in input.review.object.n; some b in input.review.object.n; y := sprintf("%999999d %d", [a, b])]; count(x) < 0 }`,
}

// peak watches how many bytes of the heap are in use, garbage included, until stop is called.
func peak() (stop func() uint64) {
	read := func() uint64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	ctx, cancel := context.WithCancel(context.Background())
	var highest uint64
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			highest = max(highest, read())
			time.Sleep(time.Millisecond)
		}
	})
	return func() uint64 {
		cancel()
		watching.Wait()
		return highest
	}
}

// guardIn starts a guard that lets the heap grow by so much.
func guardIn(t *testing.T, growth int64) *engine.Guard {
	t.Helper()
	// Only the guard bounds memory here.
	before := debug.SetMemoryLimit(1 << 62)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	limit := int64(m.HeapAlloc) + growth //nolint:gosec // the size of a heap
	guard := engine.NewGuard(func() int64 { return limit })
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { guard.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return guard
}

func TestAPolicyThatAllocatesWithoutEndIsStopped(t *testing.T) {
	const growth = 60 << 20
	for name, code := range hungry {
		t.Run(name, func(t *testing.T) {
			s := mustCompile(t, engine.Sources{Policies: []*v2.Policy{newPolicy("hungry", code), newPolicy("modest", always)}},
				engine.Options{Guard: guardIn(t, growth), Timeout: 5 * time.Minute})
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			stop := peak()
			results := s.Judge(context.Background(), &policy.Request{Object: manyNumbers()}).Results
			highest := stop()
			if len(results) != 2 || results[0].Status != policy.Error || !errors.Is(results[0].Err, engine.ErrMemory) {
				t.Fatalf("results %.300v", results)
			}
			if want := "Policy hungry in pod many: evaluation used too much memory"; results[0].Message != want || !results[0].Enforced {
				t.Errorf("message %q, enforced %t", results[0].Message, results[0].Enforced)
			}
			if results[1].Status != policy.Violation {
				t.Errorf("the next policy: %v", results[1].Err)
			}
			// What is allocated between two looks depends on the machine; without a guard it would be gigabytes.
			t.Logf("%d MiB before, %d MiB at most", m.HeapAlloc>>20, highest>>20)
			if most := m.HeapAlloc + 8*growth; highest > most {
				t.Errorf("%d MiB were in use, %d at most expected", highest>>20, most>>20)
			}
		})
	}
}

// TestOthersJudgeOnWhileOneIsStopped judges by modest policies from other goroutines while hungry ones are stopped.
func TestOthersJudgeOnWhileOneIsStopped(t *testing.T) {
	guard := guardIn(t, 60<<20)
	options := engine.Options{Guard: guard, Timeout: 5 * time.Minute}
	modest := mustCompile(t, engine.Sources{Policies: []*v2.Policy{newPolicy("modest", always)}}, options)
	hungryOnes := mustCompile(t, engine.Sources{Policies: []*v2.Policy{newPolicy("hungry", hungry["ranges"])}}, options)
	ctx, cancel := context.WithCancel(context.Background())
	var others sync.WaitGroup
	var judged atomic.Int64
	pod := named(t, "Pod", "shop", "web", nil)
	for range 2 {
		others.Go(func() {
			for ctx.Err() == nil {
				results := modest.Judge(context.Background(), &policy.Request{Object: pod}).Results
				if len(results) != 1 || results[0].Status != policy.Violation {
					t.Errorf("a modest policy was disturbed: %v", results)
					return
				}
				judged.Add(1)
			}
		})
	}
	for range 2 {
		before := judged.Load()
		results := hungryOnes.Judge(context.Background(), &policy.Request{Object: manyNumbers()}).Results
		if len(results) != 1 || !errors.Is(results[0].Err, engine.ErrMemory) {
			t.Errorf("results %v", results)
		}
		if judged.Load() == before {
			t.Error("nobody else judged meanwhile")
		}
	}
	cancel()
	others.Wait()
}

// arrivals tells when evaluations begin, and writes down in which order they end.
type arrivals struct {
	began chan struct{}
	mu    sync.Mutex
	ended []string
}

func (a *arrivals) Admit(v2.Mode, *v2.Policy) error {
	a.began <- struct{}{}
	return nil
}

func (a *arrivals) Evaluated(_ v2.Mode, p *v2.Policy, _ time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = append(a.ended, fmt.Sprintf("%s: %v", p.Spec.ID, err))
}

func TestTheLongestEvaluationIsStoppedFirst(t *testing.T) {
	seen := &arrivals{began: make(chan struct{})}
	options := engine.Options{Guard: guardIn(t, 100<<20), Observer: seen, Timeout: 5 * time.Minute}
	var judging sync.WaitGroup
	for _, id := range []string{"first", "second", "third"} {
		s := mustCompile(t, engine.Sources{Policies: []*v2.Policy{newPolicy(id, endless)}}, options)
		judging.Go(func() { s.Judge(context.Background(), &policy.Request{Object: manyNumbers()}) })
		<-seen.began
		time.Sleep(20 * time.Millisecond) // so that they differ in how long they run
	}
	ballast := make([]byte, 120<<20)
	judging.Wait()
	runtime.KeepAlive(ballast)
	want := []string{
		"first: evaluation used too much memory", "second: evaluation used too much memory", "third: evaluation used too much memory",
	}
	if diff := cmp.Diff(want, seen.ended); diff != "" {
		t.Errorf("ended (-want +got):\n%s", diff)
	}
}

func TestACELPolicyIsStoppedWhenMemoryRunsOut(t *testing.T) {
	guard := guardIn(t, 100<<20)
	s := mustCompile(t, engine.Sources{Policies: []*v2.Policy{newPolicy("endless", "", func(p *v2.Policy) {
		p.Spec.CEL = &v2.CELRule{Validations: []v2.CELValidation{{Expression: "object.n.all(a, object.n.all(b, a + b >= 0))"}}}
	})}}, engine.Options{Guard: guard, Timeout: 5 * time.Minute})
	ballast := make([]byte, 120<<20)
	results := s.Judge(context.Background(), &policy.Request{Object: manyNumbers()}).Results
	if len(results) != 1 || !errors.Is(results[0].Err, engine.ErrMemory) || results[0].Err.Error() != "evaluation used too much memory" {
		t.Errorf("results %v", results)
	}
	runtime.KeepAlive(ballast)
}

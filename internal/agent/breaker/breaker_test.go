package breaker

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
)

const (
	budget = 200 * time.Millisecond
	pause  = 30 * time.Second
)

// bench is a breaker with a clock that a test sets and a record of what it was told.
type bench struct {
	*Breaker
	now  time.Time
	told []string
}

func newBench() *bench {
	b := &bench{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	b.Breaker = New(Options{
		Budget: budget, Failures: 3, Window: time.Minute, Pause: pause, Now: func() time.Time { return b.now },
		OnChange: func(id string, open bool, _ string) { b.told = append(b.told, fmt.Sprintf("%s %t", id, open)) },
	})
	return b
}

func named(id string) *v2.Policy { return &v2.Policy{Spec: v2.PolicySpec{ID: id}} }

// try evaluates once, if the breaker lets it.
func (b *bench) try(id string, took time.Duration, err error) error {
	if refused := b.Admit(named(id)); refused != nil {
		return refused
	}
	b.Evaluated(named(id), took, err)
	return nil
}

func TestAPolicyThatIsSlowAgainAndAgainIsSuspended(t *testing.T) {
	b := newBench()
	for range 3 {
		if err := b.try("slow", 2*budget, nil); err != nil {
			t.Fatal(err)
		}
		if err := b.try("quick", budget, nil); err != nil {
			t.Fatal(err)
		}
	}
	err := b.try("slow", 0, nil)
	if err == nil {
		t.Fatal("evaluated all the same")
	}
	want := "the policy is suspended: 3 evaluations within 1m0s were over the budget of 200ms, the last one took 400ms; it is tried again at 12:00:30Z"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if err := b.try("quick", 0, nil); err != nil {
		t.Errorf("another policy: %v", err)
	}
	if open := b.Open(); len(open) != 1 || open[0].PolicyID != "slow" || !open[0].Until.Equal(b.now.Add(pause)) {
		t.Errorf("open: %+v", open)
	}
	if strings.Join(b.told, ",") != "slow true" {
		t.Errorf("told %q", b.told)
	}
}

func TestWhatCountsAsAFailure(t *testing.T) {
	tests := map[string]struct {
		took time.Duration
		err  error
		open bool
	}{
		"within the budget":  {budget, nil, false},
		"over it":            {budget + 1, nil, true},
		"an error":           {0, errors.New("conflict"), false},
		"a timeout":          {0, fmt.Errorf("x: %w", engine.ErrTimeout), true},
		"the memory guard":   {0, fmt.Errorf("x: %w", engine.ErrMemory), true},
		"slow with an error": {2 * budget, errors.New("conflict"), true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			for range 3 {
				if err := b.try("p", test.took, test.err); err != nil {
					t.Fatal(err)
				}
			}
			if got := len(b.Open()) == 1; got != test.open {
				t.Errorf("open: %t", got)
			}
		})
	}
}

func TestFailuresFarApartDoNotSuspend(t *testing.T) {
	b := newBench()
	for range 20 {
		if err := b.try("p", 2*budget, nil); err != nil {
			t.Fatal(err)
		}
		b.now = b.now.Add(31 * time.Second)
	}
}

func TestASuspendedPolicyComesBackByItself(t *testing.T) {
	b := newBench()
	suspend := func() {
		t.Helper()
		for range 3 {
			if err := b.try("p", 2*budget, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	suspend()
	b.now = b.now.Add(pause - 1)
	if b.try("p", 0, nil) == nil {
		t.Fatal("tried before the pause was over")
	}
	b.now = b.now.Add(1)
	if err := b.Admit(named("p")); err != nil {
		t.Fatalf("not tried after the pause: %v", err)
	}
	if b.Admit(named("p")) == nil {
		t.Fatal("two trials at once")
	}
	b.Evaluated(named("p"), 1, nil)
	if err := b.try("p", 1, nil); err != nil {
		t.Fatalf("a good trial did not bring it back: %v", err)
	}
	suspend()
	if got := strings.Join(b.told, ","); got != "p true,p false,p true" {
		t.Errorf("told %s", got)
	}
}

func TestATrialThatIsNeverHeardOfIsNotTheLastOne(t *testing.T) {
	b := newBench()
	for range 3 {
		if err := b.try("p", 2*budget, nil); err != nil {
			t.Fatal(err)
		}
	}
	b.now = b.now.Add(pause)
	if err := b.Admit(named("p")); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(pause)
	if err := b.try("p", 1, nil); err != nil {
		t.Fatalf("still waiting for the trial: %v", err)
	}
	if len(b.Open()) != 0 {
		t.Error("a good trial did not bring it back")
	}
}

func TestThePauseGrowsWithEachTrialThatFails(t *testing.T) {
	b := newBench()
	for range 3 {
		if err := b.try("p", 2*budget, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []time.Duration{2 * pause, 4 * pause, 8 * pause, 10 * pause, 10 * pause} {
		b.now = b.Open()[0].Until
		if err := b.try("p", 2*budget, nil); err != nil {
			t.Fatal(err)
		}
		if got := b.Open()[0].Until.Sub(b.now); got != want {
			t.Errorf("pause of %s, want %s", got, want)
		}
	}
}

func TestForgettingAndSwitchingOff(t *testing.T) {
	b := newBench()
	for _, id := range []string{"a", "b"} {
		for range 3 {
			if err := b.try(id, 2*budget, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.Forget(func(id string) bool { return id == "b" })
	if err := b.try("a", 0, nil); err != nil {
		t.Errorf("forgotten, and still suspended: %v", err)
	}
	if b.try("b", 0, nil) == nil {
		t.Error("kept, and not suspended")
	}
	o := *b.options.Load()
	o.Failures = 0
	b.SetOptions(o)
	for range 10 {
		if err := b.try("b", 2*budget, nil); err != nil {
			t.Fatalf("suspended though switched off: %v", err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	var observed, changes atomic.Int64
	b := New(Options{
		Budget: budget, Failures: 5, Window: time.Hour, Pause: time.Hour,
		Observe:  func(*v2.Policy, time.Duration, error) { observed.Add(1) },
		OnChange: func(string, bool, string) { changes.Add(1) },
	})
	var all sync.WaitGroup
	var refused, evaluated atomic.Int64
	for range 8 {
		all.Go(func() {
			for range 1000 {
				if b.Admit(named("p")) != nil {
					refused.Add(1)
					continue
				}
				evaluated.Add(1)
				b.Evaluated(named("p"), 2*budget, nil)
				b.Open()
			}
		})
	}
	all.Wait()
	if refused.Load()+evaluated.Load() != 8000 || observed.Load() != evaluated.Load() {
		t.Errorf("%d refused, %d evaluated, %d observed", refused.Load(), evaluated.Load(), observed.Load())
	}
	if changes.Load() != 1 || len(b.Open()) != 1 {
		t.Errorf("%d changes, %d open", changes.Load(), len(b.Open()))
	}
}

func BenchmarkAdmitAndEvaluated(b *testing.B) {
	breaker := New(Options{Budget: budget, Failures: 5, Window: time.Minute, Pause: pause})
	p := named("p")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := breaker.Admit(p); err != nil {
				b.Fatal(err)
			}
			breaker.Evaluated(p, time.Microsecond, nil)
		}
	})
}

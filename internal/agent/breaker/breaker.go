package breaker

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
)

// Options of a Breaker.
type Options struct {
	// Budget is how long an evaluation may take; one that takes longer, or is stopped at its deadline or by the memory
	// guard, is a failure. Other errors of a policy are not: they are told at once.
	Budget time.Duration
	// Failures within Window suspend the policy; zero never does.
	Failures int
	Window   time.Duration
	// Pause until a suspended policy is tried again. It doubles each time that the trial fails, up to ten times.
	Pause time.Duration
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// OnChange is told when a policy is suspended (open) and when it is in force again; may be nil. It must be quick.
	OnChange func(policyID string, open bool, reason string)
	// Observe is told of every evaluation; may be nil. It must be quick.
	Observe func(p *v2.Policy, took time.Duration, err error)
}

// maxPauses is how many times Pause the longest pause is.
const maxPauses = 10

// State is a policy that is suspended.
type State struct {
	PolicyID string
	Reason   string
	// Until is when the policy is tried again.
	Until time.Time
}

// Breaker suspends policies for one gate. It is safe for concurrent use.
type Breaker struct {
	options atomic.Pointer[Options]
	// circuits holds *circuit by policy id, for policies that have failed.
	circuits sync.Map
}

// circuit of one policy.
type circuit struct {
	// open is looked at before every evaluation, without the lock.
	open atomic.Bool

	mu sync.Mutex
	// failures are the times of those within the window.
	failures []time.Time
	pause    time.Duration
	until    time.Time
	reason   string
	// trial is until when the one evaluation that decides is waited for; zero when none is under way.
	trial time.Time
}

// New returns a breaker that suspends nothing yet.
func New(o Options) *Breaker {
	b := &Breaker{}
	b.SetOptions(o)
	return b
}

// SetOptions replaces the options. Policies that are suspended stay so until they are tried again, unless nothing is to be
// suspended any more.
func (b *Breaker) SetOptions(o Options) {
	if o.Now == nil {
		o.Now = time.Now
	}
	b.options.Store(&o)
	if o.Failures <= 0 {
		b.Forget(func(string) bool { return false })
	}
}

// suspended is why a policy is not evaluated.
type suspended struct {
	reason string
	until  time.Time
}

func (s *suspended) Error() string {
	return fmt.Sprintf("the policy is suspended: %s; it is tried again at %s", s.reason, s.until.UTC().Format(time.TimeOnly+"Z"))
}

// Admit refuses evaluations of a policy that is suspended.
func (b *Breaker) Admit(p *v2.Policy) error {
	known, ok := b.circuits.Load(p.Spec.ID)
	if !ok {
		return nil
	}
	c, ok := known.(*circuit)
	if !ok || !c.open.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	o := b.options.Load()
	now := o.Now()
	switch {
	case !c.open.Load():
		return nil
	case now.Before(c.until) || now.Before(c.trial):
		return &suspended{c.reason, c.until}
	}
	c.trial = now.Add(o.Pause) // a trial that is never heard of again must not be the last one
	return nil
}

// Evaluated counts the failures of a policy.
func (b *Breaker) Evaluated(p *v2.Policy, took time.Duration, err error) {
	o := b.options.Load()
	if o.Observe != nil {
		o.Observe(p, took, err)
	}
	failed := o.Failures > 0 && (took > o.Budget || errors.Is(err, engine.ErrTimeout) || errors.Is(err, engine.ErrMemory))
	known, ok := b.circuits.Load(p.Spec.ID)
	if !ok {
		if !failed {
			return
		}
		known, _ = b.circuits.LoadOrStore(p.Spec.ID, &circuit{})
	}
	c, ok := known.(*circuit)
	if !ok || !failed && !c.open.Load() {
		return
	}
	if changed, open, reason := c.count(o, failed, why(took, err)); changed && o.OnChange != nil {
		o.OnChange(p.Spec.ID, open, reason)
	}
}

// why names a failure in words.
func why(took time.Duration, err error) string {
	switch {
	case errors.Is(err, engine.ErrMemory):
		return "used too much memory"
	case errors.Is(err, engine.ErrTimeout):
		return "did not end in time"
	}
	return fmt.Sprintf("took %s", took.Round(time.Millisecond))
}

// count takes an evaluation into account and tells whether the circuit opened or closed because of it.
func (c *circuit) count(o *Options, failed bool, last string) (changed, open bool, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := o.Now()
	if c.open.Load() {
		if c.trial.IsZero() {
			return false, true, "" // it began before the circuit opened
		}
		c.trial = time.Time{}
		if failed {
			c.pause = min(2*c.pause, maxPauses*o.Pause)
			c.until = now.Add(c.pause)
			return false, true, ""
		}
		c.open.Store(false)
		c.failures = nil
		return true, false, "an evaluation within the budget: the policy is in force again"
	}
	if !failed {
		return false, false, ""
	}
	c.failures = slices.DeleteFunc(c.failures, func(t time.Time) bool { return now.Sub(t) > o.Window })
	if c.failures = append(c.failures, now); len(c.failures) < o.Failures {
		return false, false, ""
	}
	c.pause = o.Pause
	c.until = now.Add(c.pause)
	c.reason = fmt.Sprintf("%d evaluations within %s were over the budget of %s, the last one %s", len(c.failures), o.Window, o.Budget, last)
	c.failures = nil
	c.trial = time.Time{}
	c.open.Store(true)
	return true, true, c.reason
}

// Open are the policies that are suspended, sorted by id.
func (b *Breaker) Open() []State {
	var all []State
	b.circuits.Range(func(key, value any) bool {
		id, isString := key.(string)
		c, isCircuit := value.(*circuit)
		if !isString || !isCircuit || !c.open.Load() {
			return true
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.open.Load() {
			all = append(all, State{PolicyID: id, Reason: c.reason, Until: c.until})
		}
		return true
	})
	slices.SortFunc(all, func(a, b State) int { return cmp.Compare(a.PolicyID, b.PolicyID) })
	return all
}

// Forget drops what is known of policies that are not to be kept: those that are gone, and those that changed, which get a
// new chance.
func (b *Breaker) Forget(keep func(policyID string) bool) {
	b.circuits.Range(func(key, value any) bool {
		id, isString := key.(string)
		c, isCircuit := value.(*circuit)
		if isString && isCircuit && !keep(id) {
			b.circuits.Delete(key)
			if o := b.options.Load(); c.open.Load() && o.OnChange != nil {
				o.OnChange(id, false, "the policy was changed or removed")
			}
		}
		return true
	})
}

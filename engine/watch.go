package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Why an evaluation was stopped, for errors.Is on the Err of a result.
var (
	// ErrTimeout: it took longer than Options.Timeout.
	ErrTimeout = errors.New("evaluation did not end")
	// ErrMemory: Options.Guard stopped it, because the process had too little memory left.
	ErrMemory = errors.New("evaluation used too much memory")
)

// watch stops evaluations that take too long, and all of them when the context of the caller ends. One serves all
// evaluations of one Judge: a timer for each would cost more than most evaluations.
type watch struct {
	parent  context.Context
	timeout time.Duration
	// brake stops the current evaluation; once used, it is replaced.
	brake *brake
	timer *time.Timer
	// detach ends the watching of parent.
	detach func() bool
	set    time.Time
	// guarded is how a Guard sees the evaluations.
	guarded guarded
}

// brake stops an evaluation: that of a CEL policy by its context, that of a Rego policy by being a topdown.Cancel.
type brake struct {
	ctx     context.Context
	stopCtx context.CancelCauseFunc
	pulled  atomic.Bool
}

// stop ends the evaluation. The first cause counts.
func (b *brake) stop(cause error) {
	b.stopCtx(cause)
	b.pulled.Store(true)
}

func (b *brake) expire() { b.stop(ErrTimeout) }

// Cancel implements topdown.Cancel.
func (b *brake) Cancel() { b.pulled.Store(true) }

// Cancelled implements topdown.Cancel.
func (b *brake) Cancelled() bool { return b.pulled.Load() }

func newWatch(ctx context.Context, timeout time.Duration, guard *Guard) *watch {
	w := &watch{parent: ctx, timeout: timeout}
	w.arm()
	if guard != nil {
		guard.enter(&w.guarded)
	}
	return w
}

func (w *watch) arm() {
	b := &brake{}
	b.ctx, b.stopCtx = context.WithCancelCause(w.parent)
	w.brake = b
	w.guarded.brake.Store(b)
	w.timer = time.AfterFunc(w.timeout, b.expire)
	if w.parent.Done() != nil {
		w.detach = context.AfterFunc(w.parent, b.Cancel)
	}
	w.set = time.Now()
}

// next is called before each evaluation and gives it its time. To save resetting the timer, an evaluation may get up to a
// tenth less. It returns when the evaluation begins.
func (w *watch) next() (now time.Time) {
	now = time.Now()
	switch stopped := w.guarded.begin(now); {
	case stopped || w.brake.Cancelled():
		w.rearm()
	case now.Sub(w.set) <= w.timeout/10:
	case w.timer.Reset(w.timeout):
		w.set = now
	default:
		// The time of the evaluation before was up as it ended; what it stops must not be the next one.
		w.rearm()
	}
	return now
}

func (w *watch) rearm() {
	w.release()
	w.arm()
}

// why is the reason for which the current evaluation was stopped.
func (w *watch) why() error {
	cause := context.Cause(w.brake.ctx)
	if cause == nil || errors.Is(cause, ErrTimeout) {
		return fmt.Errorf("%w within %s", ErrTimeout, w.timeout)
	}
	return cause
}

func (w *watch) release() {
	w.timer.Stop()
	if w.detach != nil {
		w.detach()
	}
	w.brake.stopCtx(nil)
}

// end is called when all evaluations have ended.
func (w *watch) end() {
	if w.guarded.guard != nil {
		w.guarded.guard.leave(&w.guarded)
	}
	w.release()
}

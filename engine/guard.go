package engine

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// Guard keeps evaluations from using up the memory of the process. While one runs for longer than guardInterval, the heap
// is looked at; when more than the limit is in use, the evaluation that has been running longest is stopped with ErrMemory.
// One Guard serves any number of snapshots, one after another or at once: all of a process share its memory.
type Guard struct {
	limit func() int64
	epoch time.Time

	mu sync.Mutex
	// first of the judgements that are running, linked through guarded.next.
	first *guarded
	// asleep says that Run waits for wake, as nothing is running.
	asleep bool
	wake   chan struct{}
}

// guardInterval is how often the heap is looked at while an evaluation runs for longer than that.
const guardInterval = 10 * time.Millisecond

// NewGuard returns a guard of the process' heap. The limit is in bytes of objects that are in use, and asked for each
// time; zero and less mean no limit. Garbage does not count, so that a limit of two thirds of GOMEMLIMIT leaves room for
// the collector. Nothing is guarded before Run is called.
func NewGuard(limit func() int64) *Guard {
	return &Guard{limit: limit, epoch: time.Now(), asleep: true, wake: make(chan struct{}, 1)}
}

// guarded is one call of Judge as a Guard sees it.
type guarded struct {
	guard          *Guard
	previous, next *guarded
	brake          atomic.Pointer[brake]
	// began is when the current evaluation began, as nanoseconds since the guard's epoch, or stopMark.
	began atomic.Int64
}

// stopMark stands in began for an evaluation that the guard has decided to stop. Whoever replaces began decides whether an
// evaluation is stopped or over, so that the one after it is never stopped in its place.
const stopMark = -1

// begin marks the beginning of an evaluation; stopped says that the guard stops the one before, whose brake cannot be used
// again.
func (j *guarded) begin(now time.Time) (stopped bool) {
	if j.guard == nil {
		return false
	}
	return j.began.Swap(int64(now.Sub(j.guard.epoch))) == stopMark
}

func (g *Guard) enter(j *guarded) {
	j.guard = g
	j.began.Store(int64(time.Since(g.epoch)))
	g.mu.Lock()
	defer g.mu.Unlock()
	if j.next = g.first; j.next != nil {
		j.next.previous = j
	}
	g.first = j
	if g.asleep {
		g.asleep = false
		g.wake <- struct{}{} // has room: only one who is asleep is woken, and once
	}
}

func (g *Guard) leave(j *guarded) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if j.previous != nil {
		j.previous.next = j.next
	} else {
		g.first = j.next
	}
	if j.next != nil {
		j.next.previous = j.previous
	}
	j.began.Store(stopMark)
}

// Run guards until the context ends. It is called once.
func (g *Guard) Run(ctx context.Context) {
	tick := time.NewTimer(guardInterval)
	defer tick.Stop()
	heap := newHeap()
	var last *stopping
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.wake:
		}
		for awake := true; awake; {
			tick.Reset(guardInterval)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			last, awake = g.look(heap, last)
		}
	}
}

// stopping is an evaluation that was told to stop.
type stopping struct {
	judgement *guarded
	since     time.Duration
}

// stopPatience is how long an evaluation that was told to stop is waited for before another one is stopped too: a
// built-in function may be unable to stop.
const stopPatience = 2 * time.Second

// look stops an evaluation if there is too little memory. It returns what is being stopped, and whether it wants to look
// again.
func (g *Guard) look(heap *heap, last *stopping) (*stopping, bool) {
	now := time.Since(g.epoch)
	longest, began, any := g.longest(now)
	if last != nil {
		if last.judgement.began.Load() == stopMark && g.isRunning(last.judgement) && now-last.since < stopPatience {
			return last, true
		}
		heap.stale = true
	}
	if longest == nil {
		return nil, any || !g.sleep()
	}
	limit := g.limit()
	if limit <= 0 || heap.inUse(limit) <= limit {
		return nil, true
	}
	b := longest.brake.Load()
	if !longest.began.CompareAndSwap(began, stopMark) {
		return nil, true // it ended just now, which may have been enough
	}
	b.stop(ErrMemory)
	return &stopping{judgement: longest, since: now}, true
}

// longest is the judgement whose current evaluation has been running longest and when that began; nil when none runs for
// longer than guardInterval. any tells whether there is any judgement.
func (g *Guard) longest(now time.Duration) (longest *guarded, began int64, any bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for j := g.first; j != nil; j = j.next {
		any = true
		at := j.began.Load()
		if at != stopMark && now-time.Duration(at) >= guardInterval && (longest == nil || at < began) {
			longest, began = j, at
		}
	}
	return longest, began, any
}

func (g *Guard) isRunning(wanted *guarded) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for j := g.first; j != nil; j = j.next {
		if j == wanted {
			return true
		}
	}
	return false
}

// sleep is false when something has begun meanwhile.
func (g *Guard) sleep() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asleep = g.first == nil
	return g.asleep
}

// heap tells how much memory is in use.
type heap struct {
	samples []metrics.Sample
	// stale says that what the last collection found is not true any more, as an evaluation was stopped since.
	stale bool
}

func newHeap() *heap {
	return &heap{samples: []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"}}}
}

// collectAfter is the part of the limit that has to be allocated before a collection is asked for, so that collecting costs
// no more than allocating.
const collectAfter = 8

// inUse is how many bytes of objects are in use. As long as objects and garbage together are within the limit, it counts
// garbage; above it, it asks for a collection, as the runtime's own may come only when twice as much is in use.
func (h *heap) inUse(limit int64) int64 {
	objects, live := h.read()
	if objects <= limit {
		h.stale = false
		return objects
	}
	if h.stale || live <= limit && objects-live > limit/collectAfter {
		runtime.GC()
		h.stale = false
		_, live = h.read()
	}
	return live
}

func (h *heap) read() (objects, live int64) {
	metrics.Read(h.samples)
	return int64(h.samples[0].Value.Uint64()), int64(h.samples[1].Value.Uint64()) //nolint:gosec // sizes of a heap
}

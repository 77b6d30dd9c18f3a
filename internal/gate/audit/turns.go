package audit

import (
	"context"
	"sync"
)

// turns lets few kinds list at once, controllers before what they make: by then it is known whether the controller that an object
// names is there.
type turns struct {
	mu      sync.Mutex
	waiting map[*turn]bool
	running map[*turn]bool
}

// concurrentLists bounds how many objects are in memory.
const concurrentLists = 2

type turn struct {
	rank  int
	ready chan struct{}
}

func newTurns() *turns { return &turns{waiting: map[*turn]bool{}, running: map[*turn]bool{}} }

// take waits for a turn. The function that is returned gives it back; it may be called again.
func (t *turns) take(ctx context.Context, rank int) (func(), error) {
	mine := &turn{rank, make(chan struct{})}
	back := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.waiting, mine)
		delete(t.running, mine)
		t.admit()
	}
	t.mu.Lock()
	t.waiting[mine] = true
	t.admit()
	t.mu.Unlock()
	select {
	case <-mine.ready:
		return back, nil
	case <-ctx.Done():
		back()
		return nil, ctx.Err()
	}
}

func (t *turns) admit() {
	for len(t.running) < concurrentLists {
		var first *turn
		for w := range t.waiting {
			if first == nil || w.rank < first.rank {
				first = w
			}
		}
		if first == nil {
			return
		}
		for r := range t.running {
			if r.rank < first.rank {
				return
			}
		}
		delete(t.waiting, first)
		t.running[first] = true
		close(first.ready)
	}
}

// rank of a resource in the order of listing.
func rank(group, resource string) int {
	switch group + "/" + resource {
	case "apps/deployments", "apps/statefulsets", "apps/daemonsets", "batch/cronjobs", "/replicationcontrollers":
		return 0
	case "apps/replicasets", "batch/jobs":
		return 1
	}
	return 2
}

package engine

import (
	"sync"
	"sync/atomic"
)

// resolutions remembers what combinations of configs come to, by a key of the combination. There can be as many combinations
// as objects, so that it remembers in two generations: when the young one is full it becomes the old one, and what is
// asked for again is moved to the young one. What is forgotten is worked out again.
type resolutions struct {
	young, old atomic.Pointer[sync.Map]
	// kept is about how many bytes the young generation takes.
	kept atomic.Int64
	// turning is held while generations change.
	turning sync.Mutex
}

// About how many bytes things take, and how many a generation may take before the next one begins. The programs of the old
// library's policies take 14 kB on average when they are bound to parameters.
const (
	resolutionSize = 300
	unboundSize    = 200
	bindingSize    = 14 << 10
	generationSize = 16 << 20
)

func newResolutions() *resolutions {
	r := &resolutions{}
	r.young.Store(&sync.Map{})
	r.old.Store(&sync.Map{})
	return r
}

// find returns what is remembered, or remembers what make returns.
func (r *resolutions) find(key string, make func() resolution) resolution {
	young := r.young.Load()
	if known, ok := young.Load(key); ok {
		return known.(resolution)
	}
	made, ok := r.old.Load().Load(key)
	if !ok {
		made = make()
	}
	known, loaded := young.LoadOrStore(key, made)
	if !loaded {
		r.keep(resolutionSize + unboundSize*len(known.(resolution)))
	}
	return known.(resolution)
}

// keep counts so many bytes more, and begins a new generation when they are too many.
func (r *resolutions) keep(size int) {
	if r.kept.Add(int64(size)) <= generationSize {
		return
	}
	r.turning.Lock()
	defer r.turning.Unlock()
	if r.kept.Load() > generationSize {
		r.old.Store(r.young.Load())
		r.young.Store(&sync.Map{})
		r.kept.Store(0)
	}
}

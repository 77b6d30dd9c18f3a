package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// growth is by how many percent the heap may grow between two collections of garbage, by the bytes in use. A command lives
// for seconds and mostly stays small, so that collecting at the usual rate would be a good part of its time; large trees
// must not cost much more memory than they fill.
func growth(inUse uint64) int {
	switch {
	case inUse < 48<<20:
		return 400
	case inUse < 128<<20:
		return 100
	}
	return 50
}

// tuneMemory sets the collector's rate, unless somebody who knows better did.
func tuneMemory(getenv func(string) string) {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(growth(0))
	afterNextCollection(growth(0))
}

// afterNextCollection looks after each collection whether the rate still suits the heap.
func afterNextCollection(current int) {
	runtime.AddCleanup(new([16]byte), func(current int) {
		suited := growth(liveHeap())
		if suited != current {
			debug.SetGCPercent(suited)
		}
		afterNextCollection(suited)
	}, current)
}

// liveHeap is how many bytes the last collection left.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

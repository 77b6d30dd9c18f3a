//go:build linux

package sqlite

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store/storetest"
)

const intakeBatch, fleetRounds = 500, 10

// BenchmarkAdd adds batches as agents send them: of violations that are new, and of such as are known. Making the results is not measured.
// Results a second are by the clock; cpu-us/result is what all processors spent on one, and does not know what else the machine does.
func BenchmarkAdd(b *testing.B) {
	const known = 40
	b.Run("opened", func(b *testing.B) {
		intake(b, open(b, b.TempDir()), func(n int) (int, int) { return n, 0 })
	})
	b.Run("unchanged", func(b *testing.B) {
		s := open(b, b.TempDir())
		for n := range known {
			addBatch(b, s, storetest.Fleet{Clusters: 20, Violations: 1 << 30}, n, 0)
		}
		intake(b, s, func(n int) (int, int) { return n % known, 1 + n/known })
	})
}

func intake(b *testing.B, s *Store, which func(n int) (batch, round int)) {
	f := storetest.Fleet{Clusters: 20, Violations: 1 << 30}
	var spent, processors time.Duration
	n := 0
	for ; b.Loop(); n++ {
		b.StopTimer()
		batch, round := which(n)
		results := f.Batch(batch, round, fleetRounds, intakeBatch)
		before, start := processorTime(b), time.Now()
		b.StartTimer()
		if added, err := s.Add(b.Context(), f.Cluster(batch), results); err != nil || added != len(results) {
			b.Fatal(added, err)
		}
		spent += time.Since(start)
		processors += processorTime(b) - before
	}
	b.ReportMetric(float64(n*intakeBatch)/spent.Seconds(), "results/s")
	b.ReportMetric(float64(processors.Microseconds())/float64(n*intakeBatch), "cpu-us/result")
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func addBatch(b *testing.B, s *Store, f storetest.Fleet, n, round int) {
	b.Helper()
	if _, err := s.Add(context.Background(), f.Cluster(n), f.Batch(n, round, fleetRounds, intakeBatch)); err != nil {
		b.Fatal(err)
	}
}

//go:build linux

package api

import (
	"encoding/json"
	"syscall"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/hub/quick"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
)

const intakeBatch, fleetRounds = 500, 10

// sent is a batch of a fleet as an agent sends it.
func sent(t testing.TB, f storetest.Fleet, n, round int) []byte {
	t.Helper()
	body, err := json.Marshal(map[string]any{"version": 1, "results": f.Batch(n, round, fleetRounds, intakeBatch)})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkDecodeFleet reads what agents send.
func BenchmarkDecodeFleet(b *testing.B) {
	body := sent(b, storetest.Fleet{Clusters: 20, Violations: 1 << 30}, 0, 3)
	b.SetBytes(int64(len(body)))
	var known quick.Policies
	before := processorTime(b)
	n := 0
	for ; b.Loop(); n++ {
		if got, err := decodeBatch(string(body), &known, storetest.Start); err != nil || len(got.results) != intakeBatch {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(n*intakeBatch), "cpu-us/result")
}

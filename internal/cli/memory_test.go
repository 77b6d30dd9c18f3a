package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestTheCollectorIsRelaxedWhileTheHeapIsSmall(t *testing.T) {
	const untouched = 77
	initial := debug.SetGCPercent(untouched)
	defer debug.SetGCPercent(initial)

	tuneMemory(func(key string) string { return map[string]string{"GOGC": "50"}[key] })
	if got := rate(); got != untouched {
		t.Errorf("growth %d%% in spite of GOGC, want %d%% as before", got, untouched)
	}

	tuneMemory(func(string) string { return "" })
	if got := rate(); got != 400 {
		t.Errorf("growth %d%% at the start, want 400%%", got)
	}
	large := make([]byte, 200<<20)
	waitForRate(t, 50)
	runtime.KeepAlive(large)
	waitForRate(t, 400)
}

func waitForRate(t *testing.T, want int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); rate() != want; {
		if time.Now().After(deadline) {
			t.Fatalf("growth is still %d%%, want %d%%", rate(), want)
		}
		runtime.GC()
		time.Sleep(time.Millisecond) // the collector's cleanups run in a goroutine of its own
	}
}

// rate that the collector works at.
func rate() int {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}

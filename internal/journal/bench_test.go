package journal

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// document has the size and the redundancy of a result: 4 kB, of which a third is the policy's text.
func document(i int) []byte {
	b := []byte(`{"policy":{"code":"`)
	for k := range 30 {
		b = fmt.Appendf(b, "violation[result] { container := input.review.object.spec.containers[%d] }", k%7)
	}
	b = append(b, `"},"manifest":"`...)
	for _, c := range append(hash(i), hash(i+1)...) {
		b = fmt.Appendf(b, "%02x", c)
	}
	return append(b, `"}`...)
}

func BenchmarkAppend(b *testing.B) {
	documents := make([][]byte, 256)
	for i := range documents {
		documents[i] = document(i)
	}
	for _, sync_ := range []Sync{SyncInterval, SyncAlways} {
		for _, appenders := range []int{1, 64} {
			b.Run(fmt.Sprintf("sync=%s/appenders=%d", sync_, appenders), func(b *testing.B) {
				j := open(b, b.TempDir(), Options{Sync: sync_, MaxBytes: 256 << 20})
				latencies := make([][]time.Duration, appenders)
				b.SetBytes(int64(len(documents[0])))
				b.ResetTimer()
				var wg sync.WaitGroup
				for a := range appenders {
					wg.Go(func() {
						for i := a; i < b.N; i += appenders {
							begin := time.Now()
							if err := j.Append(context.Background(), Record{ID: fmt.Sprint(i), Time: begin, Payload: documents[i%256]}); err != nil {
								b.Error(err)
								return
							}
							latencies[a] = append(latencies[a], time.Since(begin))
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				all := slices.Concat(latencies...)
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)/2].Microseconds()), "µs-median")
				b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "µs-p99")
				stats := j.Stats()
				b.ReportMetric(float64(stats.Bytes)/float64(stats.Newest-stats.Oldest+1), "disk-B/record")
			})
		}
	}
}

func BenchmarkRead(b *testing.B) {
	j := open(b, b.TempDir(), Options{MaxBytes: 1 << 30})
	payload := document(1)
	for i := 0; i < b.N; i += 100 {
		records := make([]Record, 100)
		for k := range records {
			records[k] = Record{ID: fmt.Sprint(i + k), Payload: payload}
		}
		if err := j.Append(context.Background(), records...); err != nil {
			b.Fatal(err)
		}
	}
	r := reader(b, j, "a")
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		batch, err := r.Next(context.Background(), 500, 4<<20)
		if err != nil || r.Commit(batch) != nil {
			b.Fatal(err)
		}
		n += len(batch.Records)
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	j := open(b, dir, Options{})
	for i := range 20_000 {
		if err := j.Append(context.Background(), Record{ID: fmt.Sprint(i), Payload: document(i)}); err != nil {
			b.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		j, _, err := Open(dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

//go:build linux

package sqlite

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
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

func sizeOf(b *testing.B, variable string, otherwise int) int {
	b.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatalf("%s: %v", variable, err)
	}
	return n
}

// BenchmarkQuestions asks a store of ASSAY_STORE_VIOLATIONS violations (100,000) of 20 clusters with ASSAY_STORE_ROUNDS results each (10).
// With ASSAY_STORE_DIR the store stays there and is used again. A time of an operation is a mean; p99-ms is what it says.
func BenchmarkQuestions(b *testing.B) {
	f := storetest.Fleet{Clusters: 20, Violations: sizeOf(b, "ASSAY_STORE_VIOLATIONS", 100_000)}
	dir := os.Getenv("ASSAY_STORE_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	fillStore(b, dir, f, sizeOf(b, "ASSAY_STORE_ROUNDS", 10))
	start := time.Now()
	s := open(b, dir)
	opening := time.Since(start)
	stats, err := s.Stats(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d violations, %d open, %d results, %.0f MiB on disk, opened in %.1f s, %s", stats.Violations, stats.Open, stats.Results, float64(stats.Bytes)/(1<<20), opening.Seconds(), memory(b))

	whole := store.Scope{All: true}
	tenant := store.Scope{Namespaces: map[string][]string{}}
	for i := range 20 {
		tenant.Namespaces[f.Cluster(i)] = []string{"team-007-dev", "team-007-prod", "team-011-stage"}
	}
	enforced := false
	queries := map[string]store.Query{
		"all":            {Scope: whole},
		"open":           {Scope: whole, Statuses: []store.Status{store.Open}},
		"tenant":         {Scope: tenant},
		"cluster-policy": {Scope: whole, Clusters: []string{"cluster-03"}, Policies: []string{"weave.policies.containers-thing-7"}},
		"standard-high":  {Scope: whole, Standards: []string{"weave.standards.soc2-type-i"}, Severities: []string{"high"}, Statuses: []store.Status{store.Open}, Enforced: &enforced},
		"namespace":      {Scope: whole, Namespaces: []string{"team-042-prod"}},
		"app":            {Scope: whole, Apps: []string{"Kustomization/flux-system/team-007-dev"}},
		"last-week":      {Scope: whole, From: storetest.Start.AddDate(0, 0, -14), To: storetest.Start.AddDate(0, 0, -7)},
		"text-frequent":  {Scope: whole, Text: "containers"},
		"text-rare":      {Scope: whole, Text: "frontend-cache-123"},
		"text-across":    {Scope: whole, Text: "deployment payments-api-1"},
		"text-nothing":   {Scope: whole, Text: "nobody says this"},
		"nothing":        {Scope: whole, Names: []string{"nobody"}},
	}
	for _, name := range sorted(queries) {
		q := queries[name]
		for _, order := range []store.Order{store.ByLastSeen, store.BySeverity, store.ByObject} {
			ask(b, fmt.Sprintf("page/%s/%s", name, order), func() error {
				_, err := s.Violations(b.Context(), q, store.Page{Order: order, Limit: 50})
				return err
			})
		}
		ask(b, "facets/"+name, func() error {
			_, err := s.Facets(b.Context(), q, []store.Dimension{
				store.Clusters, store.Namespaces, store.Workspaces, store.Apps, store.Kinds, store.Policies, store.Categories, store.Severities,
				store.Standards, store.Gates, store.Statuses,
			}, 20)
			return err
		})
		ask(b, "timeline/"+name, func() error {
			q := q
			q.From, q.To = storetest.Start.AddDate(0, 0, -storetest.FleetDays), storetest.Start
			_, err := s.Timeline(b.Context(), q)
			return err
		})
	}
	page, err := s.Violations(b.Context(), store.Query{Scope: whole}, store.Page{Order: store.ByObject, Limit: 1000})
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	ask(b, "violation", func() error {
		n++
		_, err := s.Violation(b.Context(), whole, page.Items[n%len(page.Items)].ID)
		return err
	})
	ask(b, "history", func() error {
		n++
		_, err := s.History(b.Context(), whole, page.Items[n%len(page.Items)].ID, 100)
		return err
	})
	ask(b, "page-of-1000", func() error {
		_, err := s.Violations(b.Context(), store.Query{Scope: whole}, store.Page{Order: store.ByObject, Limit: 1000})
		return err
	})
	b.Log("afterwards", memory(b))
}

func ask(b *testing.B, name string, question func() error) {
	b.Run(name, func(b *testing.B) {
		var took []time.Duration
		before := processorTime(b)
		for b.Loop() {
			start := time.Now()
			if err := question(); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(start))
		}
		b.ReportMetric(float64(processorTime(b)-before)/float64(time.Millisecond)/float64(len(took)), "cpu-ms/op")
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)*99/100])/float64(time.Millisecond), "p99-ms")
	})
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// fillStore adds what is not there yet.
func fillStore(b *testing.B, dir string, f storetest.Fleet, rounds int) {
	b.Helper()
	s, err := Open(b.Context(), dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer shut(b, s)
	stats, err := s.Stats(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	batches := f.Batches(intakeBatch)
	start, adding := time.Now(), time.Duration(0)
	added := 0
	for n := stats.Results / intakeBatch; n < rounds*batches; n++ {
		results := f.Batch(n%batches, n/batches, rounds, intakeBatch)
		if len(results) == 0 {
			continue
		}
		began := time.Now()
		k, err := s.Add(b.Context(), f.Cluster(n), results)
		if err != nil {
			b.Fatal(err)
		}
		added += k
		adding += time.Since(began)
	}
	if added > 0 {
		b.Logf("added %d results in %.0f s, %.0f a second in Add, %s", added, time.Since(start).Seconds(), float64(added)/adding.Seconds(), memory(b))
	}
}

// memory is the heap after a collection, and the most that the process had.
func memory(b *testing.B) string {
	b.Helper()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return fmt.Sprintf("heap %d MiB", m.HeapAlloc>>20)
	}
	var rss []string
	for line := range strings.SplitSeq(string(status), "\n") {
		if strings.HasPrefix(line, "VmHWM") || strings.HasPrefix(line, "VmRSS") {
			rss = append(rss, strings.Join(strings.Fields(line), " "))
		}
	}
	return fmt.Sprintf("heap %d MiB, %s", m.HeapAlloc>>20, strings.Join(rss, ", "))
}

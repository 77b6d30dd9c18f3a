package search

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
)

// BenchmarkFleet keeps 100,000 findings of 20 clusters in each server, each of them told twice, and asks. What a time is called is what it is of
// all that b.Loop asked: the median, and the 99th of a hundred.
func BenchmarkFleet(b *testing.B) {
	servers := strings.Fields(os.Getenv(serversVariable))
	if len(servers) == 0 {
		b.Skip("needs a search server: " + serversVariable + " names none")
	}
	for _, server := range servers {
		product, address, _ := strings.Cut(server, "=")
		b.Run(product, func(b *testing.B) {
			s := open(b, address, newPrefix())
			f := storetest.Fleet{Clusters: 20, Violations: 100_000}
			const rounds = 2
			for round := range rounds {
				// It takes longer than what is measured once, so it is done once.
				b.Run(fmt.Sprint("intake/round-", round), func(b *testing.B) { fill(b, s, f, round, rounds) })
			}
			b.Run("stats", func(b *testing.B) {
				stats, err := s.Stats(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(stats.Results), "results")
				b.ReportMetric(float64(stats.Violations), "violations")
				b.ReportMetric(float64(stats.Bytes)/(1<<20), "MiB")
			})
			questions(b, s, f)
		})
	}
}

// fill adds one round, by as many at a time as the hub's intake lets.
func fill(b *testing.B, s *Store, f storetest.Fleet, round, rounds int) {
	b.Helper()
	const size, parallel = 500, 4
	batches := f.Batches(size)
	var next, added atomic.Int64
	var group sync.WaitGroup
	start := time.Now()
	var mu sync.Mutex
	var took []time.Duration
	for range parallel {
		group.Go(func() {
			for n := int(next.Add(1)) - 1; n < batches; n = int(next.Add(1)) - 1 {
				results := f.Batch(n, round, rounds, size)
				if len(results) == 0 {
					continue
				}
				began := time.Now()
				k, err := s.Add(context.WithoutCancel(b.Context()), f.Cluster(n), results)
				if err != nil {
					b.Error(err)
					return
				}
				added.Add(int64(k))
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
			}
		})
	}
	group.Wait()
	slices.Sort(took)
	if b.Failed() {
		return
	}
	b.ReportMetric(float64(added.Load())/time.Since(start).Seconds(), "results/s")
	b.ReportMetric(float64(took[len(took)/2])/float64(time.Millisecond), "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100])/float64(time.Millisecond), "p99-ms")
}

func questions(b *testing.B, s *Store, f storetest.Fleet) {
	b.Helper()
	whole, enforced := store.Scope{All: true}, false
	tenant := store.Scope{Namespaces: map[string][]string{}}
	for i := range f.Clusters {
		tenant.Namespaces[f.Cluster(i)] = []string{"team-007-dev", "team-007-prod", "team-011-stage"}
	}
	queries := map[string]store.Query{
		"all":           {Scope: whole},
		"tenant":        {Scope: tenant},
		"standard-high": {Scope: whole, Standards: []string{"weave.standards.soc2-type-i"}, Severities: []string{"high"}, Statuses: []store.Status{store.Open}, Enforced: &enforced},
		"namespace":     {Scope: whole, Namespaces: []string{"team-042-prod"}},
		"last-week":     {Scope: whole, From: storetest.Start.AddDate(0, 0, -60), To: storetest.Start.AddDate(0, 0, -40)},
		"text-frequent": {Scope: whole, Text: "containers"},
		"text-rare":     {Scope: whole, Text: "frontend-cache-123"},
		"text-short":    {Scope: whole, Text: "ab"},
	}
	for _, name := range slices.Sorted(maps.Keys(queries)) {
		q := queries[name]
		for _, order := range []store.Order{store.ByLastSeen, store.BySeverity, store.ByObject} {
			ask(b, fmt.Sprintf("page/%s/%s", name, order), func() error {
				_, err := s.Violations(b.Context(), q, store.Page{Order: order, Limit: 50})
				return err
			})
		}
		ask(b, "facets/"+name, func() error {
			_, err := s.Facets(b.Context(), q, slices.Sorted(maps.Keys(fieldOf)), 20)
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
}

func ask(b *testing.B, name string, question func() error) {
	b.Run(name, func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			start := time.Now()
			if err := question(); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2])/float64(time.Millisecond), "p50-ms")
		b.ReportMetric(float64(took[len(took)*99/100])/float64(time.Millisecond), "p99-ms")
	})
}

//go:build linux

package columns

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// BenchmarkIndex asks an index of ASSAY_STORE_VIOLATIONS violations (100,000) of 20 clusters, with ten entries in the timeline each.
func BenchmarkIndex(b *testing.B) {
	violations := 100_000
	if text := os.Getenv("ASSAY_STORE_VIOLATIONS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		violations = n
	}
	now := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	before := heap()
	start := time.Now()
	x := New()
	for i := range violations {
		slot, err := x.Reserve()
		if err != nil {
			b.Fatal(err)
		}
		x.Put(slot, benchViolation(i, now))
		for n := range 10 {
			x.Note(store.DayOf(now.AddDate(0, 0, -(i+n*9)%90)), []uint32{Entry(slot, store.Tick(1+n%4))}) //nolint:gosec // small
		}
	}
	b.Logf("%d violations take %d MiB, put in %.1f s", violations, (heap()-before)>>20, time.Since(start).Seconds())

	tenant := store.Scope{Namespaces: map[string][]string{}}
	for i := range 20 {
		tenant.Namespaces[fmt.Sprintf("cluster-%02d", i)] = []string{"team-007-dev", "team-011-prod"}
	}
	whole := store.Scope{All: true}
	for _, test := range []struct {
		name string
		q    store.Query
	}{
		{"all", store.Query{Scope: whole}},
		{"open", store.Query{Scope: whole, Statuses: []store.Status{store.Open}}},
		{"tenant", store.Query{Scope: tenant}},
		{"filtered", store.Query{Scope: whole, Clusters: []string{"cluster-03"}, Standards: []string{"cis"}, Severities: []string{"high"}}},
		{"text-frequent", store.Query{Scope: whole, Text: "containers"}},
		{"text-rare", store.Query{Scope: whole, Text: "checkout-api-123"}},
		{"text-across", store.Query{Scope: whole, Text: "deployment checkout-api-123"}},
		{"text-nothing", store.Query{Scope: whole, Text: "nobody says this"}},
	} {
		for _, order := range orders {
			ask(b, "page/"+test.name+"/"+string(order), func() error {
				_, _, err := x.Page(b.Context(), test.q, store.Page{Order: order, Limit: 50})
				return err
			})
		}
		ask(b, "facets/"+test.name, func() error {
			_, err := x.Facets(b.Context(), test.q, []store.Dimension{
				store.Clusters, store.Namespaces, store.Workspaces, store.Apps, store.Kinds, store.Policies, store.Categories, store.Severities,
				store.Standards, store.Gates, store.Statuses,
			}, 20)
			return err
		})
		ask(b, "timeline/"+test.name, func() error {
			q := test.q
			q.From, q.To = now.AddDate(0, 0, -89), now
			_, err := x.Timeline(b.Context(), q)
			return err
		})
	}
}

func benchViolation(i int, now time.Time) *Violation {
	object, rule := i/20/5, i/20%5*5+i/100%5
	cluster := fmt.Sprintf("cluster-%02d", i%20)
	namespace := fmt.Sprintf("team-%03d-%s", object/40%250, []string{"dev", "prod"}[object%2])
	name := fmt.Sprintf("%s-api-%d", []string{"checkout", "payments", "inventory"}[object%3], object)
	policy := fmt.Sprintf("Containers Must Not Do Thing Number %d", rule)
	status := statuses[i%7%len(statuses)]
	return &Violation{
		Key: store.Key{byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)}, Cluster: cluster, Gate: "audit", Kind: "Deployment", Namespace: namespace, Name: name,
		Workspace: namespace[:8], App: "Kustomization/flux-system/" + namespace, PolicyID: fmt.Sprint("thing-", rule), PolicyName: policy,
		Category: []string{"security", "reliability"}[rule%2], Severity: []string{"low", "medium", "high"}[rule%3],
		Standards: []store.Standard{{ID: "cis", Controls: []string{fmt.Sprint(rule)}}},
		Message:   fmt.Sprintf("%s in deployment %s (1 occurrences)", policy, name), Status: status,
		FirstSeen: now.Add(-time.Duration(i) * time.Second), LastSeen: now.Add(-time.Duration(i*7919%violationAge) * time.Second),
	}
}

const violationAge = 90 * 24 * 60 * 60

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// processorTime is what all processors spent on this process; it does not know what else the machine does.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
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

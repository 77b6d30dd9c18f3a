//go:build linux

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/auth/authtest"
	"github.com/assay-gitops/assay/internal/hub/quick"
	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/sqlite"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
)

const (
	intakeBatch = 500
	// senders is how many agents send at a time, wave how many batches are made before they are sent.
	senders, wave = 4, 40
)

// BenchmarkDecodeFleet reads what agents send.
func BenchmarkDecodeFleet(b *testing.B) {
	body, err := json.Marshal(map[string]any{"version": 1, "results": storetest.Fleet{Clusters: 20, Violations: 1 << 30}.Batch(0, 3, 10, intakeBatch)})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	var known quick.Policies
	before := processorTime(b)
	n := 0
	for ; b.Loop(); n++ {
		if got, err := decodeBatch(string(body), &known, storetest.Start); err != nil || len(got.results) != intakeBatch {
			b.Fatal(err)
		}
	}
	b.ReportMetric(micros(processorTime(b)-before)/float64(n*intakeBatch), "cpu-us/result")
}

// BenchmarkHub is what a hub takes: results of ASSAY_HUB_EVENTS (200,000) about ASSAY_HUB_FINDINGS (20,000) violations of 20 clusters, a round of
// audits after the other; the last round comes through HTTP as agents send it, the others straight to the store. Then the store is opened again
// and asked each question ASSAY_HUB_ASKS (100) times. It is meant for -benchtime 1x. With ASSAY_HUB_DIR the store stays there.
//
// The rounds straight to the store end after ASSAY_HUB_SECONDS (an hour), however many results there are then. Times of the clock depend on what else the machine does; cpu-… is what all processors spent, on the hub and, through HTTP, on sending.
func BenchmarkHub(b *testing.B) {
	h := &hubBench{dir: os.Getenv("ASSAY_HUB_DIR"), asks: sizeOf(b, "ASSAY_HUB_ASKS", 100)}
	h.fleet = storetest.Fleet{Clusters: 20, Violations: sizeOf(b, "ASSAY_HUB_FINDINGS", 20_000)}
	h.rounds = max(2, sizeOf(b, "ASSAY_HUB_EVENTS", 200_000)/h.fleet.Violations)
	h.longest = time.Duration(sizeOf(b, "ASSAY_HUB_SECONDS", 3600)) * time.Second
	if h.dir == "" {
		h.dir = b.TempDir()
	}
	h.open(b)
	b.Run("intake/opened", func(b *testing.B) { h.straight(b, 0, 1) })
	b.Run("intake/audits", func(b *testing.B) { h.straight(b, 1, h.rounds-1) })
	b.Run("intake/http", h.overHTTP)
	if err := h.store.Close(); err != nil {
		b.Fatal(err)
	}
	h.store = nil
	b.Run("open", func(b *testing.B) {
		before := processorTime(b)
		h.open(b)
		b.ReportMetric(micros(processorTime(b)-before)/1e6, "cpu-s")
	})
	b.Run("size", h.size)
	h.questions(b)
	b.Run("size/asked", h.size)
	if err := h.store.Close(); err != nil {
		b.Fatal(err)
	}
}

type hubBench struct {
	dir    string
	fleet  storetest.Fleet
	rounds int
	asks   int
	// longest is for how long results are added straight to the store.
	longest time.Duration
	store   *sqlite.Store
}

func (h *hubBench) open(b *testing.B) {
	b.Helper()
	var err error
	if h.store, err = sqlite.Open(context.Background(), h.dir, sqlite.Options{Now: now}); err != nil {
		b.Fatal(err)
	}
}

// straight adds the rounds from first to before last. Making the results is not measured.
func (h *hubBench) straight(b *testing.B, first, last int) {
	var took, processors time.Duration
	added := 0
	batches := h.fleet.Batches(intakeBatch)
	end := time.Now().Add(h.longest)
	for n := first * batches; n < last*batches && time.Now().Before(end); n++ {
		results := h.fleet.Batch(n%batches, n/batches, h.rounds, intakeBatch)
		start, before := time.Now(), processorTime(b)
		k, err := h.store.Add(b.Context(), h.fleet.Cluster(n), results)
		if err != nil || k != len(results) {
			b.Fatal(k, err)
		}
		took += time.Since(start)
		processors += processorTime(b) - before
		added += k
	}
	report(b, added, took, processors)
}

func report(b *testing.B, results int, took, processors time.Duration) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(results), "results")
	b.ReportMetric(float64(results)/took.Seconds(), "results/s")
	b.ReportMetric(micros(processors)/float64(results), "cpu-us/result")
}

// overHTTP sends the last round from some agents at a time, compressed, with the token of each cluster. Making the requests is not measured.
func (h *hubBench) overHTTP(b *testing.B) {
	var tokens bytes.Buffer
	for i := range h.fleet.Clusters {
		fmt.Fprintf(&tokens, "- {cluster: %s, sha256: %s}\n", h.fleet.Cluster(i), sum(h.fleet.Cluster(i)))
	}
	path := filepath.Join(b.TempDir(), "tokens.yaml")
	if err := os.WriteFile(path, tokens.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	who, err := auth.New(auth.Options{Client: authtest.Start(b).Client(b), Cluster: "here", AgentTokens: path})
	if err != nil {
		b.Fatal(err)
	}
	hub := newBed(b, func(o *Options) { o.Store, o.Auth = h.store, who })
	compressor, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		b.Fatal(err)
	}
	var took, processors time.Duration
	added, sent := 0, 0
	batches := h.fleet.Batches(intakeBatch)
	for first := 0; first < batches; first += wave {
		bodies := make([][]byte, min(wave, batches-first))
		for i := range bodies {
			results := h.fleet.Batch(first+i, h.rounds-1, h.rounds, intakeBatch)
			body, err := json.Marshal(map[string]any{"version": 1, "results": results})
			if err != nil {
				b.Fatal(err)
			}
			bodies[i] = compressor.EncodeAll(body, nil)
			added += len(results)
			sent += len(bodies[i])
		}
		start, before := time.Now(), processorTime(b)
		var group errgroup.Group
		group.SetLimit(senders)
		for i, body := range bodies {
			group.Go(func() error { return send(b.Context(), hub.url, h.fleet.Cluster(first+i), body) })
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
		took += time.Since(start)
		processors += processorTime(b) - before
	}
	report(b, added, took, processors)
	b.ReportMetric(float64(sent)/float64(added), "sent-B/result")
}

func send(ctx context.Context, url, token string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+intakePath, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Content-Encoding", "zstd")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var taken Taken
	if err := json.NewDecoder(response.Body).Decode(&taken); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("it was not taken: %s: %w", response.Status, err)
	}
	return nil
}

// size is what the store takes on disk and in memory, after a collection.
func (h *hubBench) size(b *testing.B) {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	stats, err := h.store.Stats(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(stats.Bytes)/(1<<20), "disk-MiB")
	b.ReportMetric(float64(stats.Bytes)/float64(stats.Results), "disk-B/result")
	b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "heap-MiB")
	b.ReportMetric(float64(m.HeapAlloc)/float64(stats.Violations), "heap-B/violation")
	b.ReportMetric(statusOf(b, "VmRSS")/1024, "rss-MiB")
	b.ReportMetric(statusOf(b, "VmHWM")/1024, "max-rss-MiB")
}

// statusOf the process: a number of kB.
func statusOf(b *testing.B, name string) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name+":" {
			n, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatalf("the process has no %s", name)
	return 0
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

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

func (h *hubBench) questions(b *testing.B) {
	whole := store.Scope{All: true}
	tenant := store.Scope{Namespaces: map[string][]string{}}
	for i := range 20 {
		tenant.Namespaces[h.fleet.Cluster(i)] = []string{"team-007-dev", "team-007-prod", "team-011-stage"}
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
	for _, name := range slices.Sorted(maps.Keys(queries)) {
		q := queries[name]
		for _, order := range []store.Order{store.ByLastSeen, store.BySeverity, store.ByObject} {
			h.ask(b, fmt.Sprintf("page/%s/%s", name, order), func() error {
				_, err := h.store.Violations(b.Context(), q, store.Page{Order: order, Limit: 50})
				return err
			})
		}
		h.ask(b, "facets/"+name, func() error {
			_, err := h.store.Facets(b.Context(), q, []store.Dimension{
				store.Clusters, store.Namespaces, store.Workspaces, store.Apps, store.Kinds, store.Policies, store.Categories, store.Severities,
				store.Standards, store.Gates, store.Statuses,
			}, 20)
			return err
		})
		h.ask(b, "timeline/"+name, func() error {
			q := q
			q.From, q.To = storetest.Start.AddDate(0, 0, -storetest.FleetDays), storetest.Start
			_, err := h.store.Timeline(b.Context(), q)
			return err
		})
	}
	page, err := h.store.Violations(b.Context(), store.Query{Scope: whole}, store.Page{Order: store.ByObject, Limit: 1000})
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	h.ask(b, "violation", func() error {
		n++
		_, err := h.store.Violation(b.Context(), whole, page.Items[n%len(page.Items)].ID)
		return err
	})
	h.ask(b, "history", func() error {
		n++
		_, err := h.store.History(b.Context(), whole, page.Items[n%len(page.Items)].ID, 100)
		return err
	})
	h.ask(b, "page-of-1000", func() error {
		_, err := h.store.Violations(b.Context(), store.Query{Scope: whole}, store.Page{Order: store.ByObject, Limit: 1000})
		return err
	})
}

func (h *hubBench) ask(b *testing.B, name string, question func() error) {
	b.Run(name, func(b *testing.B) {
		took := make([]time.Duration, 0, h.asks)
		before := processorTime(b)
		for range h.asks {
			start := time.Now()
			if err := question(); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(start))
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(micros(processorTime(b)-before)/1000/float64(h.asks), "cpu-ms")
		slices.Sort(took)
		b.ReportMetric(micros(took[len(took)/2])/1000, "p50-ms")
		b.ReportMetric(micros(took[len(took)*99/100])/1000, "p99-ms")
	})
}

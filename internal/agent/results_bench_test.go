package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/internal/gate/admission"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
	"github.com/assay-gitops/assay/library"
)

// BenchmarkAdmissionWithJournal compares requests that several policies deny: without a journal, with one that two sinks read, and
// with one whose webhook sink cannot deliver in several ways. They are asked in turn, so that a busy machine slows all. It reports
// the median and the 99th percentile of each, and the median of what the journal adds, in milliseconds.
func BenchmarkAdmissionWithJournal(b *testing.B) {
	shipped, err := catalog.Gather(library.FS, nil)
	if err != nil {
		b.Fatal(err)
	}
	snapshot, _, err := engine.Compile(b.Context(), engine.Sources{Policies: shipped.Sources.Policies}, engine.Options{})
	if err != nil {
		b.Fatal(err)
	}
	o := admission.Options{Snapshot: func() *engine.Snapshot { return snapshot }}
	type variant struct {
		name    string
		handler http.Handler
		results *results
		times   []time.Duration
	}
	variants := []*variant{{name: "no-journal", handler: admission.Validating(o)}}
	found := 0
	for name, fault := range map[string]sinktest.Fault{"delivered": sinktest.None, "down": sinktest.Down, "slow": sinktest.Slow, "flapping": sinktest.Flapping, "throttled": sinktest.TooMany} {
		misbehaving := &sinktest.Misbehaving{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })}
		misbehaving.Set(fault)
		receiver := httptest.NewServer(misbehaving)
		b.Cleanup(receiver.CloseClientConnections)
		r := newTestResults(b, "admission: {enabled: true, sinks: {filesystemSink: {fileName: results.jsonl}, webhookSink: {url: '"+receiver.URL+"'}}}\n", b.TempDir(), io.Discard)
		start(b, r)
		with := o
		with.Record = func(ctx context.Context, d admission.Decision) {
			found += len(d.Results)
			r.admitted(ctx, d, tenant)
		}
		variants = append(variants, &variant{name: name, handler: admission.Validating(with), results: r})
	}
	review, err := json.Marshal(map[string]any{
		"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
		"request": map[string]any{
			"uid": "u", "operation": "CREATE", "namespace": "shop", "name": "web",
			"kind": map[string]any{"group": "apps", "version": "v1", "kind": "Deployment"}, "resource": map[string]any{"group": "apps", "version": "v1", "resource": "deployments"},
			"userInfo": map[string]any{"username": "jane"},
			"object": map[string]any{
				"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web", "namespace": "shop", "uid": "web"},
				"spec": map[string]any{"replicas": 1, "template": map[string]any{"spec": map[string]any{"containers": []any{
					map[string]any{"name": "web", "image": "web:latest", "securityContext": map[string]any{"privileged": true}},
				}}}},
			},
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for _, v := range variants {
			request := httptest.NewRequest(http.MethodPost, "/admission?timeout=10s", bytes.NewReader(review))
			request.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			began := time.Now()
			v.handler.ServeHTTP(w, request)
			v.times = append(v.times, time.Since(began))
			if w.Code != http.StatusOK {
				b.Fatal(w.Body)
			}
		}
	}
	milliseconds := func(d []time.Duration, percent int) float64 {
		d = slices.Clone(d)
		slices.Sort(d)
		return float64(d[len(d)*percent/100]) / float64(time.Millisecond)
	}
	without := variants[0].times
	for _, v := range variants {
		if v.results != nil && v.results.unwritten.Load() > 0 || found == 0 {
			b.Fatalf("%s: %d results, %d of them not in the journal", v.name, found, v.results.unwritten.Load())
		}
		b.ReportMetric(milliseconds(v.times, 50), "ms-p50-"+v.name)
		b.ReportMetric(milliseconds(v.times, 99), "ms-p99-"+v.name)
		if v.name == "delivered" {
			difference := make([]time.Duration, len(without))
			for i := range without {
				difference[i] = v.times[i] - without[i]
			}
			b.ReportMetric(milliseconds(difference, 50), "ms-more")
		}
	}
}

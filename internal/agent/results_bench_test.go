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
	"github.com/assay-gitops/assay/library"
)

// BenchmarkAdmissionWithJournal compares requests that several policies deny, without a journal and with one that two sinks
// read, in turn, so that a busy machine slows both. It reports the median of each and of their difference in milliseconds.
func BenchmarkAdmissionWithJournal(b *testing.B) {
	shipped, err := catalog.Gather(library.FS, nil)
	if err != nil {
		b.Fatal(err)
	}
	snapshot, _, err := engine.Compile(b.Context(), engine.Sources{Policies: shipped.Sources.Policies}, engine.Options{})
	if err != nil {
		b.Fatal(err)
	}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.Cleanup(receiver.Close)
	r := newTestResults(b, "admission: {enabled: true, sinks: {filesystemSink: {fileName: results.jsonl}, webhookSink: {url: '"+receiver.URL+"'}}}\n", b.TempDir(), io.Discard)
	start(b, r)
	o := admission.Options{Snapshot: func() *engine.Snapshot { return snapshot }}
	without := admission.Validating(o)
	found := 0
	o.Record = func(ctx context.Context, d admission.Decision) {
		found += len(d.Results)
		r.admitted(ctx, d, tenant)
	}
	with := admission.Validating(o)
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
	times := map[bool][]time.Duration{}
	var difference []time.Duration
	for b.Loop() {
		for _, journal := range []bool{false, true} {
			handler := without
			if journal {
				handler = with
			}
			request := httptest.NewRequest(http.MethodPost, "/admission?timeout=10s", bytes.NewReader(review))
			request.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			began := time.Now()
			handler.ServeHTTP(w, request)
			times[journal] = append(times[journal], time.Since(began))
			if w.Code != http.StatusOK {
				b.Fatal(w.Body)
			}
		}
		difference = append(difference, times[true][len(times[true])-1]-times[false][len(times[false])-1])
	}
	if r.unwritten.Load() > 0 || found == 0 {
		b.Fatalf("%d results, %d of them not in the journal", found, r.unwritten.Load())
	}
	median := func(d []time.Duration) float64 {
		slices.Sort(d)
		return float64(d[len(d)/2]) / float64(time.Millisecond)
	}
	b.ReportMetric(median(times[false]), "ms-without")
	b.ReportMetric(median(times[true]), "ms-with")
	b.ReportMetric(median(difference), "ms-more")
	b.ReportMetric(float64(found)/float64(len(times[true])), "results/op")
}

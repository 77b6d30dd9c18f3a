package api

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// statsTimeout bounds what a scrape asks the store.
const statsTimeout = 5 * time.Second

type metrics struct {
	requests *prometheus.HistogramVec
	results  *prometheus.CounterVec
	// streams there are, and why others ended.
	streams      prometheus.Gauge
	streamsEnded *prometheus.CounterVec
}

func newMetrics(registry *prometheus.Registry, kept store.Store) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "assay_hub_request_duration_seconds", Help: "How long requests took, by route and status.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "code"}),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "assay_hub_results_total", Help: "Results that agents sent: new ones, known ones that came again, and refused ones, which are all of a request.",
		}, []string{"outcome"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{Name: "assay_hub_streams", Help: "Clients that follow changes."}),
		streamsEnded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "assay_hub_streams_ended_total", Help: "Streams of changes that ended: by the client, because it was slow or had no right any more, or by the hub's shutdown.",
		}, []string{"reason"}),
	}
	for _, collector := range []prometheus.Collector{m.requests, m.results, m.streams, m.streamsEnded, newKeptCollector(kept)} {
		if err := registry.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the metrics of the hub's API: %w", err)
		}
	}
	return m, nil
}

// keptCollector asks the store when it is scraped.
type keptCollector struct {
	store                      store.Store
	results, violations, bytes *prometheus.Desc
}

func newKeptCollector(kept store.Store) keptCollector {
	return keptCollector{
		store:      kept,
		results:    prometheus.NewDesc("assay_hub_kept_results", "Results that are kept.", nil, nil),
		violations: prometheus.NewDesc("assay_hub_kept_violations", "Violations that are kept, by whether they are open.", []string{"open"}, nil),
		bytes:      prometheus.NewDesc("assay_hub_store_bytes", "Size of the store on disk.", nil, nil),
	}
}

// Describe tells what there may be.
func (c keptCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.results
	descs <- c.violations
	descs <- c.bytes
}

// Collect asks. A store that fails makes the scrape fail, which is what an alert is for.
func (c keptCollector) Collect(found chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), statsTimeout)
	defer cancel()
	stats, err := c.store.Stats(ctx)
	if err != nil {
		found <- prometheus.NewInvalidMetric(c.results, err)
		return
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		found <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	gauge(c.results, float64(stats.Results))
	gauge(c.violations, float64(stats.Open), "true")
	gauge(c.violations, float64(stats.Violations-stats.Open), "false")
	gauge(c.bytes, float64(stats.Bytes))
}

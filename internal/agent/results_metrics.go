package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/assay-gitops/assay/internal/sink"
)

// resultsCollector reads the state of the journal and the sinks when metrics are asked for.
type resultsCollector struct {
	results *results

	open, bytes, dropped, failures, buffered, lag, behind, failing *prometheus.Desc
}

func newResultsCollector(r *results) *resultsCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &resultsCollector{
		results:  r,
		open:     desc("assay_journal_open", "1 while the journal is open; results are lost while it is not."),
		bytes:    desc("assay_journal_bytes", "The size of the journal's files."),
		dropped:  desc("assay_journal_dropped_total", "Results that were dropped from the journal before every sink had them, because of their age or the journal's size."),
		failures: desc("assay_journal_write_failures_total", "How often the journal's disk could not be written."),
		buffered: desc("assay_journal_buffered", "Results in memory because the journal's disk cannot be written at the moment."),
		lag:      desc("assay_sink_lag", "Results in the journal that the sink does not have yet, those that it does not want included.", "sink"),
		behind:   desc("assay_sink_behind_seconds", "How old the last result is that the sink has, while others wait for it; 0 when it has all.", "sink"),
		failing:  desc("assay_sink_failing", "1 while the sink cannot deliver.", "sink"),
	}
}

// Describe is for prometheus.Collector.
func (c *resultsCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.open, c.bytes, c.dropped, c.failures, c.buffered, c.lag, c.behind, c.failing} {
		to <- d
	}
}

// Collect is for prometheus.Collector.
func (c *resultsCollector) Collect(to chan<- prometheus.Metric) {
	if len(c.results.sinks) == 0 {
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	opened := c.results.journal.Load()
	if opened == nil {
		gauge(c.open, 0)
		return
	}
	gauge(c.open, 1)
	stats := opened.Stats()
	gauge(c.bytes, float64(stats.Bytes))
	gauge(c.buffered, float64(stats.Buffered))
	to <- prometheus.MustNewConstMetric(c.dropped, prometheus.CounterValue, float64(stats.Dropped))
	to <- prometheus.MustNewConstMetric(c.failures, prometheus.CounterValue, float64(stats.Failures))
	for _, s := range c.results.statuses() {
		gauge(c.lag, float64(s.Lag), s.Name)
		behind, failing := 0.0, 0.0
		if s.Lag > 0 && !s.Since.IsZero() {
			behind = time.Since(s.Since).Seconds()
		}
		if s.Err != nil {
			failing = 1
		}
		gauge(c.behind, behind, s.Name)
		gauge(c.failing, failing, s.Name)
	}
}

// Count is for sink.Metrics.
func (i *instruments) Count(name string, event sink.Event, results int) {
	i.delivered.WithLabelValues(name, string(event)).Add(float64(results))
}

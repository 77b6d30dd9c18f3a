package agent

import (
	"github.com/prometheus/client_golang/prometheus"
)

// auditCollector reads the state of the audit when metrics are asked for. Only the replica that audits has any.
type auditCollector struct {
	auditing *auditing

	objects, pairs, lists, open, unreadable, unkept, undiscovered *prometheus.Desc
	passEnd, passTook, passErrors, passRunning                    *prometheus.Desc
}

func newAuditCollector(a *auditing) *auditCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &auditCollector{
		auditing: a,
		objects:  desc("assay_audit_objects", "Objects that the audit follows, by kind.", "kind"),
		pairs: desc("assay_audit_pairs_total", "Pairs of an object and a policy that the audit looked at: judged, known (judged before, with nothing changed since, or not asked) or failed.",
			"outcome"),
		lists:        desc("assay_audit_lists_total", "How often all objects of a kind were read."),
		open:         desc("assay_audit_open_findings", "Findings that are open, by policy.", "policy"),
		unreadable:   desc("assay_audit_unreadable_kinds", "1 for each kind that policies target and the agent cannot read, and why: forbidden or failing.", "kind", "reason"),
		unkept:       desc("assay_audit_unkept_objects", "Objects with findings that do not fit into what the next leader is told: it will open them again."),
		undiscovered: desc("assay_audit_undiscovered_groups", "API groups that could not be discovered, and whose objects may not be audited."),
		passEnd:      desc("assay_audit_pass_timestamp_seconds", "When the last full audit ended, in seconds since 1970."),
		passTook:     desc("assay_audit_pass_duration_seconds", "How long the last full audit took."),
		passErrors:   desc("assay_audit_pass_errors", "What the last full audit could not look at completely."),
		passRunning:  desc("assay_audit_pass_running", "1 while a full audit goes on."),
	}
}

// Describe is for prometheus.Collector.
func (c *auditCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.objects, c.pairs, c.lists, c.open, c.unreadable, c.unkept, c.undiscovered, c.passEnd, c.passTook, c.passErrors, c.passRunning,
	} {
		to <- d
	}
}

// Collect is for prometheus.Collector.
func (c *auditCollector) Collect(to chan<- prometheus.Metric) {
	auditor := c.auditing.current.Load()
	if auditor == nil {
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	count := func(d *prometheus.Desc, value uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	s := auditor.Status()
	for kind, k := range s.Kinds {
		gauge(c.objects, float64(k.Objects), kind)
		switch {
		case k.Forbidden:
			gauge(c.unreadable, 1, kind, "forbidden")
		case k.Trouble != "":
			gauge(c.unreadable, 1, kind, "failing")
		}
	}
	count(c.pairs, s.Judged, "judged")
	count(c.pairs, s.Known, "known")
	count(c.pairs, s.Failed, "failed")
	count(c.lists, s.Lists)
	for policy, n := range s.Open {
		gauge(c.open, float64(n), policy)
	}
	gauge(c.unkept, float64(s.Unkept))
	gauge(c.undiscovered, float64(s.Undiscovered))
	running := 0.0
	if s.Running != nil {
		running = 1
	}
	gauge(c.passRunning, running)
	if p := s.Last; p != nil {
		gauge(c.passEnd, float64(p.End.Unix()))
		gauge(c.passTook, p.End.Sub(p.Start).Seconds())
		gauge(c.passErrors, float64(len(p.Errors)+p.MoreErrors))
	}
}

package agent

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/gate/admission"
	"github.com/assay-gitops/assay/internal/gate/terraform"
	"github.com/assay-gitops/assay/policy"
)

// instruments are the agent's metrics.
type instruments struct {
	registry    *prometheus.Registry
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	violations  *prometheus.CounterVec
	compiled    prometheus.Gauge
	compileTime prometheus.Gauge
	policies    prometheus.Gauge
	broken      *prometheus.GaugeVec
	brake       prometheus.Gauge
	brakes      prometheus.Counter
	// delivered counts what became of results at the sinks, unwritten those that did not get into the journal, and late those
	// that nobody waited for.
	delivered   *prometheus.CounterVec
	unwritten   prometheus.Counter
	late        prometheus.Counter
	suspended   *prometheus.GaugeVec
	suspensions *prometheus.CounterVec
	leader      prometheus.GaugeFunc
	registered  prometheus.Gauge
	registering *prometheus.CounterVec
	unknown     prometheus.Gauge
	reloads     *prometheus.CounterVec
	evaluations *evaluations
	resources   *labels
}

// labels bounds the values of a label that whoever reaches the port can choose.
type labels struct {
	mu   sync.Mutex
	seen map[string]bool
}

// maxLabels is far more than the resources of any cluster's policies.
const maxLabels = 300

// label is the value, or "other" when there have been too many.
func (l *labels) label(value string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.seen[value] {
		if len(l.seen) >= maxLabels {
			return "other"
		}
		l.seen[value] = true
	}
	return value
}

func newInstruments(version string, leads func() bool, notAfter func() time.Time) *instruments {
	i := &instruments{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "assay_admission_requests_total", Help: "Requests that a webhook answered, by what came of them: allowed, warned, denied, exempt or error.",
		}, []string{"webhook", "operation", "resource", "dry_run", "verdict"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "assay_admission_duration_seconds", Help: "How long a webhook took to answer.",
			Buckets: []float64{.0005, .001, .002, .003, .005, .01, .015, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"webhook"}),
		violations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "assay_violations_total", Help: "Results of policies at admission other than compliance: violation, excepted or error. Dry runs do not count.",
		}, []string{"policy", "status", "enforced"}),
		compiled: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "assay_snapshot_timestamp_seconds", Help: "When the policies in force were compiled, in seconds since 1970.",
		}),
		compileTime: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "assay_snapshot_compile_seconds", Help: "How long compiling the policies in force took.",
		}),
		policies: prometheus.NewGauge(prometheus.GaugeOpts{Name: "assay_snapshot_policies", Help: "Policies in force."}),
		broken: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "assay_snapshot_problems", Help: "Problems of policies, sets, configs and exceptions; left_out says whether the object plays no part because of it.",
		}, []string{"left_out"}),
		brake:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "assay_brake_on", Help: "1 while the emergency brake turns denials into warnings."}),
		brakes: prometheus.NewCounter(prometheus.CounterOpts{Name: "assay_brake_changes_total", Help: "How often the emergency brake was put on, taken off or given another reason."}),
		delivered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "assay_sink_results_total", Help: "Results by what a sink did with them: sent, failed (an attempt), retried, dead-lettered, lost or skipped.",
		}, []string{"sink", "event"}),
		unwritten: prometheus.NewCounter(prometheus.CounterOpts{Name: "assay_journal_unwritten_total", Help: "Results that could not be written to the journal and no sink gets."}),
		late: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "assay_journal_late_total", Help: "Results that were not known to be in the journal when their gate answered, since the disk was slow. They get there unless the process dies.",
		}),
		suspended: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "assay_policy_suspended", Help: "1 while the circuit of a policy is open: it was slow again and again, and is not evaluated by the gate for a while.",
		}, []string{"policy", "gate"}),
		suspensions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "assay_policy_suspensions_total", Help: "How often the circuit of a policy opened.",
		}, []string{"policy", "gate"}),
		leader: prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "assay_leader", Help: "1 in the replica that writes statuses and the registration."}, func() float64 {
			if leads() {
				return 1
			}
			return 0
		}),
		registered: prometheus.NewGauge(prometheus.GaugeOpts{Name: "assay_webhook_registered_timestamp_seconds", Help: "When the webhook registration was last seen to be as it should be, in seconds since 1970; only the leader looks."}),
		registering: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "assay_webhook_registrations_total", Help: "Looks at the webhook registration by what came of them: unchanged, changed or failed.",
		}, []string{"outcome"}),
		unknown: prometheus.NewGauge(prometheus.GaugeOpts{Name: "assay_webhook_unknown_kinds", Help: "Kinds that active policies target and the cluster does not have."}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "assay_config_reloads_total", Help: "Changes of the configuration file by what came of them: applied, restart_needed or refused.",
		}, []string{"outcome"}),
		evaluations: &evaluations{},
		resources:   &labels{seen: map[string]bool{}},
	}
	expiry := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "assay_certificate_expiry_timestamp_seconds", Help: "When the webhook server's certificate ends, in seconds since 1970; 0 while there is none."}, func() float64 {
		if end := notAfter(); !end.IsZero() {
			return float64(end.Unix())
		}
		return 0
	})
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "assay_build_info", Help: "1; the version is a label.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	i.registry.MustRegister(i.requests, i.duration, i.violations, i.compiled, i.compileTime, i.policies, i.broken, i.brake, i.brakes, i.delivered, i.unwritten, i.late, i.suspended, i.suspensions,
		i.leader, i.registered, i.registering, i.unknown, i.reloads, i.evaluations, expiry, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return i
}

// admitted records a decision of the admission gate.
func (i *instruments) admitted(_ context.Context, d admission.Decision) {
	verdict := "allowed"
	switch {
	case d.Err != nil:
		verdict = "error"
	case d.Exempt:
		verdict = "exempt"
	case !d.Allowed:
		verdict = "denied"
	case len(d.Results) > 0:
		verdict = "warned"
	}
	i.requests.WithLabelValues(d.Webhook, string(d.Operation), i.resources.label(d.Resource), strconv.FormatBool(d.DryRun), verdict).Inc()
	i.duration.WithLabelValues(d.Webhook).Observe(d.Took.Seconds())
	// What the mutating webhook repairs is no violation yet; the validating one judges what is left.
	if !d.DryRun && d.Webhook == "validating" {
		i.found(d.Results)
	}
}

// planned records a decision of the Terraform gate.
func (i *instruments) planned(_ context.Context, d terraform.Decision) {
	verdict := "allowed"
	switch {
	case d.Err != nil:
		verdict = "error"
	case !d.Passed:
		verdict = "denied"
	case len(d.Results) > 0:
		verdict = "warned"
	}
	i.requests.WithLabelValues("terraform", "", "", "false", verdict).Inc()
	i.duration.WithLabelValues("terraform").Observe(d.Took.Seconds())
	i.found(d.Results)
}

func (i *instruments) found(results []policy.Result) {
	for n := range results {
		r := &results[n]
		if r.Status != policy.Compliance {
			i.violations.WithLabelValues(r.Policy.Spec.ID, string(r.Status), strconv.FormatBool(r.Enforced)).Inc()
		}
	}
}

// publish records an edition, and forgets policies that are gone.
func (i *instruments) publish(e *edition) {
	i.compiled.Set(float64(e.at.Unix()))
	i.compileTime.Set(e.took.Seconds())
	i.policies.Set(float64(len(e.snapshot.Policies())))
	left, warned := 0, 0
	for _, p := range e.problems {
		if p.LeftOut {
			left++
		} else {
			warned++
		}
	}
	i.broken.WithLabelValues("true").Set(float64(left))
	i.broken.WithLabelValues("false").Set(float64(warned))
	there := map[string]bool{}
	for _, p := range e.snapshot.Policies() {
		there[p.Spec.ID] = true
	}
	for _, id := range i.evaluations.forget(there) {
		gone := prometheus.Labels{"policy": id}
		i.violations.DeletePartialMatch(gone)
		i.suspended.DeletePartialMatch(gone)
		i.suspensions.DeletePartialMatch(gone)
	}
}

// evaluations counts what each policy's evaluations cost. It is asked at every evaluation, and so counts without locks.
type evaluations struct {
	// byID holds *evaluation by policy id.
	byID sync.Map
}

type evaluation struct {
	count, nanoseconds, failed, timeouts, memory atomic.Int64
}

var (
	evaluationTime   = prometheus.NewDesc("assay_policy_evaluation_seconds", "Time that evaluating a policy took.", []string{"policy"}, nil)
	evaluationErrors = prometheus.NewDesc("assay_policy_evaluation_errors_total", "Evaluations that failed, by why: timeout, memory or error.", []string{"policy", "reason"}, nil)
)

func (e *evaluations) observe(p *v2.Policy, took time.Duration, err error) {
	known, ok := e.byID.Load(p.Spec.ID)
	if !ok {
		known, _ = e.byID.LoadOrStore(p.Spec.ID, &evaluation{})
	}
	of, ok := known.(*evaluation)
	if !ok {
		return
	}
	of.count.Add(1)
	of.nanoseconds.Add(int64(took))
	switch {
	case err == nil:
	case errors.Is(err, engine.ErrTimeout):
		of.timeouts.Add(1)
	case errors.Is(err, engine.ErrMemory):
		of.memory.Add(1)
	default:
		of.failed.Add(1)
	}
}

// forget drops the policies that are not there any more and returns their ids.
func (e *evaluations) forget(there map[string]bool) (gone []string) {
	e.byID.Range(func(key, _ any) bool {
		if id, ok := key.(string); ok && !there[id] {
			e.byID.Delete(key)
			gone = append(gone, id)
		}
		return true
	})
	return gone
}

// Describe implements prometheus.Collector.
func (e *evaluations) Describe(ch chan<- *prometheus.Desc) {
	ch <- evaluationTime
	ch <- evaluationErrors
}

// Collect implements prometheus.Collector.
func (e *evaluations) Collect(ch chan<- prometheus.Metric) {
	e.byID.Range(func(key, value any) bool {
		id, isString := key.(string)
		of, ok := value.(*evaluation)
		if !ok || !isString {
			return true
		}
		ch <- prometheus.MustNewConstSummary(evaluationTime, uint64(max(0, of.count.Load())), time.Duration(of.nanoseconds.Load()).Seconds(), nil, id)
		for reason, count := range map[string]int64{"timeout": of.timeouts.Load(), "memory": of.memory.Load(), "error": of.failed.Load()} {
			if count > 0 {
				ch <- prometheus.MustNewConstMetric(evaluationErrors, prometheus.CounterValue, float64(count), id, reason)
			}
		}
		return true
	})
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	ossignal "os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/assay-gitops/assay/internal/agentconfig"
	"github.com/assay-gitops/assay/internal/gate/admission"
	"github.com/assay-gitops/assay/internal/gate/terraform"
	"github.com/assay-gitops/assay/internal/journal"
	"github.com/assay-gitops/assay/internal/kube/fluxrevision"
	"github.com/assay-gitops/assay/internal/kube/objects"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/policy"
)

const (
	// appendTimeout is how long an answer waits for its results to be in the journal.
	appendTimeout = 250 * time.Millisecond
	// reopenPause is how long a journal that cannot be opened is left alone.
	reopenPause = 10 * time.Second
	// complainEvery is how often it is logged that results cannot be written down.
	complainEvery = time.Minute
	// deadLetters is the folder, in that of the journal, for what sinks refused.
	deadLetters = "refused"
)

// results takes what the gates find to the sinks, through the journal. A replica has its own journal and delivers what it found.
type results struct {
	config  *agentconfig.Config
	sinks   []gateSink
	metrics *instruments
	logger  *slog.Logger

	// revisions that Flux applications are at.
	revisions *fluxrevision.Book

	// journal is nil until it is open; failure says why it is not, and tried that opening it was tried or is not wanted.
	journal atomic.Pointer[journal.Journal]
	failure atomic.Pointer[error]
	tried   atomic.Bool
	// unwritten counts results that did not get into the journal.
	unwritten atomic.Uint64

	mu      sync.Mutex
	runners []*sink.Runner
	// complained is when it was last logged that results were not written down.
	complained time.Time
}

// wanted tells whether any sink wants results of the gate.
func (r *results) wanted(gate sink.Gate) bool {
	return slices.ContainsFunc(r.sinks, func(s gateSink) bool { return s.gate == gate })
}

// run opens the journal and delivers until the context ends. It never fails: a journal that cannot be opened is tried again,
// since a gate must answer whether or not its results can be kept.
func (r *results) run(ctx context.Context) {
	if len(r.sinks) == 0 {
		r.tried.Store(true)
		return
	}
	c := r.config.Journal
	for {
		opened, err := r.open(c)
		if err == nil {
			r.failure.Store(nil)
			r.tried.Store(true)
			r.deliver(ctx, opened)
			return
		}
		if before := r.failure.Swap(&err); before == nil || (*before).Error() != err.Error() {
			r.logger.Error("the journal cannot be opened: results of the gates are lost until it can", "dir", c.Dir, "error", err, "retry", reopenPause)
		}
		r.tried.Store(true)
		if !pause(ctx, reopenPause) {
			return
		}
	}
}

func (r *results) open(c agentconfig.Journal) (*journal.Journal, error) {
	opened, recovery, err := journal.Open(c.Dir, journal.Options{MaxBytes: c.MaxSize, MaxAge: c.MaxAge, Sync: journal.Sync(c.Sync), Logger: r.logger.With("part", "journal")})
	if err != nil {
		return nil, err
	}
	runners, err := r.prepare(opened)
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	r.mu.Lock()
	r.runners = runners
	r.mu.Unlock()
	r.journal.Store(opened)
	r.logger.Info("the journal is open", "dir", c.Dir, "records", recovery.Records, "sinks", len(runners))
	return opened, nil
}

func (r *results) prepare(opened *journal.Journal) ([]*sink.Runner, error) {
	folder := filepath.Join(r.config.Journal.Dir, deadLetters)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for results that sinks refuse: %w", err)
	}
	var runners []*sink.Runner
	for _, s := range r.sinks {
		filter := s.filter
		filter.Gates = []sink.Gate{s.gate}
		runner, err := sink.NewRunner(sink.Options{
			Name: s.name(), Sink: s.sink, Journal: opened, Filter: filter, DeadLetters: filepath.Join(folder, s.name()+".jsonl"),
			MaxItems: s.batch, Drain: r.config.Shutdown.Timeout, Metrics: r.metrics, Logger: r.logger,
		})
		if err != nil {
			return nil, err
		}
		runners = append(runners, runner)
	}
	return runners, nil
}

// deliver runs the sinks and then closes the journal.
func (r *results) deliver(ctx context.Context, opened *journal.Journal) {
	var group errgroup.Group
	group.Go(func() error { r.revisions.Run(ctx); return nil })
	for _, runner := range r.runners {
		group.Go(func() error {
			// It fails when the journal does, whose own log says why; it is tried again, as the disk may come back.
			for ctx.Err() == nil {
				if err := runner.Run(ctx); err != nil {
					r.logger.Error("a sink stopped", "error", err, "retry", reopenPause)
				}
				pause(ctx, reopenPause)
			}
			return nil
		})
	}
	_ = group.Wait()
	for _, s := range r.sinks {
		if closer, ok := s.sink.(io.Closer); ok {
			if err := closer.Close(); err != nil {
				r.logger.Error("closing a sink", "sink", s.name(), "error", err)
			}
		}
	}
	if err := opened.Close(); err != nil {
		r.logger.Error("closing the journal", "error", err)
	}
}

// append writes results down. It waits no longer than a moment, and what cannot be kept is counted and told: nobody is kept
// waiting for the disk.
func (r *results) append(ctx context.Context, found []sink.Result) {
	if len(found) == 0 {
		return
	}
	opened := r.journal.Load()
	if opened == nil {
		r.lost(len(found), errors.New("the journal is not open"))
		return
	}
	records := make([]journal.Record, 0, len(found))
	for i := range found {
		record, err := found[i].Record()
		if err != nil {
			r.lost(1, err)
			continue
		}
		records = append(records, record)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendTimeout)
	defer cancel()
	err := opened.Append(ctx, records...)
	if !errors.Is(err, journal.ErrTooLarge) {
		r.appended(len(records), err)
		return
	}
	// One of them is: the others are appended by themselves.
	for _, record := range records {
		r.appended(1, opened.Append(ctx, record))
	}
}

// appended notes what came of appending.
func (r *results) appended(n int, err error) {
	switch {
	case err == nil, errors.Is(err, journal.ErrBuffered): // what is buffered, the journal tells of, and writes it later
	case errors.Is(err, journal.ErrPending):
		r.metrics.late.Add(float64(n))
	default:
		r.lost(n, err)
	}
}

// lost counts results that were not written down, and tells it now and then.
func (r *results) lost(n int, err error) {
	r.metrics.unwritten.Add(float64(n))
	r.unwritten.Add(uint64(n)) //nolint:gosec // a count
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.complained) < complainEvery {
		return
	}
	r.complained = time.Now()
	r.logger.Error("results could not be written to the journal and are lost to the sinks", "results", n, "error", err)
}

// statuses of the sinks, for probes and metrics; empty while the journal is not open.
func (r *results) statuses() []sink.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]sink.Status, 0, len(r.runners))
	for _, runner := range r.runners {
		all = append(all, runner.Status())
	}
	return all
}

// reopen makes sinks that write files open them by their names again.
func (r *results) reopen() {
	for _, s := range r.sinks {
		if f, ok := s.sink.(interface{ Reopen() }); ok {
			f.Reopen()
		}
	}
}

// meta is what the results of a gate have in common.
func (r *results) meta(gate sink.Gate, source, trigger string) sink.Meta {
	return sink.Meta{
		Gate: gate,
		Meta: weave.Meta{AccountID: r.config.AccountID, ClusterID: r.config.ClusterID, Source: source, Trigger: trigger, CreatedAt: time.Now().UTC()},
	}
}

// admitted writes down what the admission gate found. Dry runs leave no trace, but for those with which Flux is denied.
func (r *results) admitted(ctx context.Context, d admission.Decision, workspace func(context.Context, string) string) {
	if d.Webhook != admission.ValidatingWebhook || !r.wanted(sink.Admission) || d.DryRun && !deniesFlux(d) {
		return
	}
	meta := r.meta(sink.Admission, weave.SourceAdmission, string(d.Operation))
	meta.Operation, meta.User = d.Operation, d.User
	if d.Namespace != "" {
		meta.Workspace = workspace(ctx, d.Namespace)
	}
	r.append(ctx, r.of(d.Results, meta))
}

// deniesFlux tells whether the decision ends an application's reconciliation. Flux asks for a dry run of each object first, with a
// ServiceAccount, and goes no further when it is denied: that is the only request there is. People who ask what would happen,
// as flux diff does, are no ServiceAccounts.
func deniesFlux(d admission.Decision) bool {
	if d.Allowed || d.Err != nil || !strings.HasPrefix(d.User, "system:serviceaccount:") {
		return false
	}
	return slices.ContainsFunc(d.Results, func(f policy.Result) bool {
		_, found := f.Object.App()
		return found
	})
}

// planned writes down what the gate for Terraform plans found.
func (r *results) planned(ctx context.Context, d terraform.Decision) {
	if r.wanted(sink.Terraform) {
		r.append(ctx, r.of(d.Results, r.meta(sink.Terraform, weave.SourceTFAdmission, weave.TriggerTerraform)))
	}
}

// of makes the results of a request. What Flux applies at the moment is what it attempts.
func (r *results) of(found []policy.Result, meta sink.Meta) []sink.Result {
	all := make([]sink.Result, 0, len(found))
	for _, f := range found {
		meta.Revision = ""
		if app, ok := f.Object.App(); ok {
			meta.Revision = r.revisions.Of(app).Attempted
		}
		all = append(all, sink.New(f, meta))
	}
	return all
}

func (a *agent) sinkBuilder(c *agentconfig.Config) sinkBuilder {
	return sinkBuilder{kubernetes: a.cluster.GetConfig(), instance: a.identity, version: a.options.Version, folder: c.ResultsDir, logger: a.logger}
}

func (a *agent) newResults(c *agentconfig.Config) (*results, error) {
	sinks, err := newSinks(c, a.sinkBuilder(c))
	if err != nil {
		return nil, err
	}
	reader, err := dynamic.NewForConfig(a.cluster.GetConfig())
	if err != nil {
		return nil, fmt.Errorf("setting up a client for Flux's objects: %w", err)
	}
	revisions := fluxrevision.New(fluxrevision.Options{Reader: &objects.Reader{Client: reader}, Logger: a.logger})
	return &results{config: c, sinks: sinks, revisions: revisions, metrics: a.metrics, logger: a.logger}, nil
}

// planned is told of each decision on a Terraform plan.
func (a *agent) planned(ctx context.Context, d terraform.Decision) {
	a.metrics.planned(ctx, d)
	a.results.planned(ctx, d)
}

// workspace is the tenant that a namespace belongs to; empty when it belongs to none, or that cannot be told.
func (a *agent) workspace(ctx context.Context, namespace string) string {
	found, err := a.namespaces.get(ctx, namespace)
	if err != nil || found == nil {
		return ""
	}
	tenant, _, _ := unstructured.NestedString(found, "metadata", "labels", policy.TenantLabel)
	return tenant
}

// reopenOnHangup is for those who move files with results away by themselves, and then send SIGHUP.
func (a *agent) reopenOnHangup(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	ossignal.Notify(hangups, syscall.SIGHUP)
	defer ossignal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			a.logger.Info("SIGHUP: files with results are opened by their names again")
			a.results.reopen()
		}
	}
}

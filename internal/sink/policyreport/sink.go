package policyreport

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/dynamic"

	"github.com/assay-gitops/assay/internal/sink"
)

// API is whose reports are written.
type API string

// The APIs.
const (
	// OpenReports is openreports.io/v1alpha1: Report and ClusterReport.
	OpenReports API = "openreports"
	// WGPolicy is wgpolicyk8s.io/v1alpha2, which OpenReports took the place of: PolicyReport and ClusterPolicyReport.
	WGPolicy API = "wgpolicy"
)

// Scope is what one report is about.
type Scope string

// The scopes.
const (
	// Object: a report for each object, which owns it.
	Object Scope = "object"
	// Namespace: a report for each namespace, and one for what is in none.
	Namespace Scope = "namespace"
)

// Options of the sink. Client is required.
type Options struct {
	// Client may get, list, create, update and delete the reports and cluster reports of the API. Its rate limit is the sink's:
	// a report takes a request, two when it changes.
	Client dynamic.Interface
	// API is OpenReports when empty.
	API API
	// Scope is Object when empty.
	Scope Scope
	// MaxResults and MaxBytes (of JSON) bound the results of a report, 1000 and 1 MiB when zero. etcd takes 1.5 MiB. Which are
	// left out is remembered, how many is told in the report; the worst results stay.
	MaxResults, MaxBytes int
}

// writers is how many reports are written at the same time.
const writers = 4

// Sink writes policy reports.
type Sink struct {
	o     Options
	store store
	// swept says that reports of the other scope were looked for. Send is called from one goroutine.
	swept bool
}

// New checks the options. It does not ask the API server.
func New(o Options) (*Sink, error) {
	if o.Client == nil {
		return nil, errors.New("policy reports need a client of the API server")
	}
	if o.API == "" {
		o.API = OpenReports
	}
	if o.Scope == "" {
		o.Scope = Object
	}
	if o.API != OpenReports && o.API != WGPolicy {
		return nil, fmt.Errorf("the API %q of policy reports does not exist: use %s or %s", o.API, OpenReports, WGPolicy)
	}
	if o.Scope != Object && o.Scope != Namespace {
		return nil, fmt.Errorf("the scope %q of policy reports does not exist: use %s or %s", o.Scope, Object, Namespace)
	}
	if o.MaxResults == 0 {
		o.MaxResults = 1000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 20
	}
	return &Sink{o: o, store: newStore(o)}, nil
}

// Send brings the reports that the items are about up to date. It has no use for items of other gates than audit.
func (s *Sink) Send(ctx context.Context, items []sink.Item) []sink.Outcome {
	outcomes := make([]sink.Outcome, len(items))
	var targets []target
	about := map[target][]int{}
	for i, item := range items {
		if item.Result.Gate != sink.Audit {
			outcomes[i] = sink.Outcome{State: sink.Useless}
			continue
		}
		t, err := s.target(item.Result)
		if err != nil {
			outcomes[i] = sink.Outcome{State: sink.Refused, Err: err}
			continue
		}
		if about[t] == nil {
			targets = append(targets, t)
		}
		about[t] = append(about[t], i)
	}
	if len(targets) == 0 {
		return outcomes
	}
	if !s.swept {
		if err := s.store.sweep(ctx); err != nil {
			for _, indexes := range about {
				set(outcomes, indexes, outcomeOf(err))
			}
			return outcomes
		}
		s.swept = true
	}
	var group errgroup.Group
	group.SetLimit(writers)
	for _, t := range targets {
		group.Go(func() error {
			if ctx.Err() != nil {
				set(outcomes, about[t], sink.Outcome{State: sink.Untried, Err: fmt.Errorf("writing policy reports: %w", context.Cause(ctx))})
				return nil
			}
			results := make([]*sink.Result, 0, len(about[t]))
			for _, i := range about[t] {
				results = append(results, items[i].Result)
			}
			if err := s.update(ctx, t, results); err != nil {
				set(outcomes, about[t], outcomeOf(err)) // no other goroutine has these indexes
			}
			return nil
		})
	}
	_ = group.Wait() // they never fail
	return outcomes
}

func set(outcomes []sink.Outcome, indexes []int, o sink.Outcome) {
	for _, i := range indexes {
		outcomes[i] = o
	}
}

// target is a report: a cluster report without a namespace.
type target struct{ namespace, name string }

// Names of reports begin with prefix, which keeps them apart from those of others, such as Kyverno's, whose names are UIDs.
const (
	prefix             = "assay-"
	nameOfNamespaces   = "assay"
	maxObjectUIDLength = 63
)

func (s *Sink) target(r *sink.Result) (target, error) {
	e := &r.Validation.Entity
	if s.o.Scope == Namespace {
		return target{e.Namespace, nameOfNamespaces}, nil
	}
	// It is also what the report's ownerReference needs.
	if problems := validation.IsDNS1123Label(e.ID); e.ID == "" || len(e.ID) > maxObjectUIDLength || len(problems) > 0 {
		return target{}, fmt.Errorf("%s %s/%s has the UID %q, and so cannot have a report of its own", e.Kind, e.Namespace, e.Name, e.ID)
	}
	return target{e.Namespace, prefix + e.ID}, nil
}

// maxConflicts is how often a report is read again because somebody else wrote it. After that the runner pauses.
const maxConflicts = 5

// update brings one report up to date.
func (s *Sink) update(ctx context.Context, t target, results []*sink.Result) error {
	var err error
	for range maxConflicts {
		if err = s.try(ctx, t, results); !errors.Is(err, errChanged) {
			return err
		}
	}
	return err
}

func (s *Sink) try(ctx context.Context, t target, results []*sink.Result) error {
	report, err := s.store.get(ctx, t)
	if err != nil {
		return err
	}
	before := report.DeepCopy()
	c := contentsOf(report, s.o.Scope)
	for _, r := range results {
		c.apply(r)
	}
	if err := c.write(report, s.o.MaxResults, s.o.MaxBytes); err != nil {
		return err
	}
	if len(report.Results) == 0 {
		return s.store.delete(ctx, report)
	}
	s.store.describe(report, &results[len(results)-1].Validation.Entity)
	if equal(before, report) {
		return nil
	}
	return s.store.put(ctx, report)
}

// outcomeOf says whether a failure may pass.
func outcomeOf(err error) sink.Outcome {
	o := sink.Outcome{State: sink.Retry, Err: err, After: retryAfter(err)}
	if refused(err) {
		o.State = sink.Refused
	}
	return o
}

var errChanged = errors.New("somebody else changes the report all the time")

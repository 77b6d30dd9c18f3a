package survey

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/internal/gate/check"
	"github.com/assay-gitops/assay/internal/kube"
	"github.com/assay-gitops/assay/internal/kube/objects"
	"github.com/assay-gitops/assay/internal/report"
	"github.com/assay-gitops/assay/policy"
)

// Options of Run. Client, Metadata, Discovery and Catalog are required.
type Options struct {
	// Client speaks JSON.
	Client    dynamic.Interface
	Metadata  metadata.Interface
	Discovery discovery.DiscoveryInterface
	// Catalog of the policies to judge by.
	Catalog *catalog.Catalog
	// Only leaves all other policies out.
	Only catalog.Filter
	// Workloads are kinds with a pod template besides those that are known.
	Workloads []policy.Workload
	// Mode in which objects are judged; audit when empty.
	Mode v2.Mode
	// FailOn is the least severity that fails the run; none does when empty.
	FailOn v2.Severity
	// Timeout of one evaluation; engine.DefaultTimeout when zero.
	Timeout time.Duration
	// Jobs is how many objects are judged at the same time; as many as there are processors when zero.
	Jobs int
	// Namespaces whose objects are judged, and nothing else; all namespaces, and what is in none, when empty.
	Namespaces []string
	// Exempt are the namespaces whose objects are not judged: see kube.ExemptNamespaces.
	Exempt []string
	// IgnoreForbidden makes it a warning that objects may not be read.
	IgnoreForbidden bool
	// MaxFindings bounds the report; 100,000 when zero.
	MaxFindings int
	// Version of Assay, for the report.
	Version string
	// Now tells the time; time.Now when nil.
	Now func() time.Time
	// Past gives objects that were sent to admission, which a comparison judges after those that are there; may be nil. Its errors are problems.
	Past func(ctx context.Context, each func(*PastObject) error) error
	// Progress is called now and then, from one goroutine at a time; may be nil.
	Progress func(Progress)
}

// Progress tells how far a run got.
type Progress struct {
	// Resource that is read, the Number-th of all that policies target.
	Resource   string
	Number, Of int
	Objects    int
	// Findings are differences where policies are compared.
	Findings int
}

const defaultMaxFindings = 100_000

// Run reads the cluster and judges what it reads as it comes; of objects only the names of those with findings are kept. The
// error is for what makes the whole run pointless; everything else that went wrong is among the problems of the report. When
// the context ends early, the report holds what was found until then and a problem that says so.
func Run(ctx context.Context, o Options) (*report.Report, error) {
	r := newRun(o)
	if err := r.run(ctx); err != nil && ctx.Err() == nil {
		return nil, err
	}
	return r.finish(ctx), nil
}

// run is the state of one call of Run.
type run struct {
	Options
	reader     *objects.Reader
	judge      check.Judge
	namespaces map[string]map[string]any
	owners     owners
	// resources are what the policies target, done how many of them were read.
	resources []objects.Resource
	done      int
	forbidden []string
	// other judges by other policies, to be compared with; nil in a survey.
	other *comparison

	mu       sync.Mutex
	report   report.Report
	failures check.Failures
	// dropped findings did not fit.
	dropped int
	// past is how many objects were judged that were sent to admission.
	past int
}

func newRun(o Options) *run {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Jobs <= 0 {
		o.Jobs = runtime.GOMAXPROCS(0)
	}
	if o.Mode == "" {
		o.Mode = v2.ModeAudit
	}
	if o.MaxFindings <= 0 {
		o.MaxFindings = defaultMaxFindings
	}
	return &run{
		Options: o, reader: &objects.Reader{Client: o.Client}, owners: owners{client: o.Metadata, everywhere: len(o.Namespaces) == 0},
		report: report.Report{Version: o.Version, Started: o.Now(), FailOn: o.FailOn, Problems: slices.Clone(o.Catalog.Problems)},
	}
}

func (r *run) run(ctx context.Context) error {
	known := r.Catalog.Sources.Policies
	if r.other != nil {
		known = slices.Concat(known, r.other.catalog.Sources.Policies)
	}
	if err := r.Only.Check(known); err != nil {
		return err
	}
	acting, err := r.compile(ctx)
	if err != nil {
		return err
	}
	if r.other != nil {
		r.report.Problems = nil // of the policies that are: they are not what is asked about
		more, err := r.other.compile(ctx, r)
		if err != nil {
			return err
		}
		acting = append(acting[:len(acting):len(acting)], more...)
		r.report.Policies = acting
	}
	catalogue, err := objects.Discover(ctx, r.Discovery)
	if err != nil {
		return err
	}
	r.owners.catalogue, r.owners.workloads = catalogue, r.judge.Snapshot.Workloads()
	for gv, err := range catalogue.Failed {
		r.problem(policy.Problem{Kind: policy.LoadProblem, Message: fmt.Sprintf("the API %s could not be discovered, its objects are not judged: %v", gv, err)})
	}
	for _, resource := range catalogue.Targeted(acting, r.judge.Snapshot.Workloads()) {
		if resource.Namespaced || len(r.Namespaces) == 0 {
			r.resources = append(r.resources, resource)
		}
	}
	if err := r.readNamespaces(ctx); err != nil {
		return err
	}
	return r.read(ctx)
}

// compile makes the snapshot and returns the policies that act.
func (r *run) compile(ctx context.Context) ([]*v2.Policy, error) {
	r.Catalog.Sources.Workloads = r.Catalog.Sources.Workloads.With(r.Workloads)
	snapshot, problems, err := engine.Compile(ctx, r.Catalog.Select(r.Only.Match), engine.Options{Timeout: r.Timeout, Now: r.Now})
	if err != nil {
		return nil, err
	}
	for _, p := range problems {
		r.problem(r.Catalog.Locate(p))
	}
	r.judge = check.Judge{Snapshot: snapshot, FailOn: r.FailOn}
	for _, p := range snapshot.Policies() {
		if slices.Contains(snapshot.Modes(p.Spec.ID), r.Mode) {
			r.report.Policies = append(r.report.Policies, p)
		}
	}
	return r.report.Policies, nil
}

func (r *run) problem(p policy.Problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Problems = append(r.report.Problems, p)
}

// PastObject is an object that was sent to admission.
type PastObject struct {
	Object    *policy.Object
	Operation policy.Operation
	At        time.Time
}

// item is an object to be judged.
type item struct {
	resource objects.Resource
	object   *unstructured.Unstructured
	// past is set instead, of what was sent to admission.
	past *PastObject
}

// read reads resource after resource while others judge.
func (r *run) read(ctx context.Context) error {
	items := make(chan item, 2*r.Jobs)
	var workers sync.WaitGroup
	for range r.Jobs {
		workers.Go(func() {
			for i := range items {
				if ctx.Err() == nil {
					r.judgeItem(ctx, i)
				}
			}
		})
	}
	defer workers.Wait()
	defer close(items)
	judge := func(i item) error {
		select {
		case items <- i:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, resource := range r.resources {
		for _, namespace := range r.scopes() {
			err := r.reader.List(ctx, resource, namespace, func(o *unstructured.Unstructured) error { return judge(item{resource: resource, object: o}) })
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				r.unread(resource, namespace, err)
			}
		}
		r.mu.Lock()
		r.done++
		r.mu.Unlock()
	}
	if r.Past == nil || r.other == nil {
		return nil
	}
	if err := r.Past(ctx, func(p *PastObject) error { return judge(item{past: p}) }); err != nil && ctx.Err() == nil {
		r.problem(policy.Problem{Kind: policy.LoadProblem, Message: fmt.Sprintf("not all of what was sent to admission was judged: %v", err)})
	}
	return ctx.Err()
}

// scopes are the namespaces to list one after the other; "" is all.
func (r *run) scopes() []string {
	if len(r.Namespaces) == 0 {
		return []string{""}
	}
	return r.Namespaces
}

// unread notes a resource that cannot be read.
func (r *run) unread(resource objects.Resource, namespace string, err error) {
	where := resource.String()
	if namespace != "" {
		where += " in " + namespace
	}
	switch {
	case apierrors.IsNotFound(err): // the kind went since it was discovered
	case apierrors.IsForbidden(err):
		r.forbidden = append(r.forbidden, where)
	default:
		r.problem(policy.Problem{Kind: policy.LoadProblem, Message: fmt.Sprintf("not all %s were judged: %v", where, err)})
	}
}

// request to judge an item; nil when it is not judged.
func (r *run) request(ctx context.Context, i item) *policy.Request {
	if p := i.past; p != nil {
		namespace := p.Object.Namespace()
		if kube.Exempt(r.Exempt, schema.GroupResource{}, "", namespace, p.Object.Name()) || len(r.Namespaces) > 0 && !slices.Contains(r.Namespaces, namespace) {
			return nil
		}
		return &policy.Request{
			Object: p.Object, Mode: r.Mode, Operation: p.Operation, Namespace: r.namespaces[namespace], Controller: r.owners.controller(ctx, p.Object),
		}
	}
	if kube.Exempt(r.Exempt, i.resource.GroupResource(), "", i.object.GetNamespace(), i.object.GetName()) {
		return nil
	}
	object := &policy.Object{Content: i.object.Object, Origin: originOf(i.resource.GroupResource(), i.object)}
	return &policy.Request{
		Object: object, Mode: r.Mode, Namespace: r.namespaces[i.object.GetNamespace()], Controller: r.owners.controller(ctx, object),
	}
}

// judgeItem judges an object and keeps what was found.
func (r *run) judgeItem(ctx context.Context, i item) {
	request := r.request(ctx, i)
	if request == nil {
		return
	}
	outcome := r.judge.Judge(ctx, request)
	if !outcome.Done {
		return
	}
	if r.other != nil {
		then := r.other.judge.Judge(ctx, request)
		if !then.Done {
			return
		}
		r.other.compare(i.past, request.Object, outcome, then)
		outcome.Evaluations += then.Evaluations
		outcome.Failures = append(outcome.Failures, then.Failures...)
		outcome.Findings = nil // the differences are what is kept
	}
	forget(outcome.Findings, request.Object)
	r.mu.Lock()
	defer r.mu.Unlock()
	if i.past != nil {
		r.past++
	} else {
		r.report.Objects++
	}
	r.report.Evaluations += outcome.Evaluations
	r.failures.Add(outcome.Failures...)
	room := r.MaxFindings - len(r.report.Findings)
	kept := outcome.Findings[:min(room, len(outcome.Findings))]
	r.report.Findings = append(r.report.Findings, kept...)
	r.dropped += len(outcome.Findings) - len(kept)
	if r.Progress != nil && i.past == nil {
		found := len(r.report.Findings)
		if r.other != nil {
			found = r.other.found()
		}
		r.Progress(Progress{i.resource.String(), r.done + 1, len(r.resources), r.report.Objects, found})
	}
}

// forget makes findings, all of one object, keep nothing of it but its names.
func forget(findings []report.Finding, o *policy.Object) {
	slimmed := slim(o)
	var result, copied *policy.Result
	for i := range findings {
		if findings[i].Result != result {
			result = findings[i].Result
			copied = new(*result)
			copied.Object = slimmed
		}
		findings[i].Result = copied
	}
}

// slim is what reports need of an object: its names.
func slim(o *policy.Object) *policy.Object {
	metadata := map[string]any{"name": strings.Clone(o.Name())}
	if namespace := o.Namespace(); namespace != "" {
		metadata["namespace"] = namespace
	}
	return &policy.Object{
		Content: map[string]any{"apiVersion": o.APIVersion(), "kind": o.Kind(), "metadata": metadata},
		Origin:  o.Origin,
	}
}

// finish sorts and completes the report.
func (r *run) finish(ctx context.Context) *report.Report {
	r.report.Problems = append(r.report.Problems, r.failures.Problems()...)
	if len(r.forbidden) > 0 {
		r.report.Problems = append(r.report.Problems, policy.Problem{
			Kind: policy.LoadProblem, Warning: r.IgnoreForbidden,
			Message: fmt.Sprintf("may not list, and so did not judge: %s", strings.Join(r.forbidden, ", ")),
			Hint:    "ask for the right to list them, or pass --ignore-forbidden if the rest is enough",
		})
	}
	if r.dropped > 0 {
		r.report.Problems = append(r.report.Problems, policy.Problem{
			Kind:    policy.EvaluationProblem,
			Message: fmt.Sprintf("%d more findings are left out: a report holds %d", r.dropped, r.MaxFindings),
			Hint:    "ask for some namespaces (--namespace) or policies (--policy, --severity) at a time",
		})
	}
	if ctx.Err() == nil && r.report.Objects == 0 && !r.report.Incomplete() {
		r.report.Problems = append(r.report.Problems, r.nothing())
	}
	check.Settle(&r.report)
	if ctx.Err() != nil {
		r.report.Problems = append(r.report.Problems, check.Interruption(ctx,
			fmt.Sprintf("%d objects were judged, of %d kinds out of %d", r.report.Objects, r.done, len(r.resources))))
	}
	r.report.Duration = r.Now().Sub(r.report.Started)
	return &r.report
}

func (r *run) nothing() policy.Problem {
	p := policy.Problem{Kind: policy.LoadProblem, Warning: true, Message: "nothing was judged: there is no object that a policy targets"}
	switch {
	case len(r.report.Policies) == 0:
		p.Message = fmt.Sprintf("nothing was judged: no policy acts in mode %s", r.Mode)
		p.Hint = "PolicySets say which policies act in a mode; --mode asks for another one"
	case len(r.Namespaces) > 0:
		p.Message += " in " + strings.Join(r.Namespaces, ", ")
		p.Hint = "do these namespaces exist?"
	}
	return p
}

// readNamespaces reads the Namespace objects, which policies may ask for.
func (r *run) readNamespaces(ctx context.Context) error {
	r.namespaces = map[string]map[string]any{}
	keep := func(o *unstructured.Unstructured) error {
		o.SetManagedFields(nil)
		r.namespaces[o.GetName()] = o.Object
		return nil
	}
	var err error
	if len(r.Namespaces) == 0 {
		err = r.reader.List(ctx, namespaces, "", keep)
	}
	for _, name := range r.Namespaces {
		one, failed := r.Client.Resource(namespaces.GroupVersionResource).Get(ctx, name, getOptions)
		if failed == nil {
			failed = keep(one)
		}
		if err == nil && !apierrors.IsNotFound(failed) {
			err = failed
		}
	}
	if apierrors.IsForbidden(err) {
		r.problem(policy.Problem{
			Kind: policy.LoadProblem, Warning: r.IgnoreForbidden,
			Message: "may not read namespaces: to policies that ask for their labels they have none",
			Hint:    "ask for the right to read namespaces, or pass --ignore-forbidden",
		})
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading namespaces: %w", err)
	}
	return nil
}

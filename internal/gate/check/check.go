package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/internal/render"
	"github.com/assay-gitops/assay/internal/report"
	"github.com/assay-gitops/assay/policy"
)

// Options of Run.
type Options struct {
	// Paths are what is checked: files, folders, or "-" for standard input.
	Paths []string
	// Policies are files and folders with policies; those in Library act when there are none. Policies that are found
	// in Paths act in either case.
	Policies []string
	// Library holds the policies that ship.
	Library fs.FS
	// Render says how Paths are rendered; PolicyHelm how charts in Policies are.
	Render     render.Options
	PolicyHelm render.HelmOptions
	// Mode in which the objects are judged; admission when empty.
	Mode v2.Mode
	// FailOn is the least severity that fails the run; none does when empty.
	FailOn v2.Severity
	// Only leaves all other policies out.
	Only catalog.Filter
	// Workloads are kinds with a pod template besides those that are known.
	Workloads []policy.Workload
	// Timeout of one evaluation; engine.DefaultTimeout when zero.
	Timeout time.Duration
	// Jobs is how many objects are judged at the same time; as many as there are processors when zero.
	Jobs int
	// Version of Assay, for the report.
	Version string
	// Now tells the time; time.Now when nil.
	Now func() time.Time
	// Progress is called now and then, from one goroutine at a time; may be nil.
	Progress func(Progress)
}

// Phase is what a run is busy with.
type Phase string

// The phases, in their order.
const (
	Reading   Phase = "reading"
	Compiling Phase = "compiling policies"
	Judging   Phase = "judging"
)

// Progress tells how far a run got.
type Progress struct {
	Phase Phase
	// Done and Found count files, charts and kustomizations while reading, and objects while judging.
	Done, Found int
}

// Run checks the paths. The error is for what makes the whole run pointless; everything else that went wrong is among
// the problems of the report. When the context ends early, the report holds what was found until then and a problem that
// says so.
func Run(ctx context.Context, options Options) (*report.Report, error) {
	r := newRun(options)
	if err := r.run(ctx); err != nil && ctx.Err() == nil {
		return nil, err
	}
	return r.finish(ctx), nil
}

func (r *run) run(ctx context.Context) error {
	if err := r.read(ctx); err != nil || r.stopped() {
		return err
	}
	snapshot, err := r.compile(ctx)
	if err != nil || r.stopped() {
		return err
	}
	r.judge(ctx, snapshot)
	return nil
}

// run is the state of one call of Run.
type run struct {
	Options
	report     report.Report
	objects    []*policy.Object
	catalog    *catalog.Catalog
	namespaces *namespaces
}

func newRun(options Options) *run {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Jobs <= 0 {
		options.Jobs = runtime.GOMAXPROCS(0)
	}
	if options.Mode == "" {
		options.Mode = v2.ModeAdmission
	}
	return &run{Options: options, report: report.Report{
		Version: options.Version,
		Root:    options.Render.Root,
		Started: options.Now(),
		FailOn:  options.FailOn,
	}}
}

// read renders the paths and the policies, and sorts out what is judged and what judges.
func (r *run) read(ctx context.Context) error {
	tree, err := render.Render(ctx, r.Paths, r.renderOptions(r.Render.Helm))
	if err != nil {
		return err
	}
	r.report.Files = tree.Files
	r.report.Problems = append(r.report.Problems, tree.Problems...)

	var besidePolicies []*policy.Object
	if len(r.Policies) > 0 && !r.stopped() {
		found, err := render.Render(ctx, r.Policies, r.renderOptions(r.PolicyHelm))
		if err != nil {
			return fmt.Errorf("read policies: %w", err)
		}
		r.report.Problems = append(r.report.Problems, found.Problems...)
		besidePolicies = found.Objects
	}

	library := r.Library
	if len(r.Policies) > 0 {
		library = nil
	}
	sources := append(besidePolicies[:len(besidePolicies):len(besidePolicies)], tree.Objects...)
	if r.catalog, err = catalog.Gather(library, sources); err != nil {
		return err
	}
	r.catalog.Sources.Workloads = r.catalog.Sources.Workloads.With(r.Workloads)
	r.report.Problems = append(r.report.Problems, r.catalog.Problems...)
	if len(r.Policies) > 0 && len(r.catalog.Sources.Policies) == 0 && !r.report.Incomplete() {
		return fmt.Errorf("no policy was found in %s", strings.Join(r.Policies, ", "))
	}
	r.namespaces = indexNamespaces(tree.Objects, besidePolicies)
	for _, object := range tree.Objects {
		if object.Group() != v2.Group {
			r.objects = append(r.objects, object)
		}
	}
	return nil
}

func (r *run) renderOptions(helm render.HelmOptions) render.Options {
	options := r.Render
	options.Helm = helm
	if r.Progress != nil {
		options.Progress = func(p render.Progress) { r.Progress(Progress{Reading, p.Done, p.Found}) }
	}
	return options
}

// compile makes the snapshot of the policies that can act on what was found.
func (r *run) compile(ctx context.Context) (*engine.Snapshot, error) {
	if err := r.Only.Check(r.catalog.Sources.Policies); err != nil {
		return nil, err
	}
	if r.Progress != nil {
		r.Progress(Progress{Phase: Compiling})
	}
	snapshot, problems, err := engine.Compile(ctx, r.catalog.Select(r.selected()), engine.Options{
		Timeout: r.Timeout,
		Now:     r.Now,
	})
	if err != nil {
		return nil, err
	}
	for _, problem := range problems {
		r.report.Problems = append(r.report.Problems, r.catalog.Locate(problem))
	}
	r.report.Policies = snapshot.Policies()
	return snapshot, nil
}

// selected tells which policies are compiled. Of the library, whose policies are known to compile, those that target no
// kind that was found are spared: compiling is most of the time that checking one manifest takes.
func (r *run) selected() func(*v2.Policy) bool {
	kinds := map[string]bool{}
	for _, object := range r.objects {
		kinds[object.Kind()] = true
		if like, ok := r.catalog.Sources.Workloads[object.GroupKind()]; ok {
			kinds[like.As.Kind] = true
		}
	}
	return func(p *v2.Policy) bool {
		return r.Only.Match(p) && (!r.catalog.Shipped(p) || targetsAny(p, kinds))
	}
}

func targetsAny(p *v2.Policy, kinds map[string]bool) bool {
	if len(p.Spec.Targets.Kinds) == 0 {
		return true
	}
	for _, kind := range p.Spec.Targets.Kinds {
		if kinds[kind] {
			return true
		}
	}
	return false
}

// stopped tells whether a problem was met that ends the run.
func (r *run) stopped() bool { return r.Render.StopAtFirst && r.report.Incomplete() }

// finish sorts and completes the report.
func (r *run) finish(ctx context.Context) *report.Report {
	Settle(&r.report)
	switch {
	case ctx.Err() != nil:
		r.report.Problems = append(r.report.Problems, Interruption(ctx, fmt.Sprintf("%d of %d objects were judged", r.report.Objects, len(r.objects))))
	case len(r.objects) == 0 && !r.report.Incomplete():
		r.report.Problems = append(r.report.Problems, policy.Problem{
			Kind:    policy.LoadProblem,
			Message: "nothing was judged: no Kubernetes object was found in " + strings.Join(r.Paths, ", "),
			Hint:    "is it the right folder, and does no .gitignore or .assayignore leave it out?",
			Warning: true,
		})
	}
	r.report.Duration = r.Now().Sub(r.report.Started)
	return &r.report
}

// Interruption is the problem of a run whose context ended, with what it had done by then.
func Interruption(ctx context.Context, done string) policy.Problem {
	cause := "interrupted"
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		cause = "out of time"
	}
	return policy.Problem{Kind: policy.EvaluationProblem, Message: fmt.Sprintf("%s: %s, the report is not complete", cause, done)}
}

package survey

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/internal/gate/check"
	"github.com/assay-gitops/assay/internal/report"
	"github.com/assay-gitops/assay/policy"
)

// Standing is how an object stands with a policy.
type Standing string

// The standings, the best first.
const (
	Complies Standing = "complies"
	Excepted Standing = "excepted"
	Warned   Standing = "warned"
	Refused  Standing = "refused"
)

// Change is an object that would stand otherwise with a policy.
type Change struct {
	Policy *v2.Policy
	// Object has its names only.
	Object        *policy.Object
	Before, After Standing
	// At is when the object was sent to admission; zero for what is there.
	At time.Time
	// Occurrences are what is wrong: then, or now where nothing is then.
	Occurrences []policy.Occurrence
}

// Worse tells whether the object would stand worse than it does.
func (c *Change) Worse() bool { return worse(c.Before, c.After) }

func worse(a, b Standing) bool {
	order := []Standing{Complies, Excepted, Warned, Refused}
	return slices.Index(order, a) < slices.Index(order, b)
}

// Impact is what other policies would change.
type Impact struct {
	// Changes, what would get worse first, by policy and object.
	Changes []Change
	// Objects is how many were judged that are there, Past how many that were sent to admission.
	Objects, Past int
	// Problems are why something was not compared.
	Problems []policy.Problem
	Duration time.Duration
}

// Incomplete tells whether something was not compared.
func (i *Impact) Incomplete() bool {
	return slices.ContainsFunc(i.Problems, func(p policy.Problem) bool { return !p.Warning })
}

// Compare judges each object once by the policies of the options and once by others, and tells the differences. Each object is read
// once, so that what changes meanwhile is no difference. It is otherwise as Run is.
func Compare(ctx context.Context, o Options, then *catalog.Catalog) (*Impact, error) {
	r := newRun(o)
	r.other = &comparison{options: o, catalog: then, most: r.MaxFindings}
	if err := r.run(ctx); err != nil && ctx.Err() == nil {
		return nil, err
	}
	done := r.finish(ctx)
	impact := &Impact{Objects: done.Objects, Past: r.past, Problems: append(slices.Clone(then.Problems), done.Problems...), Duration: done.Duration}
	impact.Changes = r.other.changes
	if r.other.dropped > 0 {
		impact.Problems = append(impact.Problems, policy.Problem{
			Kind: policy.EvaluationProblem, Message: fmt.Sprintf("%d more differences are left out: %d are held", r.other.dropped, r.other.most),
			Hint: "ask for some namespaces (--namespace) or policies (--policy, --severity) at a time",
		})
	}
	slices.SortFunc(impact.Changes, func(a, b Change) int {
		if a.Worse() != b.Worse() {
			if a.Worse() {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(a.Policy.Spec.ID, b.Policy.Spec.ID), strings.Compare(a.Object.Origin.Object().File, b.Object.Origin.Object().File), a.At.Compare(b.At))
	})
	return impact, nil
}

// Propose compares the policies of the cluster with what they would be after a change: see Compare and Changed. The options need no catalog.
func Propose(ctx context.Context, o Options, objects []*policy.Object, without []Ref) (*Impact, error) {
	now, err := Policies(ctx, o.Client, o.Discovery)
	if err != nil {
		return nil, fmt.Errorf("reading the policies of the cluster: %w", err)
	}
	changed, err := Changed(now, objects, without)
	if err != nil {
		return nil, err
	}
	then, err := catalog.Gather(nil, changed)
	if err != nil {
		return nil, fmt.Errorf("reading the policies as they would be: %w", err)
	}
	if o.Catalog, err = catalog.Gather(nil, now); err != nil {
		return nil, fmt.Errorf("reading the policies of the cluster: %w", err)
	}
	return Compare(ctx, o, then)
}

// Ref names a source of policies.
type Ref struct{ Kind, Name string }

// UnknownRefError is a Ref that there is nothing of.
type UnknownRefError struct{ Ref Ref }

func (e *UnknownRefError) Error() string {
	return fmt.Sprintf("the cluster has no %s of the name %s", e.Ref.Kind, e.Ref.Name)
}

// Changed are the policies of a cluster, and what goes with them, after a change: objects take the place of those of the same kind and name or
// are added, those that are named in without are gone. Objects of other groups are ignored.
func Changed(now, objects []*policy.Object, without []Ref) ([]*policy.Object, error) {
	then := slices.Clone(now)
	drop := func(kind, name string) bool {
		before := len(then)
		then = slices.DeleteFunc(then, func(o *policy.Object) bool { return strings.EqualFold(o.Kind(), kind) && o.Name() == name })
		return len(then) < before
	}
	for _, ref := range without {
		if !drop(ref.Kind, ref.Name) {
			return nil, &UnknownRefError{ref}
		}
	}
	for _, o := range objects {
		if o.Group() == v2.Group {
			drop(o.Kind(), o.Name())
			then = append(then, o)
		}
	}
	return then, nil
}

// comparison is the other side of a comparison.
type comparison struct {
	options Options
	catalog *catalog.Catalog
	judge   check.Judge
	most    int

	mu      sync.Mutex
	changes []Change
	// dropped changes did not fit.
	dropped int
}

// compile makes the snapshot and returns the policies that act in it. Problems go to the run.
func (c *comparison) compile(ctx context.Context, r *run) ([]*v2.Policy, error) {
	c.options.Catalog = c.catalog
	then := newRun(c.options)
	then.report.Problems = nil
	acting, err := then.compile(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range then.report.Problems {
		r.problem(p)
	}
	c.judge = then.judge
	return acting, nil
}

// compare keeps how the verdicts on an object differ. Where a policy failed, nothing is known of what would be.
func (c *comparison) compare(past *PastObject, object *policy.Object, now, then check.Outcome) {
	failed := map[string]bool{}
	for _, f := range slices.Concat(now.Failures, then.Failures) {
		failed[f.PolicyID()] = true
	}
	before, after := standings(now.Findings), standings(then.Findings)
	var changes []Change
	for _, id := range keys(before, after) {
		b, a := before[id], after[id]
		change := Change{Before: b.standing(), After: a.standing()}
		if change.Before == change.After || failed[id] {
			continue
		}
		shown := a
		if shown == nil {
			shown = b
		}
		if past != nil {
			change.At = past.At
		}
		change.Policy, change.Object, change.Occurrences = shown.result.Policy, slim(object), shown.occurrences
		changes = append(changes, change)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := changes[:min(c.most-len(c.changes), len(changes))]
	c.changes = append(c.changes, kept...)
	c.dropped += len(changes) - len(kept)
}

func (c *comparison) found() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.changes)
}

// stood is what was found of one policy in one object.
type stood struct {
	result      *policy.Result
	occurrences []policy.Occurrence
}

func (s *stood) standing() Standing {
	switch {
	case s == nil:
		return Complies
	case s.result.Status == policy.Excepted:
		return Excepted
	case s.result.Enforced:
		return Refused
	}
	return Warned
}

// standings are those of one object, by the ids of policies.
func standings(findings []report.Finding) map[string]*stood {
	all := map[string]*stood{}
	for i := range findings {
		id := findings[i].Result.Policy.Spec.ID
		s := all[id]
		if s == nil {
			s = &stood{result: findings[i].Result}
			all[id] = s
		}
		s.occurrences = append(s.occurrences, findings[i].Occurrence)
	}
	return all
}

// keys are those of both, each once, sorted.
func keys(a, b map[string]*stood) []string {
	all := make([]string, 0, len(a)+len(b))
	for id := range a {
		all = append(all, id)
	}
	for id := range b {
		all = append(all, id)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

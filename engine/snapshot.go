package engine

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine/cel"
	"github.com/assay-gitops/assay/engine/rego"
	"github.com/assay-gitops/assay/policy"
)

// Snapshot is everything that verdicts depend on, compiled. It is immutable and safe for concurrent use.
type Snapshot struct {
	options Options
	// policies are those that compiled, sorted by id.
	policies []*compiled
	// broken are those that did not, by id, so that they are not compiled again for nothing.
	broken map[string]broken
	// acting holds the policies that act in a mode, by the kinds they target.
	acting     map[v2.Mode]*kindIndex
	configs    *configs
	exceptions []*exception
	workloads  policy.Workloads
	// resolved remembers for each combination of configs that met an object what they come to.
	resolved *resolutions
	cel      *cel.Compiler
}

// compiled is a policy ready to be bound to parameters.
type compiled struct {
	policy  *v2.Policy
	program program
	matcher matcher
	// own is the binding to the policy's own parameters.
	own *binding
	// parameters are the policy's own, by position in spec.parameters.
	parameters []any
}

// Compile compiles the sources. What is wrong with one of them is a problem of that one; the snapshot has the rest. The
// error is the context's.
func Compile(ctx context.Context, sources Sources, options Options) (*Snapshot, []Problem, error) {
	if options.Timeout == 0 {
		options.Timeout = DefaultTimeout
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &Snapshot{options: options, broken: map[string]broken{}, resolved: newResolutions(), workloads: sources.Workloads}
	previous := options.Previous
	s.options.Previous = nil // or snapshots would keep all their ancestors alive
	celCompiler, err := s.celCompiler(previous)
	if err != nil {
		return nil, nil, err
	}
	s.cel = celCompiler
	problems, err := s.compilePolicies(ctx, sources.Policies, previous)
	if err != nil {
		return nil, nil, err
	}
	byID := make(map[string]*v2.Policy, len(s.policies))
	for _, c := range s.policies {
		byID[c.policy.Spec.ID] = c.policy
	}
	problems = append(problems, s.chooseActing(sources.Sets)...)
	var more []Problem
	s.configs, more = newConfigs(sources.Configs, byID)
	problems = append(problems, more...)
	s.exceptions, more = newExceptions(sources.Exceptions, byID, options.Now())
	return s, append(problems, more...), nil
}

func (s *Snapshot) celCompiler(previous *Snapshot) (*cel.Compiler, error) {
	if previous != nil {
		return previous.cel, nil
	}
	compiler, err := cel.NewCompiler()
	if err != nil {
		return nil, fmt.Errorf("setting up CEL: %w", err)
	}
	return compiler, nil
}

// Policies are those that compiled, sorted by id.
func (s *Snapshot) Policies() []*v2.Policy {
	all := make([]*v2.Policy, len(s.policies))
	for i, c := range s.policies {
		all[i] = c.policy
	}
	return all
}

// Workloads are those of the sources. Nobody may change them.
func (s *Snapshot) Workloads() policy.Workloads { return s.workloads }

// Evaluator names what evaluates a policy: rego, rego-interpreted or cel; empty when there is no such policy.
func (s *Snapshot) Evaluator(id string) string {
	i, ok := search(s.policies, id)
	if !ok {
		return ""
	}
	return s.policies[i].own.rule.name()
}

func (s *Snapshot) compilePolicies(ctx context.Context, policies []*v2.Policy, previous *Snapshot) ([]Problem, error) {
	policies, problems := unique(policies)
	reusable := func(*v2.Policy) (outcome, bool) { return outcome{}, false }
	if previous != nil && previous.options.AllowNetwork == s.options.AllowNetwork {
		reusable = previous.outcome
	}
	regoCompiler := sync.OnceValue(func() *rego.Compiler { return rego.NewCompiler(s.options.AllowNetwork) })
	outcomes := make([]outcome, len(policies))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, p := range policies {
		if before, ok := reusable(p); ok {
			outcomes[i] = before
			continue
		}
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			outcomes[i].compiled, outcomes[i].problems = compilePolicy(p, regoCompiler(), s.cel)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("compiling policies: %w", err)
	}
	s.policies = make([]*compiled, 0, len(policies))
	for i, o := range outcomes {
		problems = append(problems, o.problems...)
		if o.compiled != nil {
			s.policies = append(s.policies, o.compiled)
		} else {
			s.broken[policies[i].Spec.ID] = broken{policies[i], o.problems}
		}
	}
	slices.SortFunc(s.policies, byID)
	return problems, nil
}

// outcome is what came of compiling a policy.
type outcome struct {
	compiled *compiled
	problems []Problem
}

// broken is a policy that did not compile.
type broken struct {
	policy   *v2.Policy
	problems []Problem
}

// outcome is what came of compiling a policy before, if what is compiled of it has not changed.
func (s *Snapshot) outcome(p *v2.Policy) (outcome, bool) {
	if i, ok := search(s.policies, p.Spec.ID); ok {
		if before := s.policies[i]; sameRule(before.policy, p) {
			return outcome{compiled: before.with(p)}, true
		}
		return outcome{}, false
	}
	before, ok := s.broken[p.Spec.ID]
	if !ok || !sameRule(before.policy, p) {
		return outcome{}, false
	}
	problems := slices.Clone(before.problems)
	for i := range problems {
		problems[i].Source = p
	}
	return outcome{problems: problems}, true
}

// unique leaves out policies whose id another one before has already.
func unique(policies []*v2.Policy) ([]*v2.Policy, []Problem) {
	first := make(map[string]*v2.Policy, len(policies))
	var kept []*v2.Policy
	var problems []Problem
	for _, p := range policies {
		id := p.Spec.ID
		if id == "" {
			problems = append(problems, Problem{
				Source: p, Field: "spec.id", LeftOut: true,
				Message: fmt.Sprintf("policy %q has no id", p.Name), Hint: "set spec.id, by convention to metadata.name",
			})
			continue
		}
		if other, ok := first[id]; ok {
			problems = append(problems, Problem{
				Source: p, Field: "spec.id", LeftOut: true, Other: other,
				Message: fmt.Sprintf("policy id %s is already used by policy %s", id, other.Name),
				Hint:    "ids identify policies in configs and results: give each policy its own",
			})
			continue
		}
		first[id] = p
		kept = append(kept, p)
	}
	return kept, problems
}

// chooseActing finds the policies that act in each mode. A set of a mode limits it to what some set of the mode matches;
// at admission, policies with the tenancy tag act all the same.
func (s *Snapshot) chooseActing(sets []*v2.PolicySet) []Problem {
	var problems []Problem
	byMode := map[v2.Mode][]*v2.PolicySet{}
	for _, set := range sets {
		if set.Spec.Mode == "" {
			problems = append(problems, Problem{
				Source: set, Field: "spec.mode", LeftOut: true,
				Message: "the set has no mode and so has no effect", Hint: "set spec.mode to audit, admission or tf-admission",
			})
			continue
		}
		byMode[set.Spec.Mode] = append(byMode[set.Spec.Mode], set)
	}
	s.acting = map[v2.Mode]*kindIndex{}
	for _, mode := range []v2.Mode{v2.ModeAudit, v2.ModeAdmission, v2.ModeTFAdmission} {
		var acting []*compiled
		for _, c := range s.policies {
			if actsIn(c.policy, mode, byMode[mode]) {
				acting = append(acting, c)
			}
		}
		s.acting[mode] = newKindIndex(acting)
	}
	return problems
}

func actsIn(p *v2.Policy, mode v2.Mode, sets []*v2.PolicySet) bool {
	if p.Spec.ProviderOrDefault() != mode.Provider() {
		return false
	}
	if len(sets) == 0 || mode == v2.ModeAdmission && p.Spec.HasTag(v2.TenancyTag) {
		return true
	}
	return slices.ContainsFunc(sets, func(set *v2.PolicySet) bool { return chosenBy(p, &set.Spec.Filters) })
}

// chosenBy tells whether any filter matches; ids are compared with the policy's name, as ever.
func chosenBy(p *v2.Policy, f *v2.PolicySetFilters) bool {
	return slices.Contains(f.IDs, p.Name) ||
		slices.Contains(f.Categories, p.Spec.Category) ||
		slices.Contains(f.Severities, string(p.Spec.Severity)) ||
		slices.ContainsFunc(p.Spec.Standards, func(s v2.PolicyStandard) bool { return slices.Contains(f.Standards, s.ID) }) ||
		slices.ContainsFunc(p.Spec.Tags, func(tag string) bool { return slices.Contains(f.Tags, tag) })
}

// Modes are those in which a policy acts.
func (s *Snapshot) Modes(id string) []v2.Mode {
	var modes []v2.Mode
	for _, mode := range []v2.Mode{v2.ModeAudit, v2.ModeAdmission, v2.ModeTFAdmission} {
		if s.acting[mode].has(id) {
			modes = append(modes, mode)
		}
	}
	return modes
}

// kindIndex finds policies by the kind of an object. Each list is sorted by id.
type kindIndex struct {
	acting []*compiled
	byKind map[string][]*compiled
	// anyKind are the policies that target every kind.
	anyKind []*compiled
}

// newKindIndex files policies that are sorted by id.
func newKindIndex(acting []*compiled) *kindIndex {
	index := &kindIndex{acting: acting, byKind: map[string][]*compiled{}}
	for _, c := range acting {
		if len(c.policy.Spec.Targets.Kinds) == 0 {
			index.anyKind = append(index.anyKind, c)
		}
		for _, kind := range c.policy.Spec.Targets.Kinds {
			// A kind that is named twice has this policy as its last one.
			if some := index.byKind[kind]; len(some) == 0 || some[len(some)-1] != c {
				index.byKind[kind] = append(some, c)
			}
		}
	}
	if len(index.anyKind) > 0 {
		for kind, some := range index.byKind {
			index.byKind[kind] = append(some, index.anyKind...)
			slices.SortFunc(index.byKind[kind], byID)
		}
	}
	return index
}

func byID(a, b *compiled) int { return cmp.Compare(a.policy.Spec.ID, b.policy.Spec.ID) }

// search finds a policy by its id in a list that is sorted by id.
func search(sorted []*compiled, id string) (int, bool) {
	return slices.BinarySearchFunc(sorted, id, func(c *compiled, id string) int { return cmp.Compare(c.policy.Spec.ID, id) })
}

func (k *kindIndex) find(kind string) []*compiled {
	if found, ok := k.byKind[kind]; ok {
		return found
	}
	return k.anyKind
}

func (k *kindIndex) has(id string) bool {
	_, ok := search(k.acting, id)
	return ok
}

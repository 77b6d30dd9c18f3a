package engine

import (
	"cmp"
	"slices"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// Level is how precisely a PolicyConfig matches an object. The value of a more precise one is in effect, and at the same level that of the config
// whose name comes later.
type Level string

// The levels, low to high.
const (
	OfWorkspace           Level = "workspace"
	OfNamespace           Level = "namespace"
	OfApp                 Level = "app"
	OfAppInNamespace      Level = "appInNamespace"
	OfResource            Level = "resource"
	OfResourceInNamespace Level = "resourceInNamespace"
)

// Settings are what a Snapshot knows of parameters, without its rules: which values are in effect for an object, and why. They are found by the
// code that judges by them. Settings are immutable and safe for concurrent use.
type Settings struct {
	// policies are sorted by id; own are the values of their parameters without any config.
	policies []*v2.Policy
	own      [][]any
	configs  *configs
}

// Match is a PolicyConfig that matches an object. One that does so at several levels is there for each.
type Match struct {
	Config *v2.PolicyConfig
	Level  Level
	config *config
}

// Value is what the config sets a parameter of a policy to, as judging has it; false when it does not.
func (m *Match) Value(id, parameter string) (any, bool) {
	value, ok := m.config.values[id][parameter]
	return value, ok
}

// NewSettings reads the parameters of policies and what configs set of them. What is wrong with one of them is a problem of that one. Whether a
// rule compiles plays no part.
func NewSettings(policies []*v2.Policy, sources []*v2.PolicyConfig) (*Settings, []Problem) {
	kept, problems := unique(policies)
	s := &Settings{}
	byID := make(map[string]*v2.Policy, len(kept))
	slices.SortFunc(kept, func(a, b *v2.Policy) int { return cmp.Compare(a.Spec.ID, b.Spec.ID) })
	for _, p := range kept {
		own, err := ownValues(p)
		if err != nil {
			problems = append(problems, Problem{Source: p, Field: "spec.parameters", Message: err.Error(), LeftOut: true})
			continue
		}
		s.policies, s.own, byID[p.Spec.ID] = append(s.policies, p), append(s.own, own), p
	}
	var more []Problem
	s.configs, more = newConfigs(sources, byID)
	return s, append(problems, more...)
}

// Policies are those that have settings, sorted by id.
func (s *Settings) Policies() []*v2.Policy { return s.policies }

// Effective is what is in effect for one object.
type Effective struct {
	// Matches are the configs that match the object, low precedence first.
	Matches   []Match
	settings  *Settings
	overrides map[string]map[string]override
}

// Of finds what is in effect for the object of a request; its namespace tells the workspace.
func (s *Settings) Of(r *policy.Request) Effective {
	e := Effective{settings: s, overrides: s.configs.overrides(s.configs.matching(r))}
	s.configs.each(r, func(level Level, positions []int) {
		for _, i := range positions {
			e.Matches = append(e.Matches, Match{s.configs.all[i].source, level, s.configs.all[i]})
		}
	})
	return e
}

// Parameters of a policy with the values that are in effect and the configs that set them; nil when there is no such policy.
func (e *Effective) Parameters(id string) []policy.Parameter {
	i, ok := slices.BinarySearchFunc(e.settings.policies, id, func(p *v2.Policy, id string) int { return cmp.Compare(p.Spec.ID, id) })
	if !ok {
		return nil
	}
	return inEffect(e.settings.policies[i], e.settings.own[i], e.overrides[id])
}

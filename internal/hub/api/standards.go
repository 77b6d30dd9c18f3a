package api

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/state"
	"github.com/assay-gitops/assay/internal/hub/store"
)

// StandardCoverage is what policies do for a standard.
type StandardCoverage struct {
	ID       string            `json:"id"`
	Controls []ControlCoverage `json:"controls" nullable:"false" doc:"Those that there are policies for, by id. Without any, the policies are for the standard as a whole."`
	Policies []string          `json:"policies" nullable:"false" doc:"Ids of all policies for the standard."`
	InForce  int               `json:"inForce" doc:"How many of them act in a mode."`
	Open     *int              `json:"open,omitempty" doc:"Open violations of them; not there without the right to list violations, nor of a time that was."`
}

// ControlCoverage is what policies do for a control of a standard.
type ControlCoverage struct {
	ID       string   `json:"id"`
	Policies []string `json:"policies" nullable:"false" doc:"Their ids."`
	InForce  int      `json:"inForce" doc:"How many of them act in a mode."`
	Open     *int     `json:"open,omitempty" doc:"Open violations of them."`
}

// Standards are all that policies of the cluster are for.
type Standards struct {
	Standards []StandardCoverage `json:"standards" nullable:"false" doc:"By id."`
	Errors    []ListError        `json:"errors" nullable:"false" doc:"What could not be read."`
}

type standardsOutput struct{ Body Standards }

func (s *service) registerStandards() {
	huma.Register(s.api, s.forReadersOf(auth.Policies, auth.List, reading("list-standards", "/v1/standards", "Policies", "Lists standards and their coverage",
		"Those that policies of a cluster are for. It needs the right to list policies.")), s.standards)
}

func (s *service) standards(ctx context.Context, in *AsOf) (*standardsOutput, error) {
	found, faults, err := readPolicies(ctx, s, in, state.Policy, s.live.Policies)
	if err != nil {
		return nil, err
	}
	var open map[string]int
	// What is open now says nothing of another time.
	if scope, ok := s.alsoSees(ctx, auth.Violations); ok && in.At.IsZero() {
		query := store.Query{Scope: scope, Clusters: []string{in.cluster(s)}, Statuses: []store.Status{store.Open}}
		counts, err := s.store.Facets(ctx, query, []store.Dimension{store.Policies}, maxPage)
		if err != nil {
			return nil, s.problem(ctx, "counting violations of policies", err)
		}
		open = map[string]int{}
		for _, count := range counts[store.Policies] {
			open[count.Value] = count.Count
		}
	}
	return &standardsOutput{Body: Standards{coverage(found, open), faults}}, nil
}

// coverage of standards by policies; open counts violations by policy, nil when they are not known.
func coverage(policies []v2.Policy, open map[string]int) []StandardCoverage {
	type covered struct {
		all      []*v2.Policy
		controls map[string][]*v2.Policy
	}
	standards := map[string]*covered{}
	for i := range policies {
		p := &policies[i]
		for _, standard := range p.Spec.Standards {
			c := standards[standard.ID]
			if c == nil {
				c = &covered{controls: map[string][]*v2.Policy{}}
				standards[standard.ID] = c
			}
			c.all = append(c.all, p)
			for _, control := range standard.Controls {
				c.controls[control] = append(c.controls[control], p)
			}
		}
	}
	shown := make([]StandardCoverage, 0, len(standards))
	for _, id := range slices.Sorted(maps.Keys(standards)) {
		whole := controlCoverage("", standards[id].all, open)
		standard := StandardCoverage{ID: id, Policies: whole.Policies, InForce: whole.InForce, Open: whole.Open, Controls: []ControlCoverage{}}
		for _, control := range slices.Sorted(maps.Keys(standards[id].controls)) {
			standard.Controls = append(standard.Controls, controlCoverage(control, standards[id].controls[control], open))
		}
		shown = append(shown, standard)
	}
	return shown
}

func controlCoverage(id string, policies []*v2.Policy, open map[string]int) ControlCoverage {
	// A policy may name a standard or a control twice.
	policies = slices.Compact(slices.SortedFunc(slices.Values(policies), func(a, b *v2.Policy) int { return cmp.Compare(a.Name, b.Name) }))
	shown := ControlCoverage{ID: id, Policies: make([]string, 0, len(policies))}
	sum := 0
	for _, p := range policies {
		shown.Policies = append(shown.Policies, p.Spec.ID)
		if len(p.Status.Modes) > 0 {
			shown.InForce++
		}
		sum += open[p.Spec.ID]
	}
	if open != nil {
		shown.Open = &sum
	}
	return shown
}

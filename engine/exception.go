package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/suggest"
	"github.com/assay-gitops/assay/policy"
)

// allPolicies in an exception stands for every policy but those that hold workspaces together.
const allPolicies = "*"

// exception is a PolicyException that says something.
type exception struct{ source *v2.PolicyException }

func newExceptions(sources []*v2.PolicyException, policies map[string]*v2.Policy, now time.Time) ([]*exception, []Problem) {
	var all []*exception
	var problems []Problem
	for _, source := range sources {
		for i, id := range source.Spec.Policies {
			if _, ok := policies[id]; !ok && id != allPolicies {
				problems = append(problems, Problem{
					Source: source, Field: fmt.Sprintf("spec.policies[%d]", i),
					Message: fmt.Sprintf("there is no policy %s, or it does not compile", id),
					Hint:    suggest.Unknown("policy", id, sortedKeys(policies), "").Hint(),
				})
			}
		}
		m := &source.Spec.Match
		if len(m.Workspaces)+len(m.Namespaces)+len(m.Applications)+len(m.Resources)+len(m.Labels) == 0 {
			problems = append(problems, Problem{
				Source: source, Field: "spec.match", LeftOut: true, Message: "the exception matches nothing",
				Hint: "give at least one of workspaces, namespaces, apps, resources and labels",
			})
			continue
		}
		if expires := source.Spec.Expires; expires != nil && !now.Before(expires.Time) {
			problems = append(problems, Problem{
				Source: source, Field: "spec.expires",
				Message: "the exception expired on " + expires.UTC().Format(time.RFC3339),
				Hint:    "delete it, or set a later date if its reason still holds",
			})
		}
		all = append(all, &exception{source})
	}
	slices.SortStableFunc(all, func(a, b *exception) int { return cmp.Compare(a.source.Name, b.source.Name) })
	return all, problems
}

// excepts finds the first exception, by name, that accepts violations of a policy by an object.
func (s *Snapshot) excepts(p *v2.Policy, r *policy.Request) *v2.PolicyException {
	var now time.Time
	for _, e := range s.exceptions {
		if !e.covers(p) || !e.matches(r) {
			continue
		}
		if expires := e.source.Spec.Expires; expires != nil {
			if now.IsZero() {
				now = s.options.Now()
			}
			if !now.Before(expires.Time) {
				continue
			}
		}
		return e.source
	}
	return nil
}

func (e *exception) covers(p *v2.Policy) bool {
	return slices.ContainsFunc(e.source.Spec.Policies, func(id string) bool {
		return id == p.Spec.ID || id == allPolicies && !p.Spec.HasTag(v2.TenancyTag)
	})
}

func (e *exception) matches(r *policy.Request) bool {
	m, o := &e.source.Spec.Match, r.Object
	if len(m.Workspaces) > 0 {
		workspace := r.Workspace()
		if workspace == "" || !slices.Contains(m.Workspaces, workspace) {
			return false
		}
	}
	if len(m.Namespaces) > 0 && !slices.Contains(m.Namespaces, o.Namespace()) {
		return false
	}
	if len(m.Applications) > 0 {
		app, ok := o.App()
		if !ok || !slices.ContainsFunc(m.Applications, func(a v2.PolicyTargetApplication) bool {
			return a.Kind == app.Kind && a.Name == app.Name && (a.Namespace == "" || a.Namespace == app.Namespace)
		}) {
			return false
		}
	}
	if len(m.Resources) > 0 && !slices.ContainsFunc(m.Resources, func(t v2.PolicyTargetResource) bool {
		return t.Kind == o.Kind() && t.Name == o.Name() && (t.Namespace == "" || t.Namespace == o.Namespace())
	}) {
		return false
	}
	for key, value := range m.Labels {
		if !hasLabel(o, key, value) {
			return false
		}
	}
	return true
}

package store

import (
	"slices"
	"strings"
	"time"
)

// Has tells whether the violation is in scope.
func (s Scope) Has(v *Violation) bool {
	return s.All || slices.Contains(s.Clusters, v.Cluster) || slices.Contains(s.Namespaces[v.Cluster], v.Namespace)
}

// Means tells of a single violation whether the query means it and it is in scope, as lists do.
func (q *Query) Means(v *Violation) bool {
	return q.Scope.Has(v) && oneOf(q.Clusters, v.Cluster) && oneOf(q.Namespaces, v.Namespace) && oneOf(q.Workspaces, v.Workspace) &&
		oneOf(q.Apps, v.app()) && oneOf(q.Kinds, v.Kind) && oneOf(q.Names, v.Name) && oneOf(q.Policies, v.PolicyID) &&
		oneOf(q.Categories, v.Category) && oneOf(q.Severities, v.Severity) && v.isFor(q.Standards, q.Controls) &&
		oneOf(q.Gates, v.Gate) && oneOf(q.Statuses, v.Status) && (q.Enforced == nil || *q.Enforced == v.Enforced) &&
		oneOf(q.Exceptions, v.Exception()) && within(v.LastSeen, q.From, q.To) && within(v.FirstSeen, q.FirstFrom, q.FirstTo) && v.tells(q.Text)
}

// within tells whether from ≤ t < to; zero does not bound it.
func within(t, from, to time.Time) bool {
	return (from.IsZero() || !t.Before(from)) && (to.IsZero() || t.Before(to))
}

// Exception is the name of the one that accepts the violation; empty when none does.
func (v *Violation) Exception() string {
	if v.Status != Excepted {
		return ""
	}
	return v.Resolution
}

func oneOf[T comparable](wanted []T, value T) bool {
	return len(wanted) == 0 || slices.Contains(wanted, value)
}

func (v *Violation) app() string {
	if v.App == nil {
		return ""
	}
	return v.App.Kind + "/" + v.App.Namespace + "/" + v.App.Name
}

func (v *Violation) isFor(standards, controls []string) bool {
	named := func(s Standard) bool { return slices.Contains(standards, s.ID) }
	controlled := func(s Standard) bool {
		return slices.ContainsFunc(s.Controls, func(control string) bool { return slices.Contains(controls, s.ID+"/"+control) })
	}
	return (len(standards) == 0 || slices.ContainsFunc(v.Standards, named)) && (len(controls) == 0 || slices.ContainsFunc(v.Standards, controlled))
}

func (v *Violation) tells(text string) bool {
	if text == "" {
		return true
	}
	text = strings.ToLower(text)
	return slices.ContainsFunc([]string{v.Message, v.Name, v.PolicyID, v.PolicyName}, func(s string) bool { return strings.Contains(strings.ToLower(s), text) })
}

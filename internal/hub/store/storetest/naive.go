package storetest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/sink"
)

// sees is whether somebody may see a violation, as slowly and plainly as it can be said.
func sees(s store.Scope, v *store.Violation) bool {
	return s.All || slices.Contains(s.Clusters, v.Cluster) || slices.Contains(s.Namespaces[v.Cluster], v.Namespace)
}

// means is whether a query means a violation that is in scope.
func means(q *store.Query, v *store.Violation) bool {
	any := func(wanted []string, values ...string) bool {
		return len(wanted) == 0 || slices.ContainsFunc(values, func(value string) bool { return slices.Contains(wanted, value) })
	}
	var standards, controls []string
	for _, s := range v.Standards {
		standards = append(standards, s.ID)
		for _, c := range s.Controls {
			controls = append(controls, s.ID+"/"+c)
		}
	}
	text := strings.ToLower(q.Text)
	contains := func(s string) bool { return strings.Contains(strings.ToLower(s), text) }
	return any(q.Clusters, v.Cluster) && any(q.Namespaces, v.Namespace) && any(q.Workspaces, v.Workspace) && any(q.Apps, appOf(v)) &&
		any(q.Kinds, v.Kind) && any(q.Names, v.Name) && any(q.Policies, v.PolicyID) && any(q.Categories, v.Category) &&
		any(q.Severities, v.Severity) && any(q.Standards, standards...) && any(q.Controls, controls...) &&
		(len(q.Gates) == 0 || slices.Contains(q.Gates, v.Gate)) && (len(q.Statuses) == 0 || slices.Contains(q.Statuses, v.Status)) &&
		(q.Enforced == nil || *q.Enforced == v.Enforced) &&
		any(q.Exceptions, exceptionOf(v)) && (q.FirstFrom.IsZero() || !v.FirstSeen.Before(q.FirstFrom)) && (q.FirstTo.IsZero() || v.FirstSeen.Before(q.FirstTo)) &&
		(q.From.IsZero() || !v.LastSeen.Before(q.From)) && (q.To.IsZero() || v.LastSeen.Before(q.To)) &&
		(contains(v.Message) || contains(v.Name) || contains(v.PolicyID) || contains(v.PolicyName))
}

func appOf(v *store.Violation) string {
	if v.App == nil {
		return ""
	}
	return v.App.Kind + "/" + v.App.Namespace + "/" + v.App.Name
}

func exceptionOf(v *store.Violation) string {
	if v.Status == store.Excepted {
		return v.Resolution
	}
	return ""
}

func inOrder(page store.Page) func(a, b store.Violation) int {
	severity := map[string]int{"low": 1, "medium": 2, "high": 3, "critical": 4}
	return func(a, b store.Violation) int {
		var c int
		switch page.Order {
		case store.ByLastSeen:
			c = b.LastSeen.Compare(a.LastSeen)
		case store.ByFirstSeen:
			c = b.FirstSeen.Compare(a.FirstSeen)
		case store.BySeverity:
			c = cmp.Compare(severity[b.Severity], severity[a.Severity])
		case store.ByPolicy:
			c = cmp.Compare(a.PolicyName, b.PolicyName)
		case store.ByObject:
			c = cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
		}
		c = cmp.Or(c, cmp.Compare(a.ID, b.ID))
		if page.Ascending {
			return -c
		}
		return c
	}
}

func facet(d store.Dimension, all []store.Violation, limit int) []store.Count {
	counts := map[string]int{}
	for i := range all {
		v := &all[i]
		values := map[store.Dimension][]string{
			store.Clusters: {v.Cluster}, store.Namespaces: {v.Namespace}, store.Workspaces: {v.Workspace}, store.Apps: {appOf(v)}, store.Kinds: {v.Kind},
			store.Policies: {v.PolicyID}, store.Categories: {v.Category}, store.Severities: {v.Severity}, store.Gates: {string(v.Gate)}, store.Statuses: {string(v.Status)},
			store.Exceptions: {exceptionOf(v)},
		}[d]
		if d == store.Standards {
			for _, s := range v.Standards {
				values = append(values, s.ID)
			}
		}
		for _, value := range values {
			counts[value]++
		}
	}
	if d != store.Namespaces {
		delete(counts, "")
	}
	list := []store.Count{}
	for value, n := range counts {
		list = append(list, store.Count{Value: value, Count: n})
	}
	slices.SortFunc(list, func(a, b store.Count) int { return cmp.Or(b.Count-a.Count, cmp.Compare(a.Value, b.Value)) })
	return list[:min(limit, len(list))]
}

// timeline counts results of violations.
func timeline(from, to time.Time, meant []store.Violation, results map[string][]*sink.Result) []store.Day {
	var days []store.Day
	for day := from.UTC().Truncate(24 * time.Hour); !day.After(to); day = day.AddDate(0, 0, 1) {
		days = append(days, store.Day{Day: day})
	}
	for i := range meant {
		for _, r := range results[meant[i].ID] {
			n := int(r.Validation.CreatedAt.UTC().Truncate(24*time.Hour).Sub(days[0].Day) / (24 * time.Hour))
			if r.Validation.CreatedAt.Before(days[0].Day) || n >= len(days) {
				continue
			}
			switch store.Read(r).Day {
			case store.TickOpened:
				days[n].Opened++
			case store.TickResolved:
				days[n].Resolved++
			case store.TickDenied:
				days[n].Denied++
			case store.TickWarned:
				days[n].Warned++
			}
		}
	}
	return days
}

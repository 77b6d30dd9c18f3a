package columns

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// Facets counts the violations that a query means, as store.Store says.
func (x *Index) Facets(ctx context.Context, q store.Query, dimensions []store.Dimension, limit int) (map[store.Dimension][]store.Count, error) {
	if limit < 1 || limit > maxLimit {
		return nil, fmt.Errorf("%w: %d values of a dimension: 1 to %d can be asked for", store.ErrInvalid, limit, maxLimit)
	}
	columns := make([]column, 0, len(dimensions))
	byPolicy := make([]int, len(x.policies.facts))
	for _, d := range dimensions {
		c, err := x.column(d, byPolicy)
		if err != nil {
			return nil, err
		}
		columns = append(columns, c)
	}
	err := x.each(ctx, &q, func(_ uint32, r *row) {
		byPolicy[r.policy]++
		for i := range columns {
			if c := &columns[i]; c.number != nil {
				c.counts[c.number(r)]++
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("counting violations: %w", err)
	}
	facets := make(map[store.Dimension][]store.Count, len(dimensions))
	for i, d := range dimensions {
		facets[d] = mostFrequent(columns[i].values(), d == store.Namespaces, limit)
	}
	return facets, nil
}

// column counts rows by a number that they have.
type column struct {
	number func(*row) uint32
	counts []int
	// values are what the numbers stand for, with their counts.
	values func() map[string]int
}

func (x *Index) column(d store.Dimension, byPolicy []int) (column, error) {
	switch d {
	case store.Clusters:
		return of(&x.clusters, func(r *row) uint32 { return r.cluster }), nil
	case store.Namespaces:
		return of(&x.namespaces, func(r *row) uint32 { return r.namespace }), nil
	case store.Workspaces:
		return of(&x.workspaces, func(r *row) uint32 { return r.workspace }), nil
	case store.Apps:
		return of(&x.apps, func(r *row) uint32 { return r.app }), nil
	case store.Kinds:
		return of(&x.kinds, func(r *row) uint32 { return r.kind }), nil
	case store.Gates:
		return of(&x.gates, func(r *row) uint32 { return r.gate }), nil
	case store.Statuses:
		words := make([]string, len(statuses)+1)
		for i, status := range statuses {
			words[i] = string(status)
		}
		return of(&dict{words: words}, func(r *row) uint32 { return uint32(r.status) }), nil
	case store.Exceptions:
		return of(&x.resolutions, (*row).exception), nil
	case store.Policies:
		return x.ofPolicy(byPolicy, func(f *facts) []string { return []string{f.id} }), nil
	case store.Categories:
		return x.ofPolicy(byPolicy, func(f *facts) []string { return []string{f.category} }), nil
	case store.Severities:
		return x.ofPolicy(byPolicy, func(f *facts) []string { return []string{f.severity} }), nil
	case store.Standards:
		return x.ofPolicy(byPolicy, (*facts).standardIDs), nil
	}
	return column{}, fmt.Errorf("%w: there is no dimension %q", store.ErrInvalid, d)
}

func of(d *dict, number func(*row) uint32) column {
	counts := make([]int, len(d.words))
	return column{number: number, counts: counts, values: func() map[string]int {
		values := map[string]int{}
		for i, n := range counts {
			if n > 0 {
				values[d.words[i]] += n
			}
		}
		return values
	}}
}

// ofPolicy counts by what policies have, of which a row has one.
func (x *Index) ofPolicy(counts []int, words func(*facts) []string) column {
	return column{values: func() map[string]int {
		values := map[string]int{}
		for i, n := range counts {
			if n > 0 {
				for _, word := range words(&x.policies.facts[i]) {
					values[word] += n
				}
			}
		}
		return values
	}}
}

// standardIDs are each there once.
func (f *facts) standardIDs() []string {
	ids := make([]string, 0, len(f.standards))
	for _, standard := range f.standards {
		if !slices.Contains(ids, standard.ID) {
			ids = append(ids, standard.ID)
		}
	}
	return ids
}

func mostFrequent(values map[string]int, emptyToo bool, limit int) []store.Count {
	counts := make([]store.Count, 0, len(values))
	for value, n := range values {
		if value != "" || emptyToo {
			counts = append(counts, store.Count{Value: value, Count: n})
		}
	}
	slices.SortFunc(counts, func(a, b store.Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	return slices.Clip(counts[:min(limit, len(counts))])
}

// Entry is a result in a timeline: the slot of its violation and what it counts as.
func Entry(slot uint32, tick store.Tick) uint32 { return slot<<2 | uint32(tick-1) }

// Without leaves out the entries of slots.
func Without(entries []uint32, left func(slot uint32) bool) []uint32 {
	return slices.DeleteFunc(entries, func(e uint32) bool { return left(e >> 2) })
}

// Note adds entries to a day.
func (x *Index) Note(day int32, entries []uint32) { x.days[day] = append(x.days[day], entries...) }

// Forget removes the days before one.
func (x *Index) Forget(before int32) {
	for day := range x.days {
		if day < before {
			delete(x.days, day)
		}
	}
}

// Timeline counts results by day, as store.Store says.
func (x *Index) Timeline(ctx context.Context, q store.Query) ([]store.Day, error) {
	first, last := int64(store.DayOf(q.From)), int64(store.DayOf(q.To))
	if last < first || last-first >= store.MaxDays {
		return nil, fmt.Errorf("%w: a timeline from %s to %s: it has 1 to %d days", store.ErrInvalid,
			q.From.Format(time.DateOnly), q.To.Format(time.DateOnly), store.MaxDays)
	}
	q.From, q.To = time.Time{}, time.Time{}
	meant := make(bitmap, x.end/64+1)
	if err := x.each(ctx, &q, func(slot uint32, _ *row) { meant.set(slot) }); err != nil {
		return nil, fmt.Errorf("counting results: %w", err)
	}
	days := make([]store.Day, 0, last-first+1)
	for day := first; day <= last; day++ {
		var counts [4]int
		for _, e := range x.days[int32(day)] { //nolint:gosec // it was one
			if meant.has(e >> 2) {
				counts[e&3]++
			}
		}
		days = append(days, store.Day{
			Day:    time.Unix(day*24*60*60, 0).UTC(),
			Opened: counts[store.TickOpened-1], Resolved: counts[store.TickResolved-1], Denied: counts[store.TickDenied-1], Warned: counts[store.TickWarned-1],
		})
	}
	return days, nil
}

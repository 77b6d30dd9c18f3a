package search

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// maxValues is how many values of a dimension the server counts in each part of the index before it leaves out the least frequent. It makes
// at most 65,535 groups (search.max_buckets).
const maxValues = 50_000

// fieldOf a dimension.
var fieldOf = map[store.Dimension]string{
	store.Clusters: "cluster", store.Namespaces: "namespace", store.Workspaces: "workspace", store.Apps: "app", store.Kinds: "kind",
	store.Policies: "policy", store.Categories: "category", store.Severities: "severity", store.Standards: "standards", store.Gates: "gate",
	store.Statuses: "status", store.Exceptions: "exception",
}

// Facets implements store.Store.
func (s *Store) Facets(ctx context.Context, q store.Query, dimensions []store.Dimension, limit int) (map[store.Dimension][]store.Count, error) {
	if limit < 1 || limit > maxLimit {
		return nil, fmt.Errorf("%w: %d values of a dimension: 1 to %d can be asked for", store.ErrInvalid, limit, maxLimit)
	}
	filter, err := filterOf(&q, true)
	if err != nil {
		return nil, err
	}
	groups := object{}
	for _, d := range dimensions {
		field, is := fieldOf[d]
		if !is {
			return nil, fmt.Errorf("%w: there is no dimension %q", store.ErrInvalid, d)
		}
		// One more, as what has no value is left out. Those that are as frequent come by name.
		groups[string(d)] = object{"terms": object{"field": field, "size": limit + 1, "shard_size": maxValues}}
	}
	facets := make(map[store.Dimension][]store.Count, len(dimensions))
	if len(dimensions) == 0 {
		return facets, nil
	}
	found, err := s.search(ctx, s.violations, object{"query": filter, "size": 0, "aggs": groups})
	if err != nil {
		return nil, fmt.Errorf("counting violations: %w", err)
	}
	for _, d := range dimensions {
		counts := []store.Count{}
		for _, b := range found.Aggregations[string(d)].Buckets {
			var value string
			if err := json.Unmarshal(b.Key, &value); err != nil {
				return nil, fmt.Errorf("counting violations by %s: %w", d, err)
			}
			if (value != "" || d == store.Namespaces) && len(counts) < limit {
				counts = append(counts, store.Count{Value: value, Count: b.Count})
			}
		}
		facets[d] = counts
	}
	return facets, nil
}

// maxSpan is how many days are counted at a time: no more than max_buckets groups.
const maxSpan = 500

// Timeline implements store.Store.
func (s *Store) Timeline(ctx context.Context, q store.Query) ([]store.Day, error) {
	first, last := int64(store.DayOf(q.From)), int64(store.DayOf(q.To))
	if last < first || last-first >= store.MaxDays {
		return nil, fmt.Errorf("%w: a timeline from %s to %s: it has 1 to %d days", store.ErrInvalid,
			q.From.Format(time.DateOnly), q.To.Format(time.DateOnly), store.MaxDays)
	}
	filter, err := filterOf(&q, false)
	if err != nil {
		return nil, err
	}
	days := make([]store.Day, last-first+1)
	for i := range days {
		days[i].Day = time.Unix((first+int64(i))*24*60*60, 0).UTC()
	}
	for from := first; from <= last; from += maxSpan {
		if err := s.countDays(ctx, filter, from, min(from+maxSpan-1, last), days[from-first:]); err != nil {
			return nil, fmt.Errorf("counting results: %w", err)
		}
	}
	return days, nil
}

// countDays adds up what results count as on some days (see ticks).
func (s *Store) countDays(ctx context.Context, filter object, first, last int64, days []store.Day) error {
	low, high := first*perDay, last*perDay+perDay-1
	found, err := s.search(ctx, s.violations, object{
		"size":  0,
		"query": object{"bool": object{"filter": []any{filter, object{"range": object{"ticks": object{"gte": low, "lte": high}}}}}},
		"aggs":  object{"ticks": object{"histogram": object{"field": "ticks", "interval": 1, "min_doc_count": 1, "hard_bounds": object{"min": low, "max": high}}}},
	})
	if err != nil {
		return err
	}
	for _, b := range found.Aggregations["ticks"].Buckets {
		value, err := strconv.ParseFloat(string(b.Key), 64)
		if err != nil || value < float64(low) || value > float64(high) {
			return fmt.Errorf("the search server counts by %s, which is not between %d and %d", b.Key, low, high)
		}
		k, worth := decodeTick(int32(value))
		day, n := &days[int64(k.day)-first], b.Count*int(worth)
		switch k.what {
		case store.TickOpened:
			day.Opened += n
		case store.TickResolved:
			day.Resolved += n
		case store.TickDenied:
			day.Denied += n
		case store.TickWarned:
			day.Warned += n
		}
	}
	return nil
}

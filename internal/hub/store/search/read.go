package search

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/cursor"
)

const (
	// maxLimit is how long a page is at most.
	maxLimit = 1000
	// maxPage is how many documents are read at a time where the answer may have more.
	maxPage = 2000
)

// Violations implements store.Store.
func (s *Store) Violations(ctx context.Context, q store.Query, page store.Page) (store.Violations, error) {
	list, err := s.violationsOf(ctx, &q, page)
	if err != nil {
		return store.Violations{}, fmt.Errorf("listing violations: %w", err)
	}
	return list, nil
}

func (s *Store) violationsOf(ctx context.Context, q *store.Query, page store.Page) (store.Violations, error) {
	if page.Limit < 1 || page.Limit > maxLimit {
		return store.Violations{}, fmt.Errorf("%w: a page of %d: it has 1 to %d", store.ErrInvalid, page.Limit, maxLimit)
	}
	start, err := cursor.Of(page)
	if err != nil {
		return store.Violations{}, err //nolint:wrapcheck // it says all
	}
	filter, err := filterOf(q, true)
	if err != nil {
		return store.Violations{}, err
	}
	body := object{"query": filter, "size": page.Limit + 1, "_source": []string{"kept"}}
	var after []any
	switch page.Order {
	case store.ByLastSeen:
		body["sort"] = []any{by("last", !page.Ascending), by("id", page.Ascending)}
	case store.ByFirstSeen:
		body["sort"] = []any{by("first", !page.Ascending), by("id", page.Ascending)}
	case store.BySeverity:
		body["sort"] = []any{by("rank", !page.Ascending), by("id", page.Ascending)}
	case store.ByPolicy:
		body["sort"] = []any{by("policyName", page.Ascending), by("id", page.Ascending)}
	case store.ByObject:
		body["sort"] = []any{by("namespace", page.Ascending), by("name", page.Ascending), by("id", page.Ascending)}
	default:
		return store.Violations{}, fmt.Errorf("%w: there is no order %q", store.ErrInvalid, page.Order)
	}
	if start != nil {
		switch page.Order {
		case store.BySeverity:
			after = []any{max(-1, min(start.Number, 100))} // the server refuses what the field cannot have
		case store.ByPolicy:
			after = []any{term(start.First)}
		case store.ByObject:
			after = []any{term(start.First), term(start.Second)}
		default:
			after = []any{start.Number}
		}
		body["search_after"] = append(after, start.Key.String())
	}
	found, err := s.search(ctx, s.violations, body)
	if err != nil {
		return store.Violations{}, err
	}
	hits := found.Hits.Hits
	list := store.Violations{Items: make([]store.Violation, 0, len(hits))}
	for i := range hits[:min(len(hits), page.Limit)] {
		key, d, err := s.violationOf(&hits[i])
		if err != nil {
			return store.Violations{}, err
		}
		list.Items = append(list.Items, d.Kept.shown(key))
		if i == page.Limit-1 && len(hits) > page.Limit {
			list.Next = cursor.After(page, &list.Items[i], key).Encode()
		}
	}
	return list, nil
}

// violationOf a document.
func (s *Store) violationOf(h *hit) (store.Key, *document, error) {
	key, ok := store.ParseKey(h.ID)
	var d document
	err := decode(s.violations, h.ID, h.Source, &d)
	if err == nil && (!ok || d.Kept.Policy == nil) {
		err = damaged(s.violations, h.ID, errNotOurs)
	}
	return key, &d, err
}

// inScope reads one violation as it is now.
func (s *Store) inScope(ctx context.Context, scope store.Scope, id string, fields ...string) (*document, *store.Violation, error) {
	if _, is := store.ParseKey(id); !is {
		return nil, nil, store.ErrNotFound
	}
	if err := s.prepare(ctx); err != nil {
		return nil, nil, err
	}
	read, err := s.get(ctx, s.violations, []string{id}, fields...)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the violation %s: %w", id, err)
	}
	if read[id] == nil {
		return nil, nil, store.ErrNotFound
	}
	key, d, err := s.violationOf(read[id])
	if err != nil {
		return nil, nil, err
	}
	shown := d.Kept.shown(key)
	if d.Kept.Hidden || !scope.Has(&shown) {
		return nil, nil, store.ErrNotFound
	}
	return d, &shown, nil
}

// Violation implements store.Store.
func (s *Store) Violation(ctx context.Context, scope store.Scope, id string) (*store.Violation, error) {
	d, shown, err := s.inScope(ctx, scope, id, "kept", "result")
	if err != nil {
		return nil, err
	}
	policies, err := s.get(ctx, s.records, []string{d.Kept.Definition}, "definition")
	if err != nil {
		return nil, fmt.Errorf("reading the policy of the violation %s: %w", id, err)
	}
	var policy struct {
		Definition []byte `json:"definition"`
	}
	hit := policies[d.Kept.Definition]
	if hit == nil {
		return nil, fmt.Errorf("reading the policy of the violation %s: %s has no document %s", id, s.records.name, d.Kept.Definition)
	}
	if err := decode(s.records, hit.ID, hit.Source, &policy); err != nil {
		return nil, err
	}
	if shown.Document, err = s.read.Codec.Result(d.Result, policy.Definition); err != nil {
		return nil, fmt.Errorf("reading the document of the violation %s: %w", id, err)
	}
	return shown, nil
}

// History implements store.Store.
func (s *Store) History(ctx context.Context, scope store.Scope, id string, limit int) ([]store.Event, error) {
	if limit < 1 {
		return nil, fmt.Errorf("%w: %d results of a history", store.ErrInvalid, limit)
	}
	if _, _, err := s.inScope(ctx, scope, id, "kept"); err != nil {
		return nil, err
	}
	events := []store.Event{}
	body := object{"query": object{"bool": object{"filter": object{"term": object{"violation": id}}}}, "sort": []any{by("time", true), by("result", true), by("id", false)}}
	err := s.each(ctx, s.history, body, min(limit, maxPage), func(hits []hit) error {
		for i := range hits {
			var e event
			if err := decode(s.history, hits[i].ID, hits[i].Source, &e); err != nil {
				return err
			}
			events = append(events, e.shown())
		}
		if len(events) >= limit {
			events = events[:limit]
			return errEnough
		}
		return nil
	})
	if err != nil && err != errEnough { //nolint:errorlint // it is this one
		return nil, fmt.Errorf("reading the history of the violation %s: %w", id, err)
	}
	return events, nil
}

// Clusters implements store.Store.
func (s *Store) Clusters(ctx context.Context) ([]store.Cluster, error) {
	clusters := []store.Cluster{}
	body := object{"query": oneOf("type", []string{clusterRecord}), "sort": []any{by("name", false), by("id", false)}}
	err := s.each(ctx, s.records, body, maxPage, func(hits []hit) error {
		for i := range hits {
			var c struct {
				Exact string `json:"exact"`
				First int64  `json:"first"`
				Last  int64  `json:"last"`
				Skew  int64  `json:"skew"`
			}
			if err := decode(s.records, hits[i].ID, hits[i].Source, &c); err != nil {
				return err
			}
			clusters = append(clusters, store.Cluster{Name: c.Exact, FirstSeen: time.Unix(0, c.First).UTC(), LastSeen: time.Unix(0, c.Last).UTC(), Skew: time.Duration(c.Skew)})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	return clusters, nil
}

// Stats implements store.Store.
func (s *Store) Stats(ctx context.Context) (stats store.Stats, err error) {
	shown := []any{object{"term": object{"hidden": false}}}
	counts := []struct {
		index *index
		query object
		to    *int
	}{
		{s.history, object{"match_all": object{}}, &stats.Results},
		{s.violations, object{"bool": object{"filter": shown}}, &stats.Violations},
		{s.violations, object{"bool": object{"filter": append(shown, oneOf("status", textsOf([]store.Status{store.Open})))}}, &stats.Open},
	}
	if err := s.prepare(ctx); err != nil {
		return store.Stats{}, fmt.Errorf("measuring the store: %w", err)
	}
	for _, c := range counts {
		if *c.to, err = s.count(ctx, c.index, c.query); err != nil {
			return store.Stats{}, fmt.Errorf("measuring the store: %w", err)
		}
	}
	var size struct {
		All struct {
			Total struct {
				Store struct {
					Bytes int64 `json:"size_in_bytes"`
				} `json:"store"`
			} `json:"total"`
		} `json:"_all"`
	}
	path := "/" + s.violations.name + "," + s.history.name + "," + s.records.name + "/_stats/store?filter_path=_all.total.store"
	if _, err := s.call(ctx, http.MethodGet, path, nil, &size); err != nil {
		return store.Stats{}, fmt.Errorf("measuring the store: %w", err)
	}
	stats.Bytes = size.All.Total.Store.Bytes
	return stats, nil
}

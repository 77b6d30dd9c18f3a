package search

import (
	"fmt"
	"slices"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// maxTerms is how many values one filter has (index.max_terms_count).
const maxTerms = 60_000

func oneOf(field string, values []string) object { return object{"terms": object{field: values}} }

// among are filters by values that may be too many for one.
func among(field string, values []string) (filters []any) {
	for part := range slices.Chunk(values, maxTerms) {
		filters = append(filters, oneOf(field, part))
	}
	return filters
}

var nothing = object{"match_none": object{}}

// scopeOf what may be seen.
func scopeOf(s store.Scope) object {
	if s.All {
		return object{"match_all": object{}}
	}
	var places []string
	for cluster, namespaces := range s.Namespaces {
		for _, namespace := range namespaces {
			places = append(places, placeOf(cluster, namespace))
		}
	}
	slices.Sort(places) // the same question is the same text
	either := append(among("place", places), among("cluster", terms(s.Clusters))...)
	if len(either) == 0 {
		return nothing
	}
	return object{"bool": object{"should": either, "minimum_should_match": 1}}
}

// filterOf a query: all of it is about who is meant, and nothing about how well. Spans tells whether From and To say when violations were
// last seen.
func filterOf(q *store.Query, spans bool) (object, error) {
	if len(q.Text) > store.MaxText {
		return nil, fmt.Errorf("%w: a text of %d bytes is looked for: %d are the most", store.ErrInvalid, len(q.Text), store.MaxText)
	}
	filters := []any{object{"term": object{"hidden": false}}, scopeOf(q.Scope)}
	for _, f := range []struct {
		field  string
		values []string
	}{
		{"cluster", q.Clusters}, {"namespace", q.Namespaces}, {"workspace", q.Workspaces}, {"app", q.Apps}, {"kind", q.Kinds}, {"name", q.Names},
		{"policy", q.Policies}, {"category", q.Categories}, {"severity", q.Severities}, {"standards", q.Standards}, {"controls", q.Controls},
		{"gate", textsOf(q.Gates)}, {"status", textsOf(q.Statuses)}, {"exception", q.Exceptions},
	} {
		if len(f.values) > 0 {
			filters = append(filters, object{"bool": object{"should": among(f.field, terms(f.values)), "minimum_should_match": 1}})
		}
	}
	if q.Enforced != nil {
		filters = append(filters, object{"term": object{"enforced": *q.Enforced}})
	}
	if spans {
		filters = append(filters, bounded("last", q.From, q.To)...)
	}
	filters = append(filters, bounded("first", q.FirstFrom, q.FirstTo)...)
	if q.Text != "" {
		filters = append(filters, hasText(q.Text))
	}
	return object{"bool": object{"filter": filters}}, nil
}

// bounded is that a time is one of from ≤ time < to; none when neither bounds it.
func bounded(field string, from, to time.Time) []any {
	bounds := object{}
	if !from.IsZero() {
		bounds["gte"] = nanoseconds(from)
	}
	if !to.IsZero() {
		bounds["lt"] = nanoseconds(to)
	}
	if len(bounds) == 0 {
		return nil
	}
	return []any{object{"range": object{field: bounds}}}
}

func textsOf[T ~string](values []T) []string {
	var texts []string
	for _, value := range values {
		texts = append(texts, string(value))
	}
	return texts
}

// nanoseconds since 1970, of the nearest time that can be told so.
func nanoseconds(t time.Time) int64 {
	switch {
	case t.Year() < 1678:
		return -1 << 63
	case t.Year() > 2261:
		return 1<<63 - 1
	}
	return t.UnixNano()
}

// by sorts.
func by(field string, descending bool) object {
	order := "asc"
	if descending {
		order = "desc"
	}
	return object{field: object{"order": order}}
}

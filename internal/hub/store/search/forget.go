package search

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/fold"
)

// errEnough ends each.
var errEnough = errors.New("enough")

// Forget implements store.Store. Several hubs may do it at once: what one removed is not there for the other.
func (s *Store) Forget(ctx context.Context, before time.Time) (removed int, err error) {
	if before.Before(fold.Earliest) {
		return 0, nil
	}
	if before.After(fold.Latest) {
		before = fold.Latest
	}
	at := before.UnixNano()
	for _, step := range []func() error{
		func() error { return s.forgetViolations(ctx, at) },
		func() error { return s.forgetTicks(ctx, store.DayOf(before)) },
		func() error {
			removed, err = s.remove(ctx, s.history, object{"query": object{"range": object{"time": object{"lt": at}}}})
			return err
		},
		func() error { return s.forgetRecords(ctx, at) },
	} {
		if err := step(); err != nil {
			return removed, fmt.Errorf("forgetting what is older than %s: %w", before.Format(time.RFC3339), err)
		}
	}
	return removed, nil
}

// remove removes what a query finds, unless it changes meanwhile, and tells how much.
func (s *Store) remove(ctx context.Context, x *index, body object) (removed int, err error) {
	body["_source"], body["sort"], body["seq_no_primary_term"] = false, []any{by("id", false)}, true
	err = s.each(ctx, x, body, maxPage, func(hits []hit) error {
		operations := make([]operation, 0, len(hits))
		for i := range hits {
			operations = append(operations, operation{action: "delete", index: x, id: hits[i].ID, seen: &hits[i]})
		}
		outcomes, err := s.bulk(ctx, operations)
		for i := range outcomes {
			if outcomes[i].done() {
				removed++
			}
		}
		return err
	})
	return removed, err
}

func (s *Store) forgetViolations(ctx context.Context, at int64) error {
	_, err := s.remove(ctx, s.violations, object{"query": object{"bool": object{
		"filter":   object{"range": object{"last": object{"lt": at}}},
		"must_not": object{"term": object{"status": string(store.Open)}},
	}}})
	return err
}

// forgetTicks removes what results before a day count as.
func (s *Store) forgetTicks(ctx context.Context, day int32) error {
	for range maxRounds {
		conflicts := 0
		body := object{
			"query":   object{"range": object{"ticks": object{"lt": int64(day) * perDay}}},
			"_source": []string{"ticks"}, "sort": []any{by("id", false)}, "seq_no_primary_term": true,
		}
		err := s.each(ctx, s.violations, body, maxPage, func(hits []hit) error {
			var operations []operation
			for i := range hits {
				var d document
				if err := decode(s.violations, hits[i].ID, hits[i].Source, &d); err != nil {
					return err
				}
				left := []int32{}
				for _, value := range d.Ticks {
					if value >= day*perDay {
						left = append(left, value)
					}
				}
				operations = append(operations, operation{
					action: "update", index: s.violations, id: hits[i].ID, seen: &hits[i], body: object{"doc": object{"ticks": left}},
				})
			}
			outcomes, err := s.bulk(ctx, operations)
			for i := range outcomes {
				if outcomes[i].conflict() {
					conflicts++
				}
			}
			return err
		})
		if err != nil || conflicts == 0 {
			return err
		}
	}
	return unavailable(errors.New("violations are being changed by others again and again"))
}

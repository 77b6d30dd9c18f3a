package sqlite

import (
	"context"
	"fmt"

	"github.com/assay-gitops/assay/internal/sink"
)

// Add implements store.Store.
func (s *Store) Add(ctx context.Context, cluster string, results []*sink.Result) (int, error) {
	added, err := s.add(ctx, cluster, results)
	if err != nil {
		return 0, fmt.Errorf("adding %d results of cluster %s: %w", len(results), cluster, damage(err))
	}
	return added, nil
}

func (s *Store) add(ctx context.Context, cluster string, results []*sink.Result) (int, error) {
	items, err := s.read.Items(cluster, results)
	if err != nil {
		return 0, err
	}
	release, err := s.writer.take(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	ctx = context.WithoutCancel(ctx)
	b, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer b.rollback()
	if err := b.addAll(cluster, items); err != nil {
		return 0, err
	}
	if err := b.commit(); err != nil {
		return 0, err
	}
	s.checkpoint(ctx)
	return b.added, nil
}

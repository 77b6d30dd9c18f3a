package sqlite

import (
	"context"
	"encoding/hex"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/columns"
	"github.com/assay-gitops/assay/internal/sink"
)

// item is a result that is to be added, with all that can be known before it is its turn.
type item struct {
	result  *sink.Result
	id      string
	at      moment
	key     columns.Key
	reading store.Reading
	says    says
	// closes tells that audit says that the violation is resolved. Other is the one of the other gate, if that matters.
	closes, asks bool
	other        columns.Key

	document   []byte
	definition *definition
}

// Add implements store.Store.
func (s *Store) Add(ctx context.Context, cluster string, results []*sink.Result) (int, error) {
	added, err := s.add(ctx, cluster, results)
	if err != nil {
		return 0, fmt.Errorf("adding %d results of cluster %s: %w", len(results), cluster, damage(err))
	}
	return added, nil
}

func (s *Store) add(ctx context.Context, cluster string, results []*sink.Result) (int, error) {
	if cluster == "" {
		return 0, fmt.Errorf("%w: the cluster has no name", store.ErrInvalid)
	}
	items, err := s.items(cluster, results)
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

// items reads results. Encoding their documents is most of the work of adding them, so every processor does some.
func (s *Store) items(cluster string, results []*sink.Result) ([]item, error) {
	items := make([]item, len(results))
	part := max(minPart, (len(results)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	var group errgroup.Group
	for first := 0; first < len(results); first += part {
		group.Go(func() (err error) {
			for i := first; i < min(first+part, len(results)) && err == nil; i++ {
				items[i], err = s.item(cluster, results[i])
			}
			return err
		})
	}
	return items, group.Wait()
}

// minPart is how many results are worth a goroutine.
const minPart = 16

// Results are of times that nanoseconds can tell, and of this age.
var (
	earliest = time.Date(1970, 1, 1, 0, 0, 0, 1, time.UTC)
	latest   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

func (s *Store) item(cluster string, r *sink.Result) (item, error) {
	if r == nil {
		return item{}, fmt.Errorf("%w: a result is nil", store.ErrInvalid)
	}
	v := &r.Validation
	switch {
	case v.ID == "":
		return item{}, fmt.Errorf("%w: a result of policy %q has no ID", store.ErrInvalid, v.Policy.ID)
	case r.Gate == "" || v.Policy.ID == "":
		return item{}, fmt.Errorf("%w: the result %s has no gate or no policy", store.ErrInvalid, v.ID)
	case v.CreatedAt.Before(earliest) || v.CreatedAt.After(latest):
		return item{}, fmt.Errorf("%w: the result %s is of %s: that is no time of this age", store.ErrInvalid, v.ID, v.CreatedAt.Format(time.RFC3339))
	}
	it := item{result: r, id: v.ID, at: v.CreatedAt.UnixNano(), reading: store.Read(r)}
	var err error
	if it.says, err = saysOf(r.Life, it.reading); err != nil {
		return item{}, fmt.Errorf("reading the result %s: %w", v.ID, err)
	}
	it.key = keyOf(cluster, r.Gate, r)
	switch r.Gate {
	case sink.Audit:
		it.closes = r.Life == sink.Resolved || it.reading.Status == store.Resolved
		it.other = keyOf(cluster, sink.Admission, r)
	case sink.Admission:
		it.asks = true
		it.other = keyOf(cluster, sink.Audit, r)
	}
	if it.document, err = s.codec.document(r); err == nil {
		it.definition, err = s.definitions.of(cluster, &v.Policy)
	}
	if err != nil {
		return item{}, fmt.Errorf("%w: encoding the result %s: %w", store.ErrInvalid, v.ID, err)
	}
	return it, nil
}

func keyOf(cluster string, gate sink.Gate, r *sink.Result) (key columns.Key) {
	// It is an ID.
	_, _ = hex.Decode(key[:], []byte(store.ID(cluster, gate, r.Validation.Policy.ID, &r.Validation.Entity)))
	return key
}

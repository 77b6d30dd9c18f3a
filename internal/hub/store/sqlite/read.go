package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// Violations implements store.Store.
func (s *Store) Violations(ctx context.Context, q store.Query, page store.Page) (store.Violations, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	slots, next, err := s.index.Page(ctx, q, page)
	if err != nil {
		return store.Violations{}, err
	}
	list := store.Violations{Items: make([]store.Violation, 0, len(slots)), Next: next}
	if len(slots) == 0 {
		return list, nil
	}
	numbers := make([]string, len(slots))
	for i, slot := range slots {
		numbers[i] = strconv.FormatUint(uint64(slot), 10)
	}
	found := make(map[uint32]*violation, len(slots))
	query := `SELECT ` + violationColumns + ` FROM violations WHERE slot IN (` + strings.Join(numbers, ",") + `)`
	err = each(ctx, s.readers, query, func(rows *sql.Rows) error {
		v := &violation{}
		err := v.scan(rows)
		found[v.slot] = v
		return err
	})
	if err != nil {
		return store.Violations{}, fmt.Errorf("reading violations: %w", damage(err))
	}
	for _, slot := range slots {
		v := found[slot]
		if v == nil {
			return store.Violations{}, fmt.Errorf("reading violations: %w: the one in slot %d is gone", ErrDamaged, slot)
		}
		list.Items = append(list.Items, v.shown(s.writer.byID[v.Policy]))
	}
	return list, nil
}

// slot of a violation in scope. It runs with s.mu held, which its caller keeps for as long as it uses the slot.
func (s *Store) slot(scope store.Scope, id string) (uint32, error) {
	key, is := store.ParseKey(id)
	if !is {
		return 0, store.ErrNotFound
	}
	slot, found := s.index.Slot(key)
	if !found || !s.index.Sees(scope, slot) {
		return 0, store.ErrNotFound
	}
	return slot, nil
}

const selectDocument = `SELECT d.document, p.definition, coalesce((SELECT value FROM texts WHERE id = ?), '')
	FROM documents d JOIN policies p ON p.id = d.policy WHERE d.slot = ?`

// Violation implements store.Store.
func (s *Store) Violation(ctx context.Context, scope store.Scope, id string) (*store.Violation, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	slot, err := s.slot(scope, id)
	if err != nil {
		return nil, err
	}
	var v violation
	if err := v.scan(s.readers.QueryRowContext(ctx, `SELECT `+violationColumns+` FROM violations WHERE slot = ?`, slot)); err != nil {
		return nil, fmt.Errorf("reading the violation %s: %w", id, damage(err))
	}
	shown := v.shown(s.writer.byID[v.Policy])
	var document, definition []byte
	var pass string
	err = s.readers.QueryRowContext(ctx, selectDocument, v.pass, slot).Scan(&document, &definition, &pass)
	if err == nil {
		shown.Document, err = s.read.Codec.Result(document, definition)
	}
	if err == nil {
		v.complete(shown.Document, pass)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the document of the violation %s: %w", id, damage(err))
	}
	return &shown, nil
}

// historyValues are the values of an event, for scanEvent, of what is in newest.
const historyValues = `h.id, h.time, h.says, coalesce(r.value, ''), coalesce(o.value, ''), coalesce(v.value, ''), coalesce(u.value, ''), coalesce(p.value, ''),
	iif(h.message IS NULL, (SELECT message FROM violations WHERE slot = h.slot), coalesce(m.value, ''))
	FROM newest h LEFT JOIN texts r ON r.id = h.resolution LEFT JOIN texts o ON o.id = h.operation LEFT JOIN texts v ON v.id = h.revision
	LEFT JOIN texts u ON u.id = h.user LEFT JOIN texts p ON p.id = h.pass LEFT JOIN texts m ON m.id = h.message`

const selectHistory = `WITH newest AS (SELECT * FROM history WHERE slot = ? ORDER BY time DESC, id DESC LIMIT ?)
	SELECT ` + historyValues + ` ORDER BY h.time DESC, h.id DESC`

// scanEvent reads what comes before an event in a row, and the event.
func scanEvent(rows *sql.Rows, before ...any) (e store.Event, err error) {
	var id any
	var at, said int64
	err = rows.Scan(append(before, &id, &at, &said, &e.Resolution, &e.Operation, &e.Revision, &e.User, &e.Pass, &e.Message)...)
	e.ResultID, e.Time = resultIDText(id), time.Unix(0, at).UTC()
	e.Life, e.Status, e.Enforced = says(said).life(), says(said).status(), says(said).enforced()
	return e, err
}

// History implements store.Store.
func (s *Store) History(ctx context.Context, scope store.Scope, id string, limit int) ([]store.Event, error) {
	if limit < 1 {
		return nil, fmt.Errorf("%w: %d results of a history", store.ErrInvalid, limit)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	slot, err := s.slot(scope, id)
	if err != nil {
		return nil, err
	}
	events := []store.Event{}
	err = each(ctx, s.readers, selectHistory, func(rows *sql.Rows) error {
		e, err := scanEvent(rows)
		events = append(events, e)
		return err
	}, slot, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the history of the violation %s: %w", id, damage(err))
	}
	return events, nil
}

// Facets implements store.Store.
func (s *Store) Facets(ctx context.Context, q store.Query, dimensions []store.Dimension, limit int) (map[store.Dimension][]store.Count, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index.Facets(ctx, q, dimensions, limit)
}

// Timeline implements store.Store.
func (s *Store) Timeline(ctx context.Context, q store.Query) ([]store.Day, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index.Timeline(ctx, q)
}

// Clusters implements store.Store.
func (s *Store) Clusters(ctx context.Context) ([]store.Cluster, error) {
	clusters := []store.Cluster{}
	err := each(ctx, s.readers, `SELECT name, first, last, skew FROM clusters ORDER BY name`, func(rows *sql.Rows) error {
		var c store.Cluster
		var first, last, skew int64
		err := rows.Scan(&c.Name, &first, &last, &skew)
		c.FirstSeen, c.LastSeen, c.Skew = time.Unix(0, first).UTC(), time.Unix(0, last).UTC(), time.Duration(skew)
		clusters = append(clusters, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing clusters: %w", damage(err))
	}
	return clusters, nil
}

// Stats implements store.Store.
func (s *Store) Stats(context.Context) (store.Stats, error) {
	s.mu.RLock()
	stats := store.Stats{Results: s.results, Violations: s.index.Shown(), Open: s.index.Open()}
	s.mu.RUnlock()
	for _, name := range []string{s.path(), s.path() + "-wal", s.path() + "-shm"} {
		info, err := os.Stat(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return store.Stats{}, fmt.Errorf("measuring the store: %w", err)
		}
		stats.Bytes += info.Size()
	}
	return stats, nil
}

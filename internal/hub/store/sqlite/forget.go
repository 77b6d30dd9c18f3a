package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/columns"
	"github.com/assay-gitops/assay/internal/hub/store/fold"
)

// forgetSlots is how many violations are looked at in one transaction, so that results can be added in between.
const forgetSlots = 2000

// Forget implements store.Store. What is removed leaves room in the database for what comes; the file does not get smaller.
func (s *Store) Forget(ctx context.Context, before time.Time) (removed int, err error) {
	if before.Before(fold.Earliest) {
		return 0, nil
	}
	if before.After(fold.Latest) {
		before = fold.Latest
	}
	if err := s.turn(ctx, func(tx *sql.Tx) (func(), error) {
		day := store.DayOf(before)
		_, err := tx.ExecContext(ctx, `DELETE FROM ticks WHERE day < ?`, day)
		return func() { s.index.Forget(day) }, err
	}); err != nil {
		return 0, fmt.Errorf("forgetting the timeline before %s: %w", before.Format(time.RFC3339), damage(err))
	}
	if err := s.forgetRecords(ctx, before.UnixNano()); err != nil {
		return 0, fmt.Errorf("forgetting what was declared before %s: %w", before.Format(time.RFC3339), damage(err))
	}
	for first := uint32(0); ; first += forgetSlots {
		n, end, err := s.forget(ctx, before.UnixNano(), first)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("forgetting what is older than %s: %w", before.Format(time.RFC3339), damage(err))
		}
		if end {
			break
		}
	}
	if removed > 0 {
		if err := s.sweepPolicies(ctx); err != nil {
			return removed, fmt.Errorf("forgetting what is older than %s: %w", before.Format(time.RFC3339), damage(err))
		}
	}
	return removed, nil
}

// turn runs a transaction, and what follows from it in memory.
func (s *Store) turn(ctx context.Context, change func(*sql.Tx) (apply func(), err error)) error {
	release, err := s.writer.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	tx, err := s.writer.db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return err
	}
	apply, err := change(tx)
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := tx.Commit(); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	apply()
	return nil
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// forget looks at the violations of some slots.
func (s *Store) forget(ctx context.Context, before moment, first uint32) (removed int, end bool, err error) {
	last := first + forgetSlots - 1
	err = s.turn(ctx, func(tx *sql.Tx) (func(), error) {
		end = last >= s.index.End()
		slots, err := slotsOf(ctx, tx, `SELECT slot FROM violations WHERE slot BETWEEN ? AND ? AND status <> 0 AND last < ?`, first, last, before)
		if err != nil {
			return nil, err
		}
		gone := make(map[uint32]bool, len(slots))
		for _, slot := range slots {
			gone[slot] = true
			if _, err := tx.ExecContext(ctx, `DELETE FROM documents WHERE slot = ?`, slot); err != nil {
				return nil, err
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM violations WHERE slot = ?`, slot); err != nil {
				return nil, err
			}
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM history WHERE slot BETWEEN ? AND ? AND time < ?`, first, last, before)
		if err != nil {
			return nil, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return nil, err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE totals SET results = results - ?`, n); err != nil {
			return nil, err
		}
		if len(slots) > 0 {
			err = forgetTicks(ctx, tx, store.DayOf(time.Unix(0, before)), gone)
		}
		removed = int(n)
		return func() {
			s.index.Remove(slots)
			s.results -= removed
		}, err
	})
	if err != nil {
		return 0, false, err
	}
	s.checkpoint(ctx)
	return removed, end, nil
}

// forgetTicks removes what results of violations that are gone count as, so that nobody's are counted who gets their slots. They are of the
// last day or, when they came late, older.
func forgetTicks(ctx context.Context, tx *sql.Tx, last int32, gone map[uint32]bool) error {
	rows, err := tx.QueryContext(ctx, `SELECT id, entries FROM ticks WHERE day <= ?`, last)
	if err != nil {
		return err
	}
	kept := map[int64][]uint32{}
	for rows.Next() {
		var id int64
		var encoded sql.RawBytes
		if err := rows.Scan(&id, &encoded); err != nil {
			return errors.Join(err, rows.Close())
		}
		entries := decodeEntries(encoded)
		if left := columns.Without(entries, func(slot uint32) bool { return gone[slot] }); 4*len(left) < len(encoded) {
			kept[id] = left
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for id, entries := range kept {
		statement, values := `UPDATE ticks SET entries = ?2 WHERE id = ?1`, []any{id, encodeEntries(entries)}
		if len(entries) == 0 {
			statement, values = `DELETE FROM ticks WHERE id = ?1`, values[:1]
		}
		if _, err := tx.ExecContext(ctx, statement, values...); err != nil {
			return err
		}
	}
	return nil
}

func slotsOf(ctx context.Context, tx *sql.Tx, query string, values ...any) (slots []uint32, err error) {
	rows, err := tx.QueryContext(ctx, query, values...)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var slot uint32
		if err := rows.Scan(&slot); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		slots = append(slots, slot)
	}
	return slots, errors.Join(rows.Err(), rows.Close())
}

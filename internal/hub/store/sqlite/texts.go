package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// sweepRange is how many texts are looked at in one transaction.
const sweepRange = 20_000

// repackedTexts is how many texts are repacked in one transaction. They are in memory meanwhile.
const repackedTexts = 2000

// sweepTexts removes the texts that no history refers to. Results are added meanwhile, so it notes which of the old texts those use: what
// is used when the history is read, or since, stays. There is one sweep at a time.
func (s *Store) sweepTexts(ctx context.Context) error {
	release, err := s.writer.take(ctx)
	if err != nil {
		return err
	}
	clear(s.writer.texts) // so that each use of one is noticed
	s.writer.used = map[int64]bool{}
	release()
	defer func() {
		// The store that is closed has nobody who would look.
		if release, err := s.writer.take(context.WithoutCancel(ctx)); err == nil {
			s.writer.used = nil
			release()
		}
	}()
	var newest int64
	if err := s.readers.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM texts`).Scan(&newest); err != nil {
		return fmt.Errorf("counting texts: %w", err)
	}
	used := make([]uint64, newest/64+1)
	err = each(ctx, s.readers, `SELECT resolution, operation, revision, user, pass, coalesce(message, 0) FROM history UNION ALL SELECT 0, 0, 0, 0, pass, 0 FROM violations`, func(rows *sql.Rows) error {
		var ids [6]int64
		err := rows.Scan(&ids[0], &ids[1], &ids[2], &ids[3], &ids[4], &ids[5])
		for _, id := range ids {
			if id > 0 && id <= newest {
				used[id/64] |= 1 << (id % 64)
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("looking for texts that are used: %w", err)
	}
	for first := int64(1); first <= newest; first += sweepRange {
		err := s.turn(ctx, func(tx *sql.Tx) (func(), error) {
			return func() {}, s.removeTexts(ctx, tx, first, min(first+sweepRange-1, newest), used)
		})
		if err != nil {
			return fmt.Errorf("removing texts: %w", err)
		}
		s.checkpoint(ctx)
	}
	return nil
}

// removeTexts removes those of a range that are neither used nor were since the sweep began.
func (s *Store) removeTexts(ctx context.Context, tx *sql.Tx, first, last int64, used []uint64) error {
	ctx = context.WithoutCancel(ctx)
	ids, err := slotsOf(ctx, tx, `SELECT id FROM texts WHERE id BETWEEN ? AND ?`, first, last)
	if err != nil {
		return err
	}
	statement, err := tx.PrepareContext(ctx, `DELETE FROM texts WHERE id = ?`)
	if err != nil {
		return err
	}
	for _, n := range ids {
		id := int64(n)
		if used[id/64]>>(id%64)&1 == 1 || s.writer.used[id] {
			continue
		}
		if _, err := statement.ExecContext(ctx, id); err != nil {
			return err
		}
	}
	return statement.Close()
}

// repackTexts writes the index of texts anew, some after the other in its order. Old texts are beside each other in the table, and anywhere in
// the index.
func (s *Store) repackTexts(ctx context.Context) error {
	after := ""
	for end := false; !end; {
		err := s.turn(ctx, func(tx *sql.Tx) (func(), error) {
			var last string
			err := tx.QueryRowContext(context.WithoutCancel(ctx), `SELECT value FROM texts WHERE value > ? ORDER BY value LIMIT 1 OFFSET ?`, after, repackedTexts).Scan(&last)
			which, values := ` WHERE value > ?1 AND value <= ?2`, []any{after, last}
			if errors.Is(err, sql.ErrNoRows) {
				end, err = true, nil
				which, values = ` WHERE value > ?1`, values[:1]
			}
			if err != nil {
				return nil, fmt.Errorf("repacking texts: %w", err)
			}
			after = last
			return func() {}, rewrite(ctx, tx, "texts", which, ` ORDER BY value`, values...)
		})
		if err != nil {
			return err
		}
		s.checkpoint(ctx)
	}
	return nil
}

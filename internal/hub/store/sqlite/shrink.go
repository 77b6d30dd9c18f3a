package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// ErrTooSmall is a size that what is never forgotten for it does not fit into.
var ErrTooSmall = errors.New("what is open, with the results of the last hour, takes more room than there may be")

const (
	// spared is how old results are that are never forgotten for their size.
	spared = time.Hour
	// shrinkRoom is the part of the size that is made free at once, so that it is not all to be done again after the next results.
	shrinkRoom = 10
	// leastShare and mostShare bound which part of the results is forgotten in one step.
	leastShare, mostShare = 0.05, 0.5
	// buckets is how finely times are looked at to find the oldest results.
	buckets = 1000
	// repackSlots is how many violations are repacked in one transaction: their rows are in memory meanwhile.
	repackSlots = 200
)

// Shrunk is what Shrink did.
type Shrunk struct {
	// Results that were forgotten.
	Results int
	// Before and After are the bytes that were used.
	Before, After int64
}

// Used is how many bytes of the database hold something. The file is larger by what is free, which is used again before it grows.
func (s *Store) Used(ctx context.Context) (int64, error) {
	var pages, free, size int64
	err := s.readers.QueryRowContext(ctx, `SELECT (SELECT page_count FROM pragma_page_count), (SELECT freelist_count FROM pragma_freelist_count),
		(SELECT page_size FROM pragma_page_size)`).Scan(&pages, &free, &size)
	if err != nil {
		return 0, fmt.Errorf("measuring what is used of the store in %s: %w", s.dir, damage(err))
	}
	return (pages - free) * size, nil
}

// Shrink does nothing while no more than limit bytes are used. Otherwise it forgets the oldest results as Forget does, in steps, until nine
// tenths of that are used. What is removed leaves holes in pages and texts that nothing refers to, so each step gives back both before it
// measures: otherwise it would forget far too much. It stops at results of the last hour with ErrTooSmall when more than limit is used then.
// Results can be added meanwhile.
func (s *Store) Shrink(ctx context.Context, limit int64) (Shrunk, error) {
	used, err := s.Used(ctx)
	done := Shrunk{Before: used, After: used}
	if err != nil || used <= limit {
		return done, err
	}
	target := limit - limit/shrinkRoom
	for used > target {
		share := min(max(float64(used-target)/float64(used), leastShare), mostShare)
		before, err := s.oldest(ctx, share)
		if err != nil {
			return done, fmt.Errorf("looking for the oldest results: %w", damage(err))
		}
		n, err := s.Forget(ctx, before)
		done.Results += n
		if err != nil {
			return done, err
		}
		if err := s.giveBack(ctx); err != nil {
			return done, fmt.Errorf("giving back the room of %d results: %w", n, damage(err))
		}
		if used, err = s.Used(ctx); err != nil {
			return done, err
		}
		done.After = used
		if n == 0 {
			break
		}
	}
	if used > limit {
		return done, fmt.Errorf("%w: %d bytes, of %d", ErrTooSmall, used, limit)
	}
	return done, nil
}

// oldest is the time before which at least a share of the results are; not one that is spared.
func (s *Store) oldest(ctx context.Context, share float64) (time.Time, error) {
	spare := s.options.Now().Add(-spared)
	var first, last sql.NullInt64
	var all int
	if err := s.readers.QueryRowContext(ctx, `SELECT min(time), max(time), count(*) FROM history`).Scan(&first, &last, &all); err != nil {
		return time.Time{}, err
	}
	if all == 0 {
		return time.Unix(0, 0), nil
	}
	width := (last.Int64-first.Int64)/buckets + 1
	counts := [buckets + 1]int{}
	err := each(ctx, s.readers, `SELECT (time - ?1) / ?2, count(*) FROM history WHERE time <= ?3 GROUP BY 1`, func(rows *sql.Rows) error {
		var bucket, n int
		err := rows.Scan(&bucket, &n)
		if err == nil && bucket >= 0 && bucket <= buckets { // results that came meanwhile may be older
			counts[bucket] += n
		}
		return err
	}, first.Int64, width, last.Int64)
	if err != nil {
		return time.Time{}, err
	}
	bucket, older := 0, counts[0]
	for ; bucket < buckets && float64(older) < share*float64(all); older += counts[bucket] {
		bucket++
	}
	before := time.Unix(0, first.Int64+int64(bucket+1)*width)
	if before.After(spare) {
		return spare, nil
	}
	return before, nil
}

// giveBack makes free pages of the room that Forget left.
func (s *Store) giveBack(ctx context.Context) error {
	if err := s.sweepTexts(ctx); err != nil {
		return err
	}
	if err := s.repackTexts(ctx); err != nil {
		return err
	}
	for _, table := range []string{"history", "documents", "violations"} {
		for first, end := int64(0), false; !end; first += repackSlots {
			err := s.turn(ctx, func(tx *sql.Tx) (func(), error) {
				end = first+repackSlots > int64(s.index.End())
				return func() {}, repack(ctx, tx, table, first, first+repackSlots-1)
			})
			if err != nil {
				return err
			}
			s.checkpoint(ctx)
		}
	}
	return nil
}

// repack writes the rows of some slots anew, one after the other: rows that go leave their pages half empty, and those are not free.
func repack(ctx context.Context, tx *sql.Tx, table string, first, last int64) error {
	return rewrite(ctx, tx, table, ` WHERE slot BETWEEN ?1 AND ?2`, ` ORDER BY slot`, first, last)
}

// rewrite removes rows and inserts them again in an order.
func rewrite(ctx context.Context, tx *sql.Tx, table, which, order string, values ...any) error {
	ctx = context.WithoutCancel(ctx)
	for _, statement := range []struct {
		text   string
		values []any
	}{
		{`CREATE TEMP TABLE repacked AS SELECT * FROM ` + table + which + order, values},
		{`DELETE FROM ` + table + which, values},
		{`INSERT INTO ` + table + ` SELECT * FROM repacked`, nil},
		{`DROP TABLE repacked`, nil},
	} {
		if _, err := tx.ExecContext(ctx, statement.text, statement.values...); err != nil {
			return fmt.Errorf("repacking %s: %w", table, err)
		}
	}
	return nil
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/assay-gitops/assay/internal/weave"
)

// load fills the memory from the database.
func (s *Store) load(ctx context.Context) error {
	if err := s.loadPolicies(ctx); err != nil {
		return fmt.Errorf("reading the policies: %w", err)
	}
	err := each(ctx, s.readers, `SELECT `+violationColumns+` FROM violations ORDER BY slot`, func(rows *sql.Rows) error {
		var v violation
		if err := v.scan(rows); err != nil {
			return err
		}
		policy, known := s.writer.byID[v.Policy]
		if !known {
			return fmt.Errorf("%w: violation %s is of a policy that is not there", ErrDamaged, v.key)
		}
		if err := s.index.Load(v.slot, v.indexed(policy)); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the violations: %w", err)
	}
	s.index.Loaded()
	err = each(ctx, s.readers, `SELECT day, entries FROM ticks`, func(rows *sql.Rows) error {
		var day int32
		var entries sql.RawBytes
		if err := rows.Scan(&day, &entries); err != nil {
			return err
		}
		s.index.Note(day, decodeEntries(entries))
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the timeline: %w", err)
	}
	if err := s.readers.QueryRowContext(ctx, `SELECT results FROM totals`).Scan(&s.results); err != nil {
		return fmt.Errorf("reading how many results there are: %w", err)
	}
	return nil
}

func (s *Store) loadPolicies(ctx context.Context) error {
	return each(ctx, s.readers, `SELECT id, hash, definition FROM policies`, func(rows *sql.Rows) error {
		var id int64
		var hash, definition sql.RawBytes
		if err := rows.Scan(&id, &hash, &definition); err != nil {
			return err
		}
		var p weave.Policy
		if err := s.read.Codec.Decode(definition, &p); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		k := known(id, &p)
		s.writer.policies[[16]byte(append(hash, make([]byte, 16)...)[:16])] = k
		s.writer.byID[id] = k
		return nil
	})
}

// each calls for each row of a query.
func each(ctx context.Context, db *sql.DB, query string, do func(*sql.Rows) error, values ...any) error {
	rows, err := db.QueryContext(ctx, query, values...)
	if err != nil {
		return err
	}
	return eachOf(rows, do)
}

func eachOf(rows *sql.Rows, do func(*sql.Rows) error) error {
	for rows.Next() {
		if err := do(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

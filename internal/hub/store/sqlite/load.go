package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/assay-gitops/assay/internal/weave"
)

// load fills the memory from the database.
func (s *Store) load(ctx context.Context) error {
	if err := s.loadPolicies(ctx); err != nil {
		return fmt.Errorf("reading the policies: %w", err)
	}
	if err := s.loadViolations(ctx); err != nil {
		return fmt.Errorf("reading the violations: %w", err)
	}
	s.index.Loaded()
	err := each(ctx, s.readers, `SELECT day, entries FROM ticks`, func(rows *sql.Rows) error {
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

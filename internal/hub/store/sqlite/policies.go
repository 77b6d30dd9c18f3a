package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// sweepPolicies removes the policies that no violation and no document refers to: each version of a policy is one. Results are added meanwhile,
// so it notes which policies those use. When there is a sweep already, that one does.
func (s *Store) sweepPolicies(ctx context.Context) error {
	if !s.sweeping.TryLock() {
		return nil
	}
	defer s.sweeping.Unlock()
	release, err := s.writer.take(ctx)
	if err != nil {
		return err
	}
	left := make(map[int64]bool, len(s.writer.byID))
	for id := range s.writer.byID {
		left[id] = true
	}
	s.writer.usedPolicies = map[int64]bool{}
	release()
	defer func() {
		// The store that is closed has nobody who would look.
		if release, err := s.writer.take(context.WithoutCancel(ctx)); err == nil {
			s.writer.usedPolicies = nil
			release()
		}
	}()
	err = each(ctx, s.readers, `SELECT DISTINCT policy FROM (SELECT policy FROM violations UNION ALL SELECT policy FROM documents)`, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		delete(left, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("looking for policies that are used: %w", err)
	}
	if len(left) == 0 {
		return nil
	}
	err = s.turn(ctx, func(tx *sql.Tx) (func(), error) {
		for id := range left {
			if s.writer.usedPolicies[id] {
				delete(left, id)
				continue
			}
			if _, err := tx.ExecContext(context.WithoutCancel(ctx), `DELETE FROM policies WHERE id = ?`, id); err != nil {
				return nil, err
			}
		}
		return func() {
			for hash, known := range s.writer.policies {
				if left[known.id] {
					delete(s.writer.policies, hash)
					delete(s.writer.byID, known.id)
				}
			}
		}, nil
	})
	if err != nil {
		return fmt.Errorf("removing policies: %w", err)
	}
	return nil
}

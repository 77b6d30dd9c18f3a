package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/assay-gitops/assay/internal/hub/store"
)

var _ store.SeveralReader = (*Store)(nil)

// selectHistories is selectHistory of the violations in some slots. The results of one are beside each other.
const selectHistories = `WITH newest AS (SELECT * FROM (
		SELECT *, row_number() OVER (PARTITION BY slot ORDER BY time DESC, id DESC) AS place FROM history WHERE slot IN (%s)
	) WHERE place <= ?)
	SELECT h.slot, ` + historyValues + ` ORDER BY h.slot, h.place`

// Several implements store.SeveralReader.
func (s *Store) Several(ctx context.Context, scope store.Scope, ids []string, limit int) (map[string]store.WithHistory, error) {
	if limit < 1 {
		return nil, fmt.Errorf("%w: %d results of a history", store.ErrInvalid, limit)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := make(map[string]store.WithHistory, len(ids))
	slots := make([]string, 0, len(ids))
	for _, id := range ids {
		if slot, err := s.slot(scope, id); err == nil { // otherwise it is not there
			slots = append(slots, strconv.FormatUint(uint64(slot), 10))
		}
	}
	if len(slots) == 0 {
		return found, nil
	}
	list := strings.Join(slots, ",")
	histories := make(map[uint32][]store.Event, len(slots))
	err := each(ctx, s.readers, fmt.Sprintf(selectHistories, list), func(rows *sql.Rows) error {
		var slot uint32
		e, err := scanEvent(rows, &slot)
		histories[slot] = append(histories[slot], e)
		return err
	}, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the histories of %d violations: %w", len(slots), damage(err))
	}
	err = each(ctx, s.readers, `SELECT `+violationColumns+` FROM violations WHERE slot IN (`+list+`)`, func(rows *sql.Rows) error {
		var v violation
		err := v.scan(rows)
		found[v.key.String()] = store.WithHistory{Violation: v.shown(s.writer.byID[v.Policy]), History: histories[v.slot]}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading %d violations: %w", len(slots), damage(err))
	}
	return found, nil
}

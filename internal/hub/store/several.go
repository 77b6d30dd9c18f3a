package store

import (
	"context"
	"errors"
)

// WithHistory is a violation, without its document, and its newest results, the newest first.
type WithHistory struct {
	Violation Violation
	History   []Event
}

// SeveralReader is a Store to which reading several violations at once is less work than one after the other. Not every Store is one: Several
// asks any.
type SeveralReader interface {
	// Several are the violations in scope with these IDs, by ID, each with at most limit results, all as of one moment. Those that are not
	// there are left out.
	Several(ctx context.Context, scope Scope, ids []string, limit int) (map[string]WithHistory, error)
}

// Several asks a store as SeveralReader says. What comes while another Store is asked may be in a violation and not in its history.
func Several(ctx context.Context, s Store, scope Scope, ids []string, limit int) (map[string]WithHistory, error) {
	if several, is := s.(SeveralReader); is {
		return several.Several(ctx, scope, ids, limit) //nolint:wrapcheck // it says what was read
	}
	found := make(map[string]WithHistory, len(ids))
	for _, id := range ids {
		history, err := s.History(ctx, scope, id, limit)
		var v *Violation
		if err == nil {
			v, err = s.Violation(ctx, scope, id)
		}
		switch {
		case errors.Is(err, ErrNotFound):
			continue
		case err != nil:
			return nil, err //nolint:wrapcheck // it says what was read
		}
		v.Document = nil
		found[id] = WithHistory{*v, history}
	}
	return found, nil
}

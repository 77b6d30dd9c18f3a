package sqlite

import (
	"cmp"
	"database/sql"
	"fmt"
	"slices"
)

// What became of a violation.
const (
	same = iota
	// seen again, and nothing else.
	seen
	changed
)

func (c *change) what() int {
	if c.isNew {
		return changed
	}
	before := c.before
	if before == c.now {
		return same
	}
	before.Last, before.Newest, before.Revision, before.pass, before.life = c.now.Last, c.now.Newest, c.now.Revision, c.now.pass, c.now.life
	if before == c.now {
		return seen
	}
	return changed
}

// writeAll writes what the batch changed, in the order of the database's trees.
func (b *batch) writeAll() error {
	slices.SortFunc(b.order, func(x, y *change) int { return cmp.Compare(x.now.slot, y.now.slot) })
	var again []*change
	for _, c := range b.order {
		if err := b.writeDocument(c); err != nil {
			return err
		}
		switch c.what() {
		case seen:
			again = append(again, c)
		case changed:
			if _, err := b.exec(b.w.insertViolation, c.now.values()...); err != nil {
				return fmt.Errorf("writing the violation %s: %w", c.now.key, err)
			}
		}
	}
	return b.w.updateSeen.each(len(again), func(statement *sql.Stmt, first, n int) error {
		values := make([]any, 0, 6*n)
		for _, c := range again[first : first+n] {
			now := &c.now
			values = append(values, int64(now.slot), now.Last, now.Newest, now.Revision, now.pass, int64(now.life))
		}
		if _, err := b.exec(statement, values...); err != nil {
			return fmt.Errorf("writing when violations were seen: %w", err)
		}
		return nil
	})
}

// writeDocument writes the newest result, unless the document says the same.
func (b *batch) writeDocument(c *change) error {
	it := c.newest
	if it == nil || c.now.content == c.before.content {
		return nil
	}
	if it.Document == nil {
		it.Document = b.s.read.Codec.Compress(it.Said)
	}
	if _, err := b.exec(b.w.putDocument, int64(c.now.slot), c.policy, it.Document); err != nil {
		return fmt.Errorf("writing the document of the violation %s: %w", c.now.key, err)
	}
	return nil
}

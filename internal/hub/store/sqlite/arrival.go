package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/fold"
)

// arrival is a result of a batch on its way into the history.
type arrival struct {
	item   *fold.Item
	change *change
	// row is of table history.
	row [historyColumns]any
	// fresh is one that was not known. One that is alone is inserted when it is its turn.
	fresh, alone bool
}

// historyColumns is how many values a result has in the history; the first are its slot and ID, the last is its pass.
const historyColumns = 9

func (a *arrival) id() any     { return a.row[1] }
func (a *arrival) pass() int64 { n, _ := a.row[historyColumns-1].(int64); return n }

// arrive finds the violations of results, or makes them, and puts the results into the history, many at a time. Messages move between the
// results of a violation in the order in which they come, so those of a violation of which there are several are left alone.
func (b *batch) arrive(cluster string, items []fold.Item) ([]arrival, error) {
	if err := b.readViolations(items); err != nil {
		return nil, err
	}
	arrivals := make([]arrival, len(items))
	several := make(map[store.Key]int, len(items))
	for i := range items {
		several[items[i].Key]++
	}
	together := make([]*arrival, 0, len(items))
	for i := range items {
		a, err := b.arrival(cluster, &items[i])
		if err != nil {
			return nil, fmt.Errorf("result %s: %w", items[i].ID, err)
		}
		a.alone = several[items[i].Key] > 1
		arrivals[i] = a
		if !a.alone {
			together = append(together, &arrivals[i])
		}
	}
	return arrivals, b.insertTogether(together)
}

func (b *batch) arrival(cluster string, it *fold.Item) (arrival, error) {
	c, err := b.change(it.Key)
	if err != nil {
		return arrival{}, err
	}
	if c == nil {
		if c, err = b.create(cluster, it); err != nil {
			return arrival{}, err
		}
	}
	a := arrival{item: it, change: c}
	a.row = [historyColumns]any{int64(c.now.slot), resultID(it.ID), it.At, int64(saysOf(it.Result.Life, it.Reading))}
	for i, text := range []string{it.Reading.Resolution, string(it.Result.Operation), revisionOf(it.Result.App), it.Result.User, it.Result.Pass} {
		n, err := b.text(text)
		if err != nil {
			return arrival{}, err
		}
		a.row[historyColumns-5+i] = n
	}
	return a, nil
}

// readViolations reads those that results are about or may resolve: one query takes a fraction of the time of one for each.
func (b *batch) readViolations(items []fold.Item) error {
	var slots []string
	keys := make(map[store.Key]bool, len(items))
	want := func(key store.Key) bool {
		// Only the writer changes the index, so it may read it without the lock.
		slot, found := b.s.index.Slot(key)
		if found && !keys[key] {
			keys[key] = true
			slots = append(slots, strconv.FormatUint(uint64(slot), 10))
		}
		return found
	}
	for i := range items {
		it := &items[i]
		if found := want(it.Key); it.Closes || it.Asks && !found {
			want(it.Other)
		}
	}
	if len(slots) == 0 {
		return nil
	}
	rows, err := b.tx.QueryContext(b.ctx, `SELECT `+violationColumns+` FROM violations WHERE slot IN (`+strings.Join(slots, ",")+`)`)
	if err != nil {
		return fmt.Errorf("reading violations: %w", err)
	}
	return eachOf(rows, func(rows *sql.Rows) error {
		c := &change{}
		if err := c.now.scan(rows); err != nil {
			return fmt.Errorf("reading violations: %w", err)
		}
		c.before = c.now
		b.changed[c.now.key] = c
		b.order = append(b.order, c)
		return nil
	})
}

// insertTogether puts results of different violations into the history.
func (b *batch) insertTogether(arrivals []*arrival) error {
	type place struct {
		slot int64
		id   string
	}
	at := func(slot int64, id any) place {
		switch id := id.(type) {
		case []byte:
			return place{slot, "\x00" + string(id)}
		case string:
			return place{slot, id}
		}
		return place{}
	}
	awaited := make(map[place]*arrival, len(arrivals))
	for _, a := range arrivals {
		slot, _ := a.row[0].(int64)
		awaited[at(slot, a.id())] = a
	}
	return b.w.insertHistories.each(len(arrivals), func(statement *sql.Stmt, first, n int) error {
		values := make([]any, 0, n*historyColumns)
		for _, a := range arrivals[first : first+n] {
			values = append(values, a.row[:]...)
		}
		rows, err := b.in(statement).QueryContext(b.ctx, values...)
		if err != nil {
			return fmt.Errorf("adding to the history: %w", err)
		}
		return eachOf(rows, func(rows *sql.Rows) error {
			var slot int64
			var id any
			if err := rows.Scan(&slot, &id); err != nil {
				return fmt.Errorf("adding to the history: %w", err)
			}
			if a := awaited[at(slot, id)]; a != nil {
				a.fresh = true
			}
			return nil
		})
	})
}

func (b *batch) insertAlone(a *arrival) (fresh bool, err error) {
	inserted, err := b.exec(b.w.insertHistory, a.row[:]...)
	if err != nil {
		return false, err
	}
	n, err := inserted.RowsAffected()
	return n > 0, err
}

// several are statements that do the same with as many rows as their keys say.
type several map[int]*sql.Stmt

// severalRows are the numbers of rows, from the largest.
var severalRows = [...]int{100, 10, 1}

// prepareSeveral prepares a statement that has rows, each of so many values, where it has %s.
func prepareSeveral(ctx context.Context, db *sql.DB, text string, values int) (several, error) {
	s := several{}
	row := "(" + strings.Repeat("?,", values-1) + "?)"
	for _, n := range severalRows {
		whole := fmt.Sprintf(text, strings.Repeat(row+",", n-1)+row)
		statement, err := db.PrepareContext(ctx, whole)
		if err != nil {
			return nil, fmt.Errorf("preparing %s: %w", whole, err)
		}
		s[n] = statement
	}
	return s, nil
}

// each calls for parts of a list, with the statement for so many rows.
func (s several) each(length int, do func(statement *sql.Stmt, first, n int) error) error {
	first := 0
	for _, n := range severalRows {
		for ; length-first >= n; first += n {
			if err := do(s[n], first, n); err != nil {
				return err
			}
		}
	}
	return nil
}

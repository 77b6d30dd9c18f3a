package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/fold"
	"github.com/assay-gitops/assay/internal/sink"
)

// batch is what one Add changes. Nothing of it is seen before it is committed.
type batch struct {
	ctx context.Context //nolint:containedctx // a batch is one call
	s   *Store
	w   *writer
	tx  *sql.Tx
	// statements of the writer in the transaction.
	statements map[*sql.Stmt]*sql.Stmt

	changed map[store.Key]*change
	// order has what changed has, in an order.
	order    []*change
	ticks    ticks
	added    int
	reserved []uint32
	// texts and policies that are new: forgotten when the batch is rolled back.
	texts    []string
	policies []knownPolicy
	hashes   [][16]byte
	done     bool
}

// change of a violation.
type change struct {
	before, now violation
	isNew       bool
	// newest is the newest result, with the id of its policy; nil when it is not one of the batch.
	newest *fold.Item
	policy int64
}

func (s *Store) begin(ctx context.Context) (*batch, error) {
	tx, err := s.writer.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &batch{ctx: ctx, s: s, w: s.writer, tx: tx, statements: map[*sql.Stmt]*sql.Stmt{}, changed: map[store.Key]*change{}, ticks: ticks{}}, nil
}

// in is a statement of the writer in the transaction.
func (b *batch) in(statement *sql.Stmt) *sql.Stmt {
	s := b.statements[statement]
	if s == nil {
		s = b.tx.StmtContext(b.ctx, statement)
		b.statements[statement] = s
	}
	return s
}

func (b *batch) exec(statement *sql.Stmt, values ...any) (sql.Result, error) {
	return b.in(statement).ExecContext(b.ctx, values...)
}

func (b *batch) addAll(cluster string, items []fold.Item) error {
	arrivals, err := b.arrive(cluster, items)
	if err != nil {
		return err
	}
	for i := range arrivals {
		if err := b.add(&arrivals[i]); err != nil {
			return fmt.Errorf("result %s: %w", items[i].ID, err)
		}
	}
	if err := b.writeAll(); err != nil {
		return err
	}
	for day, entries := range b.ticks {
		if _, err := b.exec(b.w.insertTicks, day, encodeEntries(entries)); err != nil {
			return err
		}
	}
	if b.added > 0 {
		if _, err := b.tx.ExecContext(b.ctx, `UPDATE totals SET results = results + ?`, b.added); err != nil {
			return err
		}
	}
	return b.seen(cluster, items)
}

// seen notes that something of the cluster came.
func (b *batch) seen(cluster string, items []fold.Item) error {
	now := b.s.options.Now()
	var newest moment
	for i := range items {
		newest = max(newest, items[i].At)
	}
	skew := time.Unix(0, newest).Sub(now)
	if len(items) == 0 {
		skew = 0
	}
	_, err := b.tx.ExecContext(b.ctx, `INSERT INTO clusters (name, first, last, skew) VALUES (?1, ?2, ?2, ?3)
		ON CONFLICT (name) DO UPDATE SET last = excluded.last, skew = iif(?4, excluded.skew, skew)`, cluster, now.UnixNano(), int64(skew), len(items) > 0)
	return err
}

// add does what a result does to its violation, unless it was known.
func (b *batch) add(a *arrival) error {
	if a.alone {
		var err error
		if a.fresh, err = b.insertAlone(a); err != nil {
			return err
		}
	}
	if !a.fresh {
		return nil
	}
	it, c, r := a.item, a.change, a.item.Result
	b.added++
	policy, err := b.policy(it)
	if err != nil {
		return err
	}
	message := c.now.Message
	if c.now.Take(it, policy.id, func(id int64) bool { return b.w.byID[id].Stub }) {
		c.newest, c.policy = it, policy.id
		c.now.content, c.now.pass, c.now.life = it.Content, a.pass(), slices.Index(fold.Lives, r.Life)
	}
	if err := b.keepMessages(c, a.id(), message, r.Validation.Message); err != nil {
		return err
	}
	b.ticks.add(c.now.slot, it.At, it.Reading.Day)
	return b.conclude(c, it)
}

// keepMessages gives the results of a violation their messages when they are not the one that it has now.
func (b *batch) keepMessages(c *change, id any, before, message string) error {
	if now := c.now.Message; now != before {
		n, err := b.text(before)
		if err == nil {
			_, err = b.exec(b.w.moveMessages, n, c.now.slot, id)
		}
		if err != nil {
			return err
		}
	}
	if message == c.now.Message {
		return nil
	}
	n, err := b.text(message)
	if err == nil {
		_, err = b.exec(b.w.setMessage, n, c.now.slot, id)
	}
	return err
}

// conclude does what a result does to the violation of the other gate, or that to its.
func (b *batch) conclude(c *change, it *fold.Item) error {
	switch {
	case it.Closes:
		c.now.Close(it.At, it.Result.Resolution)
		other, err := b.change(it.Other)
		if err == nil && other != nil {
			other.now.Close(it.At, it.Result.Resolution)
		}
		return err
	case it.Asks && c.isNew:
		other, err := b.change(it.Other)
		if err == nil && other != nil && other.now.Closed != 0 {
			c.now.Close(other.now.Closed, other.now.ClosedWhy)
		}
		return err
	}
	return nil
}

// change of the violation with a key; nil when there is none.
func (b *batch) change(key store.Key) (*change, error) {
	if c := b.changed[key]; c != nil {
		return c, nil
	}
	// Only the writer changes the index, so it may read it without the lock.
	slot, found := b.s.index.Slot(key)
	if !found {
		return nil, nil
	}
	c := &change{}
	if err := c.now.scan(b.in(b.w.selectViolation).QueryRowContext(b.ctx, slot)); err != nil {
		return nil, fmt.Errorf("reading the violation %s: %w", key, err)
	}
	c.before = c.now
	b.changed[key] = c
	b.order = append(b.order, c)
	return c, nil
}

func (b *batch) create(cluster string, it *fold.Item) (*change, error) {
	slot, err := b.reserve()
	if err != nil {
		return nil, err
	}
	e := &it.Result.Validation.Entity
	c := &change{isNew: true, now: violation{
		slot: slot, key: it.Key, cluster: cluster, kind: e.Kind, namespace: e.Namespace, name: e.Name, State: fold.New[int64](it),
	}}
	b.changed[it.Key] = c
	b.order = append(b.order, c)
	return c, nil
}

// reserve takes a slot. Who reads does not look at the free ones, but lists them end.
func (b *batch) reserve() (uint32, error) {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	slot, err := b.s.index.Reserve()
	if err == nil {
		b.reserved = append(b.reserved, slot)
	}
	return slot, err
}

func revisionOf(app *sink.App) string {
	if app == nil {
		return ""
	}
	return app.Revision
}

// text is the number of a text.
func (b *batch) text(value string) (int64, error) {
	if value == "" {
		return 0, nil
	}
	if n, known := b.w.texts[value]; known {
		return n, nil
	}
	var n int64
	err := b.in(b.w.selectText).QueryRowContext(b.ctx, value).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		n, err = inserted(b.exec(b.w.insertText, value))
	}
	if err != nil {
		return 0, err
	}
	if b.w.used != nil {
		b.w.used[n] = true
	}
	if len(b.w.texts) >= maxTexts {
		clear(b.w.texts)
	}
	b.w.texts[value] = n
	b.texts = append(b.texts, value)
	return n, nil
}

func (b *batch) policy(it *fold.Item) (knownPolicy, error) {
	if k, is := b.w.policies[it.Definition.Hash]; is {
		if b.w.usedPolicies != nil {
			b.w.usedPolicies[k.id] = true
		}
		return k, nil
	}
	id, err := inserted(b.exec(b.w.insertPolicy, it.Definition.Hash[:], b.s.read.Codec.Compress(it.Definition.Text)))
	if err != nil {
		return knownPolicy{}, err
	}
	k := known(id, &it.Result.Validation.Policy)
	b.w.policies[it.Definition.Hash] = k
	b.hashes = append(b.hashes, it.Definition.Hash)
	b.policies = append(b.policies, k)
	// Readers have their turn before: they look for policies of violations.
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	b.w.byID[id] = k
	return k, nil
}

func inserted(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// commit makes what was changed seen, in the database and in memory at once.
func (b *batch) commit() error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	if err := b.tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	b.done = true
	for _, c := range b.order {
		switch c.what() {
		case seen:
			b.s.index.Seen(c.now.slot, c.now.Last)
		case changed:
			b.s.index.Put(c.now.slot, c.now.indexed(b.w.byID[c.now.Policy]))
		}
	}
	for day, entries := range b.ticks {
		b.s.index.Note(day, entries)
	}
	b.s.results += b.added
	return nil
}

// rollback undoes what was not committed.
func (b *batch) rollback() {
	if b.done {
		return
	}
	if err := b.tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		b.s.options.Logger.Error("what could not be added could not be undone", "dir", b.s.dir, "error", err)
	}
	for _, value := range b.texts {
		delete(b.w.texts, value)
	}
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	for i, k := range b.policies {
		delete(b.w.policies, b.hashes[i])
		delete(b.w.byID, k.id)
	}
	for _, slot := range b.reserved {
		b.s.index.Release(slot)
	}
}

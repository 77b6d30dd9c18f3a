package search

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/fold"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/words"
)

const (
	// maxResult is how large a result may be, compressed. An object in a cluster has 1.5 MiB at most, uncompressed.
	maxResult = 5 << 20
	// maxRounds is how often violations are read again that another hub changed meanwhile.
	maxRounds = 30
	// maxPending bounds what is remembered of a violation whose results are never sent again.
	maxPending = 2000
)

// hashOf texts, as an id: 32 hexadecimal digits.
func hashOf(texts ...string) string {
	h := sha256.New()
	for _, text := range texts {
		_, _ = h.Write([]byte(strconv.Itoa(len(text)) + ":" + text))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Add implements store.Store.
func (s *Store) Add(ctx context.Context, cluster string, results []*sink.Result) (int, error) {
	added, err := s.add(ctx, cluster, results)
	if err != nil {
		return 0, fmt.Errorf("adding %d results of cluster %s: %w", len(results), cluster, err)
	}
	return added, nil
}

func (s *Store) add(ctx context.Context, cluster string, results []*sink.Result) (int, error) {
	items, err := s.read.Items(cluster, results)
	if err != nil {
		return 0, err //nolint:wrapcheck // it says which result
	}
	for i := range items {
		if n := len(items[i].Document); n > maxResult {
			return 0, fmt.Errorf("%w: the result %s has %d bytes, compressed: %d at most can be kept in a search server", store.ErrInvalid, items[i].ID, n, maxResult)
		}
	}
	if err := s.prepare(ctx); err != nil {
		return 0, err
	}
	if err := s.keepPolicies(ctx, items); err != nil {
		return 0, fmt.Errorf("keeping policies: %w", err)
	}
	b := newBatch(s, cluster, items)
	for round := 0; len(b.left) > 0; round++ {
		if round == maxRounds || round > 0 && !pause(ctx, min(round-1, 3), 0) {
			return 0, unavailable(fmt.Errorf("%d violations are being changed by others again and again", len(b.left)))
		}
		if err := b.round(ctx); err != nil {
			return 0, err
		}
	}
	return b.keepHistory(ctx, results)
}

// batch is what one Add has to do.
type batch struct {
	s       *Store
	cluster string
	// left are the violations that are to be changed, in the order of the results.
	left []*change
	// missing are results that the history does not have, by their ids there.
	missing map[string]*fold.Item
	order   []string
}

// change of a violation.
type change struct {
	key    store.Key
	items  []*fold.Item
	closes []closing
	// asks is the audit's violation of one of admission; nil for none.
	asks *store.Key

	// seen is the violation as it was read; nil when it is not there. The rest is what it becomes.
	seen  *hit
	now   kept
	ticks ticks
	// result is the newest when it is another one.
	result []byte
	// asked is what audit had said when the violation was made.
	asked closing
}

// closing is that audit said that a violation is resolved.
type closing struct {
	at  int64
	why string
}

func newBatch(s *Store, cluster string, items []fold.Item) *batch {
	b := &batch{s: s, cluster: cluster, missing: map[string]*fold.Item{}}
	changes := map[store.Key]*change{}
	of := func(key store.Key) *change {
		c := changes[key]
		if c == nil {
			c = &change{key: key}
			changes[key] = c
			b.left = append(b.left, c)
		}
		return c
	}
	seen := map[string]bool{}
	for i := range items {
		it := &items[i]
		if id := eventID(it.Key, it.ID); seen[id] {
			continue
		} else {
			seen[id] = true
		}
		c := of(it.Key)
		c.items = append(c.items, it)
		if it.Asks {
			c.asks = &it.Other
		}
		if it.Closes {
			other := of(it.Other)
			other.closes = append(other.closes, closing{it.At, it.Result.Resolution})
		}
	}
	return b
}

// round reads what is left, changes it, and writes it. What others changed meanwhile is left for the next one.
func (b *batch) round(ctx context.Context) error {
	read, err := b.violations(ctx)
	if err != nil {
		return err
	}
	// The history comes second: what was pending and is not any more is there.
	known, err := b.known(ctx)
	if err != nil {
		return err
	}
	var operations []operation
	var written, done []*change
	for _, c := range b.left {
		if o, changed := b.fold(c, known, read); changed {
			operations, written = append(operations, o), append(written, c)
		} else {
			done = append(done, c)
		}
	}
	outcomes, err := b.s.bulk(ctx, operations)
	if err != nil {
		return fmt.Errorf("writing violations: %w", err)
	}
	b.left = nil
	for i, c := range written {
		if outcomes[i].done() {
			done = append(done, c)
		} else {
			b.left = append(b.left, c)
		}
	}
	return b.lookAgain(ctx, done)
}

// violations reads those that are left, and those of audit that tell about them.
func (b *batch) violations(ctx context.Context) (map[string]*document, error) {
	var ids []string
	for _, c := range b.left {
		ids = append(ids, c.key.String())
		if c.asks != nil {
			ids = append(ids, c.asks.String())
		}
	}
	slices.Sort(ids)
	documents, err := b.s.get(ctx, b.s.violations, slices.Compact(ids), keptFields...)
	if err != nil {
		return nil, fmt.Errorf("reading violations: %w", err)
	}
	read := make(map[string]*document, len(documents))
	for id, hit := range documents {
		read[id] = &document{}
		if err := decode(b.s.violations, id, hit.Source, read[id]); err != nil {
			return nil, err
		}
	}
	for _, c := range b.left {
		id := c.key.String()
		c.seen, c.now, c.ticks, c.result, c.asked = documents[id], kept{}, ticks{}, nil, closing{}
		if c.seen != nil {
			c.now, c.ticks = read[id].Kept, decodeTicks(read[id].Ticks)
		}
	}
	return read, nil
}

// known tells which results the history has, of those that came and those that are pending, by their ids there.
func (b *batch) known(ctx context.Context) (map[string]*hit, error) {
	var ids []string
	for _, c := range b.left {
		if c.seen == nil {
			continue // nothing was folded into it
		}
		for _, it := range c.items {
			ids = append(ids, eventID(c.key, it.ID))
		}
		for _, result := range c.now.Pending {
			ids = append(ids, eventID(c.key, result))
		}
	}
	slices.Sort(ids)
	known, err := b.s.get(ctx, b.s.history, slices.Compact(ids))
	if err != nil {
		return nil, fmt.Errorf("reading which results are known: %w", err)
	}
	return known, nil
}

// fold adds results to a violation; false when that changes nothing.
func (b *batch) fold(c *change, known map[string]*hit, read map[string]*document) (operation, bool) {
	if c.seen == nil && len(c.items) == 0 {
		return operation{}, false // audit knows it only
	}
	now := &c.now
	before := now.State
	var pending []string
	for _, result := range now.Pending {
		if known[eventID(c.key, result)] == nil {
			pending = append(pending, result)
		}
	}
	folded := false
	for _, it := range c.items {
		id := eventID(c.key, it.ID)
		if known[id] != nil {
			continue
		}
		if b.missing[id] == nil {
			b.missing[id] = it
			b.order = append(b.order, id)
		}
		if slices.Contains(pending, it.ID) {
			continue
		}
		if c.seen == nil && !folded {
			e := &it.Result.Validation.Entity
			*now = kept{Cluster: b.cluster, Kind: e.Kind, Namespace: e.Namespace, Name: e.Name, State: fold.New[*fold.Facts](it)}
		}
		folded = true
		facts := fold.FactsOf(&it.Result.Validation.Policy)
		if now.Take(it, &facts, stub) {
			c.result, now.Definition = it.Document, policyID(it.Definition)
		}
		if it.Closes {
			now.Close(it.At, it.Result.Resolution)
		}
		c.ticks.add(it.At, it.Reading.Day)
		pending = append(pending, it.ID)
	}
	if c.seen == nil && !folded {
		return operation{}, false // it was forgotten just now
	}
	for _, closed := range c.closes {
		now.Close(closed.at, closed.why)
	}
	if c.seen == nil && c.asks != nil {
		if audit := read[c.asks.String()]; audit != nil && audit.Kept.Closed != 0 {
			c.asked = closing{audit.Kept.Closed, audit.Kept.ClosedWhy}
			now.Close(c.asked.at, c.asked.why)
		}
	}
	if !folded && now.State == before {
		return operation{}, false
	}
	now.Message = words.Cut(now.Message, maxMessage)
	now.Pending = pending[max(0, len(pending)-maxPending):]
	d := documentOf(c.key, now, c.ticks)
	d.Result = c.result
	o := operation{action: "create", index: b.s.violations, id: d.ID, body: d}
	switch {
	case c.seen != nil && d.Result != nil:
		o.action, o.seen = "index", c.seen // all of it is new, so the server need not read what is there
	case c.seen != nil:
		o.action, o.seen, o.body = "update", c.seen, object{"doc": d}
	}
	return o, true
}

// lookAgain finds what another hub wrote between reading and writing, where two violations are about the same object: one that audit resolves
// while admission's is made, here or there. One of the two sees what the other wrote.
func (b *batch) lookAgain(ctx context.Context, done []*change) error {
	var ids []string
	for _, c := range done {
		switch {
		case c.seen == nil && len(c.items) == 0:
			ids = append(ids, c.key.String())
		case c.seen == nil && c.asks != nil:
			ids = append(ids, c.asks.String())
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	documents, err := b.s.get(ctx, b.s.violations, slices.Compact(ids), keptFields...)
	if err != nil {
		return fmt.Errorf("reading violations: %w", err)
	}
	for _, c := range done {
		switch {
		case c.seen == nil && len(c.items) == 0:
			if documents[c.key.String()] != nil {
				b.left = append(b.left, c)
			}
		case c.seen == nil && c.asks != nil:
			hit := documents[c.asks.String()]
			if hit == nil {
				continue
			}
			var audit document
			if err := decode(b.s.violations, hit.ID, hit.Source, &audit); err != nil {
				return err
			}
			if said := (closing{audit.Kept.Closed, audit.Kept.ClosedWhy}); said.at != 0 && said != c.asked {
				b.left = append(b.left, &change{key: c.key, closes: []closing{said}})
			}
		}
	}
	return nil
}

// keepHistory writes the results that are folded, and that something of the cluster came. It tells how many were new.
func (b *batch) keepHistory(ctx context.Context, results []*sink.Result) (added int, err error) {
	operations := make([]operation, 0, len(b.order)+1)
	for _, id := range b.order {
		operations = append(operations, operation{action: "create", index: b.s.history, id: id, body: eventOf(b.missing[id])})
	}
	operations = append(operations, b.seen(results))
	outcomes, err := b.s.bulk(ctx, operations)
	if err != nil {
		return 0, fmt.Errorf("writing the history: %w", err)
	}
	for i := range b.order {
		if outcomes[i].done() {
			added++ // otherwise another hub did meanwhile
		}
	}
	return added, nil
}

// seen notes that something of the cluster came.
func (b *batch) seen(results []*sink.Result) operation {
	now := b.s.options.Now()
	later := object{"last": now.UnixNano()}
	first := object{"type": clusterRecord, "id": hashOf(b.cluster), "name": term(b.cluster), "exact": b.cluster, "first": now.UnixNano(), "last": now.UnixNano(), "skew": 0}
	if len(results) > 0 {
		var newest int64
		for _, r := range results {
			newest = max(newest, r.Validation.CreatedAt.UnixNano())
		}
		skew := int64(time.Unix(0, newest).Sub(now))
		later["skew"], first["skew"] = skew, skew
	}
	return operation{
		action: "update", index: b.s.records, id: recordID(clusterRecord, hashOf(b.cluster)), retries: 5, body: object{"doc": later, "upsert": first},
	}
}

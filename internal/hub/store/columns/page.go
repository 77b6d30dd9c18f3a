package columns

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/cursor"
)

// maxLimit is how long a page is at most.
const maxLimit = 1000

// candidate for a page. Main is what its order compares first: a time or a place.
type candidate struct {
	main int64
	slot uint32
}

// Page is the slots of a page of the violations that a query means, and the cursor of the page after.
func (x *Index) Page(ctx context.Context, q store.Query, page store.Page) (slots []uint32, next string, err error) {
	if page.Limit < 1 || page.Limit > maxLimit {
		return nil, "", fmt.Errorf("%w: a page of %d: it has 1 to %d", store.ErrInvalid, page.Limit, maxLimit)
	}
	o, err := x.order(page)
	if err != nil {
		return nil, "", err
	}
	// The best are kept in a list that is sorted and cut when it is twice as long.
	var best []candidate
	keep := page.Limit + 1
	full := false
	cut := func() {
		slices.SortFunc(best, o.compare)
		if len(best) > keep {
			best = best[:keep]
		}
		full = len(best) == keep
	}
	var last candidate
	err = x.each(ctx, &q, func(slot uint32, r *row) {
		c := candidate{o.main(r), slot}
		if o.start != nil && !o.isAfterStart(c) || full && o.compare(c, last) >= 0 {
			return
		}
		if best = append(best, c); len(best) >= 2*keep {
			cut()
			last = best[keep-1]
		}
	})
	if err != nil {
		return nil, "", fmt.Errorf("listing violations: %w", err)
	}
	cut()
	if len(best) == keep {
		best = best[:page.Limit]
		next = x.cursor(page, x.row(best[len(best)-1].slot)).Encode()
	}
	for _, c := range best {
		slots = append(slots, c.slot)
	}
	return slots, next, nil
}

// order is how candidates of one page are compared.
type order struct {
	x *Index
	// main of a row.
	main func(*row) int64
	// descending is of main, turned around of all of it.
	descending, byName, turned bool
	// start is after which the page begins; its main is in startMain, even where no row has it.
	start     *cursor.Cursor
	startMain int64
}

func (x *Index) order(page store.Page) (*order, error) {
	o := &order{x: x, turned: page.Ascending}
	start, err := cursor.Of(page)
	if err != nil {
		return nil, err
	}
	if start != nil {
		o.start, o.startMain = start, start.Number
	}
	switch page.Order {
	case store.ByLastSeen:
		o.descending, o.main = true, func(r *row) int64 { return r.last }
	case store.ByFirstSeen:
		o.descending, o.main = true, func(r *row) int64 { return r.first }
	case store.BySeverity:
		o.descending, o.main = true, func(r *row) int64 { return store.Rank(x.policies.facts[r.policy].severity) }
	case store.ByPolicy:
		names := make([]string, len(x.policies.facts))
		for i := range names {
			names[i] = x.policies.facts[i].name
		}
		places := placesOf(names)
		o.main = func(r *row) int64 { return int64(places[r.policy]) }
		if o.start != nil {
			o.startMain = int64(placeOf(o.start.First, names, places))
		}
	case store.ByObject:
		places := x.namespaces.places()
		o.byName, o.main = true, func(r *row) int64 { return int64(places[r.namespace]) }
		if o.start != nil {
			o.startMain = int64(placeOf(o.start.First, x.namespaces.words, places))
		}
	default:
		return nil, fmt.Errorf("%w: there is no order %q", store.ErrInvalid, page.Order)
	}
	return o, nil
}

func (o *order) compare(a, b candidate) int {
	return o.turn(a.main, b.main, func() int {
		r, s := o.x.row(a.slot), o.x.row(b.slot)
		return o.byNameAndKey(r, o.x.names.words[s.name], s.key)
	})
}

func (o *order) isAfterStart(c candidate) bool {
	return o.turn(c.main, o.startMain, func() int { return o.byNameAndKey(o.x.row(c.slot), o.start.Second, o.start.Key) }) > 0
}

func (o *order) byNameAndKey(r *row, name string, key store.Key) int {
	if o.byName {
		if c := strings.Compare(o.x.names.words[r.name], name); c != 0 {
			return c
		}
	}
	return bytes.Compare(r.key[:], key[:])
}

func (o *order) turn(a, b int64, rest func() int) int {
	c := cmp.Compare(a, b)
	if o.descending {
		c = -c
	}
	if c == 0 {
		c = rest()
	}
	if o.turned {
		return -c
	}
	return c
}

// cursor of a page that ends with a row.
func (x *Index) cursor(page store.Page, r *row) cursor.Cursor {
	f := &x.policies.facts[r.policy]
	return cursor.After(page, &store.Violation{
		PolicyName: f.name, Severity: f.severity, Namespace: x.namespaces.words[r.namespace], Name: x.names.words[r.name],
		FirstSeen: time.Unix(0, r.first), LastSeen: time.Unix(0, r.last),
	}, r.key)
}

package columns

import (
	"encoding/base64"
	"encoding/binary"
	"slices"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// cursor is what the last row of a page was sorted by. It says nothing of slots and places, which change: the page after begins where it
// should whatever came or went.
type cursor struct {
	order     store.Order
	ascending bool
	// number is a time in nanoseconds or the rank of a severity; first and second are names.
	number        int64
	first, second string
	key           Key
}

func (x *Index) cursor(page store.Page, r *row) cursor {
	c := cursor{order: page.Order, ascending: page.Ascending, key: r.key}
	switch page.Order {
	case store.ByLastSeen:
		c.number = r.last
	case store.ByFirstSeen:
		c.number = r.first
	case store.BySeverity:
		c.number = severityRank(x.policies.facts[r.policy].severity)
	case store.ByPolicy:
		c.first = x.policies.facts[r.policy].name
	case store.ByObject:
		c.first, c.second = x.namespaces.words[r.namespace], x.names.words[r.name]
	}
	return c
}

// cursorVersion is the first byte.
const cursorVersion = 1

// orders by their number in a cursor.
var orders = []store.Order{store.ByLastSeen, store.ByFirstSeen, store.BySeverity, store.ByPolicy, store.ByObject}

func (c cursor) encode() string {
	b := []byte{cursorVersion, byte(slices.Index(orders, c.order) << 1)}
	if c.ascending {
		b[1] |= 1
	}
	b = append(b, c.key[:]...)
	b = binary.AppendVarint(b, c.number)
	return base64.RawURLEncoding.EncodeToString(append(appendText(b, c.first), c.second...))
}

// decodeCursor reads what encode wrote; store.ErrCursor is everything else.
func decodeCursor(text string) (*cursor, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	var c cursor
	head := 2 + len(c.key)
	if err != nil || len(b) < head || b[0] != cursorVersion || int(b[1]>>1) >= len(orders) {
		return nil, store.ErrCursor
	}
	c.order, c.ascending = orders[b[1]>>1], b[1]&1 == 1
	copy(c.key[:], b[2:])
	b = b[head:]
	number, n := binary.Varint(b)
	if n <= 0 {
		return nil, store.ErrCursor
	}
	c.number, b = number, b[n:]
	length, n := binary.Uvarint(b)
	if n <= 0 || length > uint64(len(b)-n) {
		return nil, store.ErrCursor
	}
	b = b[n:]
	c.first, c.second = string(b[:length]), string(b[length:])
	return &c, nil
}

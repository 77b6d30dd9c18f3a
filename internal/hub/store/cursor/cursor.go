// Package cursor writes where a page of violations ends, the same whatever keeps them.
package cursor

import (
	"encoding/base64"
	"encoding/binary"
	"slices"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// Cursor is what the last violation of a page was sorted by. It says nothing of where that is kept: the page after begins where it should
// whatever came or went.
type Cursor struct {
	Order     store.Order
	Ascending bool
	// Number is a time in nanoseconds or the rank of a severity; First and Second are names.
	Number        int64
	First, Second string
	Key           store.Key
}

// After is the cursor of a page that ends with a violation.
func After(page store.Page, v *store.Violation, key store.Key) Cursor {
	c := Cursor{Order: page.Order, Ascending: page.Ascending, Key: key}
	switch page.Order {
	case store.ByLastSeen:
		c.Number = v.LastSeen.UnixNano()
	case store.ByFirstSeen:
		c.Number = v.FirstSeen.UnixNano()
	case store.BySeverity:
		c.Number = store.Rank(v.Severity)
	case store.ByPolicy:
		c.First = v.PolicyName
	case store.ByObject:
		c.First, c.Second = v.Namespace, v.Name
	}
	return c
}

// Of reads the cursor of a page, which must be of its order; nil when it has none. ErrCursor is everything else.
func Of(page store.Page) (*Cursor, error) {
	if page.Cursor == "" {
		return nil, nil
	}
	c, err := decode(page.Cursor)
	if err != nil {
		return nil, err
	}
	if c.Order != page.Order || c.Ascending != page.Ascending {
		return nil, store.ErrCursor
	}
	return c, nil
}

// version is the first byte.
const version = 1

// orders by their number in a cursor.
var orders = []store.Order{store.ByLastSeen, store.ByFirstSeen, store.BySeverity, store.ByPolicy, store.ByObject}

// Encode writes it for a URL.
func (c Cursor) Encode() string {
	b := []byte{version, byte(slices.Index(orders, c.Order) << 1)}
	if c.Ascending {
		b[1] |= 1
	}
	b = append(b, c.Key[:]...)
	b = binary.AppendVarint(b, c.Number)
	b = binary.AppendUvarint(b, uint64(len(c.First)))
	return base64.RawURLEncoding.EncodeToString(append(append(b, c.First...), c.Second...))
}

// decode reads what Encode wrote; store.ErrCursor is everything else.
func decode(text string) (*Cursor, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	var c Cursor
	head := 2 + len(c.Key)
	if err != nil || len(b) < head || b[0] != version || int(b[1]>>1) >= len(orders) {
		return nil, store.ErrCursor
	}
	c.Order, c.Ascending = orders[b[1]>>1], b[1]&1 == 1
	copy(c.Key[:], b[2:])
	b = b[head:]
	number, n := binary.Varint(b)
	if n <= 0 {
		return nil, store.ErrCursor
	}
	c.Number, b = number, b[n:]
	length, n := binary.Uvarint(b)
	if n <= 0 || length > uint64(len(b)-n) {
		return nil, store.ErrCursor
	}
	b = b[n:]
	c.First, c.Second = string(b[:length]), string(b[length:])
	return &c, nil
}

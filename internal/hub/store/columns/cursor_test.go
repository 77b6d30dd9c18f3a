package columns

import (
	"testing"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/cursor"
)

var orders = []store.Order{store.ByLastSeen, store.ByFirstSeen, store.BySeverity, store.ByPolicy, store.ByObject}

// FuzzCursor begins pages after what is not there.
func FuzzCursor(f *testing.F) {
	f.Add(int64(1_700_000_000_123_456_789), "", "", uint8(0), false)
	f.Add(int64(-1), "ns\x00", "日本語", uint8(4), true)
	f.Add(int64(0), "'; --", "", uint8(3), false)
	x := New()
	x.Put(0, &Violation{Key: store.Key{1}, Namespace: "shop", Name: "web", PolicyName: "replicas", Severity: "high"})
	f.Fuzz(func(t *testing.T, number int64, first, second string, order uint8, ascending bool) {
		c := cursor.Cursor{Order: orders[int(order)%len(orders)], Ascending: ascending, Number: number, First: first, Second: second, Key: store.Key{2}}
		page := store.Page{Order: c.Order, Ascending: c.Ascending, Limit: 1, Cursor: c.Encode()}
		if _, _, err := x.Page(t.Context(), store.Query{Scope: store.Scope{All: true}}, page); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	})
}

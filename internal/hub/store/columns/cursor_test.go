package columns

import (
	"errors"
	"testing"

	"github.com/assay-gitops/assay/internal/hub/store"
)

func FuzzCursor(f *testing.F) {
	for _, c := range []cursor{
		{order: store.ByLastSeen, number: 1_700_000_000_123_456_789, key: Key{1, 2, 3}},
		{order: store.BySeverity, ascending: true, number: -1},
		{order: store.ByObject, first: "ns\x00", second: "日本語"},
		{order: store.ByPolicy, first: "'; --"},
	} {
		f.Add(c.encode())
	}
	f.Add("")
	f.Add("AQAAAAAAAAAAAAAAAAAAAAAAAAD_____________AQ")
	x := New()
	x.Put(0, &Violation{Key: Key{1}, Namespace: "shop", Name: "web", PolicyName: "replicas", Severity: "high"})
	f.Fuzz(func(t *testing.T, text string) {
		c, err := decodeCursor(text)
		if err != nil {
			if !errors.Is(err, store.ErrCursor) {
				t.Errorf("%v", err)
			}
			return
		}
		again, err := decodeCursor(c.encode())
		if err != nil || *again != *c {
			t.Errorf("%+v becomes %+v, %v", c, again, err)
		}
		page := store.Page{Order: c.order, Ascending: c.ascending, Limit: 1, Cursor: text}
		if _, _, err := x.Page(t.Context(), store.Query{Scope: store.Scope{All: true}}, page); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	})
}

func TestKeysAreIDs(t *testing.T) {
	key := Key{0xab, 15: 0x01}
	if got, ok := ParseKey(key.String()); !ok || got != key {
		t.Errorf("%s becomes %s", key, got)
	}
	for _, id := range []string{"", "ab", "AB000000000000000000000000000001", "ab00000000000000000000000000000g", "ab0000000000000000000000000000010"} {
		if _, ok := ParseKey(id); ok {
			t.Errorf("%q is an ID", id)
		}
	}
}

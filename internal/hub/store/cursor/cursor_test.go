package cursor

import (
	"errors"
	"testing"

	"github.com/assay-gitops/assay/internal/hub/store"
)

func FuzzCursor(f *testing.F) {
	for _, c := range []Cursor{
		{Order: store.ByLastSeen, Number: 1_700_000_000_123_456_789, Key: store.Key{1, 2, 3}},
		{Order: store.BySeverity, Ascending: true, Number: -1},
		{Order: store.ByObject, First: "ns\x00", Second: "日本語"},
		{Order: store.ByPolicy, First: "'; --"},
	} {
		f.Add(c.Encode())
	}
	f.Add("")
	f.Add("AQAAAAAAAAAAAAAAAAAAAAAAAAD_____________AQ")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := decode(text)
		if err != nil {
			if !errors.Is(err, store.ErrCursor) {
				t.Errorf("%v", err)
			}
			return
		}
		again, err := decode(c.Encode())
		if err != nil || *again != *c {
			t.Errorf("%+v becomes %+v, %v", c, again, err)
		}
		page := store.Page{Order: c.Order, Ascending: c.Ascending, Limit: 1, Cursor: text}
		if got, err := Of(page); err != nil || *got != *c {
			t.Errorf("%+v: %+v, %v", c, got, err)
		}
	})
}

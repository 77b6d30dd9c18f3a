package store

import "testing"

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

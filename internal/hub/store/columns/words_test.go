package columns

import (
	"strings"
	"testing"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// FuzzSearch compares searching in messages without their names with searching in the messages.
func FuzzSearch(f *testing.F) {
	f.Add("Replicas in deployment web (1 occurrences)", "web", "t web (1")
	f.Add("aaaaaaaa", "aaa", "aaaa")
	f.Add("xwebwebx", "web", "bw")
	f.Add("x\x00y", "web", "xweb")
	f.Add("webwebweb", "web", "ebwebwe")
	f.Add("web is in web", "web", "b is in w")
	f.Fuzz(func(t *testing.T, message, name, text string) {
		if text == "" || len(text) > store.MaxText || !strings.Contains(message, name) {
			return
		}
		x := New()
		x.Put(0, &Violation{Name: name, Message: message})
		want := strings.Contains(fold(message), fold(text)) || strings.Contains(fold(name), fold(text))
		if got := x.search(text).matches(x.row(0)); got != want {
			t.Errorf("%q in %q of %q: %t", text, message, name, got)
		}
	})
}

func TestPlacesAreInOrderAndHaveRoomBetween(t *testing.T) {
	words := []string{"shop", "", "b", "shop", "a"}
	places := placesOf(words)
	for i, want := range []uint32{7, 1, 5, 7, 3} {
		if places[i] != want {
			t.Errorf("%q is at %d, not at %d", words[i], places[i], want)
		}
	}
	for word, want := range map[string]uint32{"": 1, "A": 2, "a": 3, "aa": 4, "b": 5, "c": 6, "shop": 7, "z": 8} {
		if got := placeOf(word, words, places); got != want {
			t.Errorf("%q is at %d, not at %d", word, got, want)
		}
	}
}

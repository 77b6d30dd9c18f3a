package search

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"github.com/assay-gitops/assay/internal/words"
)

// gram is how many characters are looked for at a time.
const gram = 3

// Characters that stand for others in the words of a document, which are separated by white space.
const (
	space = '\x7f'
	// end follows a text, so that its last characters begin a run as well.
	end = '\ue000'
	// moved is added to those that cannot be written as they are, among them the two above.
	moved = 0xf0000
)

// characters of a text in any case.
func characters(text string) []rune {
	folded := []rune(strings.ToLower(text))
	for i, r := range folded {
		switch {
		case r == ' ':
			folded[i] = space
		case r < ' ' || r == space || r == end || unicode.IsSpace(r) || unicode.IsControl(r):
			folded[i] = r + moved
		}
	}
	return folded
}

// wordsOf texts are the runs of three characters that they have, one after the other: a text has another one within it when the runs of that
// follow each other among its own. That is exact, has no special characters, and the server looks for runs that are rare first.
func wordsOf(texts ...string) string {
	var b strings.Builder
	for i, text := range texts {
		if text == "" || within(text, texts[:i]) {
			continue
		}
		runs(&b, append(characters(text), end, end))
	}
	return b.String()
}

func within(text string, others []string) bool {
	for _, other := range others {
		if strings.Contains(other, text) {
			return true
		}
	}
	return false
}

func runs(b *strings.Builder, all []rune) {
	for i := 0; i+gram <= len(all); i++ {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		for _, r := range all[i : i+gram] {
			b.WriteRune(r)
		}
	}
}

// hasText is the query for a text that is not empty.
func hasText(text string) object {
	all := characters(text)
	if len(all) < gram {
		return object{"prefix": object{"words": object{"value": string(all)}}}
	}
	var b strings.Builder
	runs(&b, all)
	return object{"match_phrase": object{"words": b.String()}}
}

const (
	// maxTerm is how many bytes of a value are looked for as they are; a server refuses terms above 32,766.
	maxTerm = 1024
	// maxMessage is how many bytes of a message are kept and looked for; the newest result has all of it.
	maxMessage = 64 << 10
)

// term is a value as it is looked for: itself, or its beginning and a hash.
func term(value string) string {
	if len(value) <= maxTerm {
		return value
	}
	sum := sha256.Sum256([]byte(value))
	return words.Cut(value, maxTerm-100) + hex.EncodeToString(sum[:])
}

func terms(values []string) []string {
	list := make([]string, 0, len(values))
	for _, value := range values {
		list = append(list, term(value))
	}
	return list
}

package columns

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// dict numbers words from 0 in the order of their coming. It forgets none.
type dict struct {
	words   []string
	numbers map[string]uint32
	// sorted is how the words are sorted, as of some length. Readers make it.
	sorted atomic.Pointer[[]uint32]
}

func (d *dict) add(word string) uint32 {
	if n, known := d.numbers[word]; known {
		return n
	}
	if d.numbers == nil {
		d.numbers = map[string]uint32{}
	}
	n := uint32(len(d.words)) //nolint:gosec // fewer than rows and policies
	word = strings.Clone(word)
	d.words = append(d.words, word)
	d.numbers[word] = n
	return n
}

// places of words in their order: 1, 3, 5, …; even numbers are between words.
func (d *dict) places() []uint32 {
	if places := d.sorted.Load(); places != nil && len(*places) == len(d.words) {
		return *places
	}
	places := placesOf(d.words)
	d.sorted.Store(&places)
	return places
}

func placesOf(words []string) []uint32 {
	order := make([]uint32, len(words))
	for i := range order {
		order[i] = uint32(i) //nolint:gosec // an index
	}
	slices.SortFunc(order, func(a, b uint32) int { return strings.Compare(words[a], words[b]) })
	places := make([]uint32, len(words))
	place := uint32(0)
	for i, n := range order {
		if i == 0 || words[order[i-1]] != words[n] {
			place += 2
		}
		places[n] = place - 1
	}
	return places
}

// placeOf a word that may not be there: the number between its neighbours then.
func placeOf(word string, words []string, places []uint32) uint32 {
	place := uint32(0)
	for i, w := range words {
		switch c := strings.Compare(w, word); {
		case c == 0:
			return places[i]
		case c < 0:
			place = max(place, places[i]+1)
		}
	}
	return place
}

// set of numbers of a dict. The nil set is all of them.
type set []bool

func (s set) has(n uint32) bool { return s == nil || s[n] }

// among is the set of the words; nil when none are given.
func (d *dict) among(words []string) set {
	if len(words) == 0 {
		return nil
	}
	s := make(set, len(d.words))
	for _, word := range words {
		if n, known := d.numbers[word]; known {
			s[n] = true
		}
	}
	return s
}

// facts of a policy that rows share.
type facts struct {
	id, name, category, severity string
	standards                    []store.Standard
	foldedID, foldedName         string
}

type policies struct {
	facts   []facts
	numbers map[string]uint32
	// key is kept for its room.
	key []byte
}

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

func (p *policies) add(v *Violation) uint32 {
	key := p.key[:0]
	for _, text := range []string{v.PolicyID, v.PolicyName, v.Category, v.Severity} {
		key = appendText(key, text)
	}
	for _, standard := range v.Standards {
		key = appendText(key, standard.ID)
		key = binary.AppendUvarint(key, uint64(len(standard.Controls)))
		for _, control := range standard.Controls {
			key = appendText(key, control)
		}
	}
	p.key = key
	if n, known := p.numbers[string(key)]; known {
		return n
	}
	if p.numbers == nil {
		p.numbers = map[string]uint32{}
	}
	n := uint32(len(p.facts)) //nolint:gosec // fewer than rows
	p.facts = append(p.facts, facts{v.PolicyID, v.PolicyName, v.Category, v.Severity, v.Standards, fold(v.PolicyID), fold(v.PolicyName)})
	p.numbers[string(key)] = n
	return n
}

// fold makes texts of any case the same. A NUL becomes what stands for characters that cannot be shown.
func fold(text string) string {
	return strings.ReplaceAll(strings.ToLower(text), gap, "\uFFFD")
}

// gap stands for the object's name in a message.
const gap = "\x00"

// minGap is how long a name is at least that is taken out: shorter ones are in other words as well.
const minGap = 3

func withoutName(message, name string) string {
	if len(name) < minGap {
		return message
	}
	return strings.ReplaceAll(message, name, gap)
}

// search is a folded text that is looked for.
type search struct {
	text            string
	policies, names set
	messages        []found
	index           *Index
}

// found is what is known of a message before the name is put into its gaps.
type found struct {
	yes bool
	// begins and ends are places in the text: it may be found when a name begins with what is after one of begins, or ends with what is
	// before one of ends.
	begins, ends []int
	// try is a text that may have a name in its middle.
	try bool
}

func (x *Index) search(text string) *search {
	s := &search{text: fold(text), index: x, messages: make([]found, len(x.messages.words))}
	s.policies = make(set, len(x.policies.facts))
	for i := range x.policies.facts {
		f := &x.policies.facts[i]
		s.policies[i] = strings.Contains(f.foldedID, s.text) || strings.Contains(f.foldedName, s.text)
	}
	s.names = make(set, len(x.names.words))
	for i, name := range x.names.words {
		s.names[i] = strings.Contains(name, s.text) || hasUpper(name) && strings.Contains(fold(name), s.text)
	}
	for i, message := range x.messages.words {
		if s.messages[i] = acrossGap(message, s.text); strings.Contains(message, s.text) {
			s.messages[i] = found{yes: true}
		}
	}
	return s
}

// hasUpper tells whether folding may change a name; those of Kubernetes it seldom does.
func hasUpper(name string) bool {
	for i := range len(name) {
		if c := name[i]; c == 0 || c >= 'A' && c <= 'Z' || c >= 0x80 {
			return true
		}
	}
	return false
}

// acrossGap finds out how a text may be in a message only when something is put into its gaps, and reach out of a gap.
func acrossGap(message, text string) (f found) {
	parts := strings.Split(message, gap)
	for p, part := range parts {
		for i := 1; i < len(text); i++ {
			if p < len(parts)-1 && strings.HasSuffix(part, text[:i]) && !slices.Contains(f.begins, i) {
				f.begins = append(f.begins, i)
			}
			if p > 0 && strings.HasPrefix(part, text[i:]) && !slices.Contains(f.ends, i) {
				f.ends = append(f.ends, i)
			}
		}
		f.try = f.try || p > 0 && p < len(parts)-1 && strings.Contains(text, part)
	}
	return f
}

// may tells whether a text may be found with the name. It costs much less than putting it in.
func (f *found) may(name, text string) bool {
	if f.try {
		return true
	}
	for _, i := range f.begins {
		if strings.HasPrefix(name, text[i:]) || strings.HasPrefix(text[i:], name) {
			return true
		}
	}
	for _, i := range f.ends {
		if strings.HasSuffix(name, text[:i]) || strings.HasSuffix(text[:i], name) {
			return true
		}
	}
	return false
}

func (s *search) matches(r *row) bool {
	if s.policies[r.policy] || s.names[r.name] {
		return true
	}
	f := &s.messages[r.message]
	if f.yes {
		return true
	}
	if !f.try && len(f.begins)+len(f.ends) == 0 {
		return false
	}
	name := s.index.names.words[r.name]
	if hasUpper(name) {
		name = fold(name)
	}
	return f.may(name, s.text) && strings.Contains(strings.ReplaceAll(s.index.messages.words[r.message], gap, name), s.text)
}

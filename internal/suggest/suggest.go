// Package suggest finds what a person may have meant by a name that does not exist.
package suggest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// maxNearest bounds how many names are suggested, maxNameLength what is compared at all.
const (
	maxNearest    = 3
	maxNameLength = 200
)

// UnknownError says that a name does not exist.
type UnknownError struct {
	// What kind of thing was looked for, such as policy.
	What string
	// Name that was given.
	Name string
	// Nearest are existing names that resemble it, the nearest first.
	Nearest []string
	// Advice is what else to do; may be empty.
	Advice string
}

// Unknown makes the error for a name that is none of the candidates.
func Unknown(what, name string, candidates []string, advice string) *UnknownError {
	return &UnknownError{What: what, Name: name, Nearest: Nearest(name, candidates), Advice: advice}
}

// Error is `unknown policy "name"`.
func (e *UnknownError) Error() string { return fmt.Sprintf("unknown %s %q", e.What, e.Name) }

// Hint says what to do about it; may be empty.
func (e *UnknownError) Hint() string {
	var hints []string
	if len(e.Nearest) > 0 {
		hints = append(hints, "did you mean "+alternatives(e.Nearest)+"?")
	}
	if e.Advice != "" {
		hints = append(hints, e.Advice)
	}
	return strings.Join(hints, "\n")
}

// Nearest returns those of the candidates that resemble the name: those that differ in few letters, and those that
// contain it. The nearest comes first.
func Nearest(name string, candidates []string) []string {
	if name == "" || len(name) > maxNameLength {
		return nil
	}
	type scored struct {
		name     string
		distance int
	}
	wanted := strings.ToLower(name)
	var near []scored
	for _, candidate := range candidates {
		lower := strings.ToLower(candidate)
		distance := min(
			distance(wanted, lower),
			distance(wanted, lastPart(lower)),
			distance(lastPart(wanted), lastPart(lower)),
		)
		switch {
		case distance <= len(wanted)/3:
			near = append(near, scored{candidate, distance})
		case len(wanted) >= 3 && strings.Contains(lower, wanted):
			near = append(near, scored{candidate, len(wanted)})
		}
	}
	slices.SortStableFunc(near, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), strings.Compare(a.name, b.name))
	})
	var names []string
	for _, s := range near[:min(len(near), maxNearest)] {
		names = append(names, s.name)
	}
	return names
}

// distance counts the letters that differ. Letters in the wrong order are the commonest slip, and count as one.
func distance(a, b string) int {
	if a != b && len(a) == len(b) && sorted(a) == sorted(b) {
		return 1
	}
	return levenshtein.ComputeDistance(a, b)
}

func sorted(word string) string {
	letters := []byte(word)
	slices.Sort(letters)
	return string(letters)
}

// lastPart of an id such as weave.policies.host-network is what people type.
func lastPart(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func alternatives(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

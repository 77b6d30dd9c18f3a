package agentconfig

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Place is where something was configured: in a file, or by an environment variable.
type Place struct {
	// File is the name given to Load. Line and Column count from 1; both are 0 for what concerns the file as a whole, and Column
	// alone is where only the line is known.
	File         string
	Line, Column int
	// Variable of the environment; empty for a file.
	Variable string
}

// String is file:line:column, or the environment variable.
func (p Place) String() string {
	switch {
	case p.Variable != "":
		return "environment variable " + p.Variable
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Fault is one reason why a configuration cannot be used.
type Fault struct {
	Place Place
	// Key with all its sections, such as admission.webhook.listen; empty when it is about none.
	Key string
	// Reason continues a sentence that begins with the key.
	Reason string
	// Hint is what to do about it; may be empty.
	Hint string
}

// Error is the place, the key, the reason and the hint in one line.
func (f Fault) Error() string { return sentence(f.Place, f.Key, f.Reason, f.Hint) }

// Error is every fault of a configuration.
type Error struct {
	// Faults in the order of the file, then those of the environment.
	Faults []Fault
}

// Error is a line for each fault.
func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, fault := range e.Faults {
		lines[i] = fault.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the faults, for errors.As.
func (e *Error) Unwrap() []error {
	faults := make([]error, len(e.Faults))
	for i, fault := range e.Faults {
		faults[i] = fault
	}
	return faults
}

// Warning is about something in a configuration that can be used, but does not do what it seems to or should be written
// otherwise.
type Warning struct {
	Place Place
	// Key, Reason and Hint are as in a Fault.
	Key, Reason, Hint string
}

// String is the place, the key, the reason and the hint in one line.
func (w Warning) String() string { return sentence(w.Place, w.Key, w.Reason, w.Hint) }

func sentence(place Place, key, reason, hint string) string {
	text := place.String() + ": "
	if key != "" {
		text += shorten(key) + " "
	}
	text += reason
	if hint != "" {
		text += "; " + hint
	}
	return text
}

// shorten cuts what came from outside to a length that fits a line, and makes control characters harmless.
func shorten(text string) string {
	const most = 100
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7F && r < 0xA0 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// comparePlaces orders by line and column, the environment last.
func comparePlaces(a, b Place) int {
	return cmp.Or(
		strings.Compare(a.Variable, b.Variable),
		cmp.Compare(a.Line, b.Line),
		cmp.Compare(a.Column, b.Column),
	)
}

func sortFaults(faults []Fault) {
	slices.SortStableFunc(faults, func(a, b Fault) int { return comparePlaces(a.Place, b.Place) })
}

func sortWarnings(warnings []Warning) {
	slices.SortStableFunc(warnings, func(a, b Warning) int { return comparePlaces(a.Place, b.Place) })
}

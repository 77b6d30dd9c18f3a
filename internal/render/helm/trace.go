package helm

import (
	"bytes"
	"fmt"
	"slices"
	"sort"

	"github.com/assay-gitops/assay/policy"
)

// sink is what a template writes, and knows which node wrote what.
type sink struct {
	renderer *renderer
	text     []byte
	marks    []mark
	// fragments are what include and tpl returned meanwhile.
	fragments []fragment
}

// fragment is what a function returned while a node was executed, the one that a mark refers to.
type fragment struct {
	*sink
	node int
}

// mark says that the text from an offset on comes from a node of the renderer.
type mark struct{ offset, node int }

// Write takes text.
func (s *sink) Write(text []byte) (int, error) {
	s.renderer.written += len(text)
	if most := s.renderer.limits.output; s.renderer.written > most<<20 {
		return 0, &limitError{fmt.Sprintf("it writes more than %d MiB", most)}
	}
	s.text = append(s.text, text...)
	return len(text), nil
}

func (s *sink) mark(node int) {
	m := mark{offset: len(s.text), node: node}
	if last := len(s.marks) - 1; last >= 0 && s.marks[last].offset == m.offset {
		// Nothing came of the one before.
		s.marks[last] = m
		return
	}
	s.marks = append(s.marks, m)
}

// drop takes out a text wherever it occurs.
func (s *sink) drop(what string) {
	if !bytes.Contains(s.text, []byte(what)) {
		return
	}
	kept := make([]byte, 0, len(s.text))
	next := 0 // the first mark that was not moved
	for from := 0; from < len(s.text); {
		end, skip := len(s.text), 0
		if found := bytes.Index(s.text[from:], []byte(what)); found >= 0 {
			end, skip = from+found, len(what)
		}
		for ; next < len(s.marks) && s.marks[next].offset <= end; next++ {
			s.marks[next].offset += len(kept) - from
		}
		kept = append(kept, s.text[from:end]...)
		from = end + skip
		// A mark never lies inside of what one node writes in one go, except where that was taken apart by chance.
		for ; next < len(s.marks) && s.marks[next].offset < from; next++ {
			s.marks[next].offset = len(kept)
		}
	}
	for ; next < len(s.marks); next++ {
		s.marks[next].offset = len(kept)
	}
	s.text = kept
}

// place is a line of a source, and what it has to do with the field.
type place struct {
	source *source
	line   int
	note   string
}

const (
	includedHere = "included here"
	madeHere     = "the value is made here"
)

// origins are the places that a line of the output comes from, from the character at an offset on: first the line that says
// what is in it, then those that include it or make its value; and the values that they mention.
func (s *sink) origins(offset int) (places []place, values []policy.Path) {
	start, end := lineBounds(s.text, offset)
	first := s.markAt(offset)
	if first < 0 {
		return nil, nil
	}
	n := s.node(first)
	switch {
	case n.source == nil:
	case n.text:
		places = append(places, place{source: n.source, line: lineOf(n.source.data, n.pos+offset-s.marks[first].offset)})
	default:
		line := bytes.TrimSpace(s.text[start:end])
		// A line may come several times from one include; which one this is tells how many are before it.
		nth := countLines(s.text[s.marks[first].offset:max(start, s.marks[first].offset)], line)
		if places, values = s.included(line, nth); len(places) == 0 {
			places = append(places, place{source: n.source, line: lineOf(n.source.data, n.pos)})
		} else {
			places = append(places, place{n.source, lineOf(n.source.data, n.pos), includedHere})
		}
	}
	// A node at the very end of the line begins with the line break: what it writes below belongs to the line.
	for i := first; i < len(s.marks) && (i == first || s.marks[i].offset <= end); i++ {
		values = append(values, s.node(i).values...)
		if i > first {
			makers, mentioned := s.makers(s.marks[i].node)
			places, values = append(places, makers...), append(values, mentioned...)
		}
	}
	return places, values
}

// included looks for a line in what the functions have returned.
func (s *sink) included(line []byte, nth int) (places []place, values []policy.Path) {
	if len(line) == 0 {
		return nil, nil
	}
	for _, f := range slices.Backward(s.fragments) {
		if at := findLine(f.text, line, nth); at >= 0 {
			return f.origins(at)
		}
	}
	return nil, nil
}

// makers are the places that the text comes from which functions returned to a node in the middle of a line.
func (s *sink) makers(node int) (places []place, values []policy.Path) {
	for _, f := range s.fragments {
		if f.node != node || bytes.Count(f.text, []byte{'\n'}) > 1 {
			continue
		}
		made, mentioned := f.origins(len(f.text) - len(bytes.TrimLeft(f.text, " \t\r\n")))
		for _, p := range made {
			p.note = madeHere
			places = append(places, p)
		}
		return places, append(values, mentioned...)
	}
	return nil, nil
}

func (s *sink) node(mark int) *node { return &s.renderer.nodes[s.marks[mark].node] }

// markAt is the index of the mark that an offset is under; -1 when there is none.
func (s *sink) markAt(offset int) int {
	return sort.Search(len(s.marks), func(i int) bool { return s.marks[i].offset > offset }) - 1
}

// findLine is the offset of the first character of a line that comes nth, counted from 0, or of the last that there is; -1
// when there is none.
func findLine(text, line []byte, nth int) int {
	at, last := 0, -1
	for text := range bytes.Lines(text) {
		if bytes.Equal(bytes.TrimSpace(text), line) {
			last = at + bytes.Index(text, line)
			if nth == 0 {
				break
			}
			nth--
		}
		at += len(text)
	}
	return last
}

// countLines tells how often a text has a line.
func countLines(text, line []byte) int {
	n := 0
	for text := range bytes.Lines(text) {
		if bytes.Equal(bytes.TrimSpace(text), line) {
			n++
		}
	}
	return n
}

// lineBounds are where the line around an offset begins and ends.
func lineBounds(text []byte, offset int) (start, end int) {
	offset = min(max(offset, 0), len(text))
	start = bytes.LastIndexByte(text[:offset], '\n') + 1
	if end = bytes.IndexByte(text[offset:], '\n'); end < 0 {
		return start, len(text)
	}
	return start, offset + end
}

// lineOf is the line of an offset, counted from 1.
func lineOf(text []byte, offset int) int {
	return bytes.Count(text[:min(max(offset, 0), len(text))], []byte{'\n'}) + 1
}

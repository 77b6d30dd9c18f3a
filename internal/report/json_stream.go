package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// jsonStream writes an indented JSON document piece by piece, so that a large report is never held twice. It keeps the
// first error.
type jsonStream struct {
	out *bufio.Writer
	err error
	// depth is how many objects and arrays are open; filled tells of each whether something is in it.
	filled []bool
}

func newJSONStream(w io.Writer) *jsonStream { return &jsonStream{out: bufio.NewWriter(w)} }

const jsonIndent = "  "

// open begins an object or array, as an element of what is open or as the document.
func (s *jsonStream) open(bracket string) {
	if len(s.filled) > 0 {
		s.next()
	}
	s.text(bracket)
	s.filled = append(s.filled, false)
}

// openField begins an object or array as a field of the object that is open.
func (s *jsonStream) openField(name, bracket string) {
	s.name(name)
	s.text(bracket)
	s.filled = append(s.filled, false)
}

// close ends what was opened last.
func (s *jsonStream) close(bracket string) {
	last := len(s.filled) - 1
	filled := s.filled[last]
	s.filled = s.filled[:last]
	if filled {
		s.text("\n" + s.indentation())
	}
	s.text(bracket)
}

func (s *jsonStream) field(name string, value any) {
	s.name(name)
	s.value(value)
}

func (s *jsonStream) element(value any) {
	s.next()
	s.value(value)
}

// list is a field with an array of n elements, each made when its turn comes; nil is left out.
func (s *jsonStream) list(name string, n int, element func(int) any) {
	s.openField(name, "[")
	s.elements(n, element)
	s.close("]")
}

func (s *jsonStream) elements(n int, element func(int) any) {
	for i := range n {
		if s.err != nil {
			return
		}
		if e := element(i); e != nil {
			s.element(e)
		}
	}
}

func (s *jsonStream) flush() error {
	s.text("\n")
	if s.err == nil {
		s.err = s.out.Flush()
	}
	if s.err != nil {
		return fmt.Errorf("writing JSON: %w", s.err)
	}
	return nil
}

func (s *jsonStream) indentation() string { return strings.Repeat(jsonIndent, len(s.filled)) }

// next goes to where the next element or field of what is open begins.
func (s *jsonStream) next() {
	last := len(s.filled) - 1
	if s.filled[last] {
		s.text(",")
	}
	s.filled[last] = true
	s.text("\n" + s.indentation())
}

func (s *jsonStream) name(name string) {
	s.next()
	s.value(name)
	s.text(": ")
}

func (s *jsonStream) text(t string) {
	if s.err == nil {
		_, s.err = s.out.WriteString(t)
	}
}

func (s *jsonStream) value(v any) {
	if s.err != nil {
		return
	}
	var b []byte
	if b, s.err = json.MarshalIndent(v, s.indentation(), jsonIndent); s.err == nil {
		_, s.err = s.out.Write(b)
	}
}

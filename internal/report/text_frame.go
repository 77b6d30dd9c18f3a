package report

import (
	"fmt"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/assay-gitops/assay/policy"
)

// frameContext is how many lines a frame shows before and after the one it is about.
const frameContext = 2

// tab is what a tab is shown as.
const tab = "    "

// frame shows where a finding is: the place, and the source lines where they can be had. It returns how wide the line
// numbers are, so that what follows lines up.
func (p *textPrinter) frame(at policy.Location, secret bool) (gutter int) {
	gutter = len(fmt.Sprint(at.Line + frameContext))
	if at.File == "" {
		return gutter
	}
	p.printf("%*s%s %s\n", gutter, "", p.style.blue("-->"), oneLine(place(at)))
	if !p.frames || at.Line == 0 {
		return gutter
	}
	first, last := p.extent(at)
	if last == 0 {
		return gutter
	}
	bar := p.style.blue("|")
	p.printf("%*s %s\n", gutter, "", bar)
	room := max(p.width-gutter-len(" | "), minWrap)
	for n := first; n <= last; n++ {
		line, _ := p.sources.show(at.File, n, secret)
		shown, caret := windowed(line, 0, room), ""
		if n == at.Line {
			shown, caret = p.underlined(at, line, room)
		}
		p.printf("%s %s %s\n", p.style.blue("%*d", gutter, n), bar, p.style.painted(shown, n == at.Line))
		if caret != "" {
			p.printf("%*s %s %s\n", gutter, "", bar, caret)
		}
	}
	p.printf("%*s %s\n", gutter, "", bar)
	return gutter
}

// painted dims the lines around the one that matters.
func (s style) painted(line string, matters bool) string {
	if matters || line == "" {
		return line
	}
	return s.dim("%s", line)
}

// extent is the lines that a frame shows; it does not cross into another document of the file.
func (p *textPrinter) extent(at policy.Location) (first, last int) {
	if _, ok := p.sources.line(at.File, at.Line); !ok {
		return 0, 0
	}
	visible := func(n int) bool {
		line, ok := p.sources.line(at.File, n)
		return ok && !strings.HasPrefix(line, "---")
	}
	first, last = at.Line, at.Line
	for first > at.Line-frameContext && visible(first-1) {
		first--
	}
	for last < at.Line+frameContext && visible(last+1) {
		last++
	}
	// An empty line at the end of the file says nothing.
	for last > at.Line {
		if line, _ := p.sources.line(at.File, last); strings.TrimSpace(line) != "" {
			break
		}
		last--
	}
	return first, last
}

// underlined is the line that a finding is in, and the carets below its field; no carets where the columns are unknown
// or the field is masked.
func (p *textPrinter) underlined(at policy.Location, line string, room int) (shown, carets string) {
	start := byteOffset(line, at.Column)
	if at.Column < 1 || start >= len(line) {
		return windowed(line, 0, room), ""
	}
	field := line[start:min(len(line), start+maxShownBytes)]
	switch {
	case at.EndLine > at.Line:
	case at.EndColumn > at.Column:
		field = field[:byteOffset(field, at.EndColumn-at.Column+1)]
	default:
		field = field[:byteOffset(field, 2)]
	}
	// A line that is too long, as in JSON without line breaks, is shown around the field.
	from := 0
	if start > maxShownBytes || columns(line[:start+len(field)]) > room {
		from = lineStart(line, start, room)
	}
	before := prefixMark(from) + visible(line[from:start])
	shown = windowed(line, from, room)
	underline := min(columns(field), columns(shown)-cells(before))
	if underline < 1 {
		return shown, ""
	}
	return shown, strings.Repeat(" ", cells(before)) + p.style.red("%s", strings.Repeat("^", underline))
}

// maxShownBytes bounds the work on a line: what is further to the right does not fit any terminal.
const maxShownBytes = 4096

// byteOffset is where the character of a column, counted from 1, begins in a line; its length when there is none.
func byteOffset(line string, column int) int {
	for offset := range line {
		if column <= 1 {
			return offset
		}
		column--
	}
	return len(line)
}

// lineStart is where to begin showing a line so that what begins at start is a third of the way to the right.
func lineStart(line string, start, room int) int {
	from := start
	for used := 0; from > 0 && used < room/3; used++ {
		from--
		for from > 0 && line[from]&0xC0 == 0x80 { // the middle of a character
			from--
		}
	}
	return from
}

func prefixMark(from int) string {
	if from > 0 {
		return "…"
	}
	return ""
}

// windowed is a line from an offset on, as far as there is room, with what it leaves out marked.
func windowed(line string, from, room int) string {
	s := prefixMark(from) + visible(line[from:min(len(line), from+maxShownBytes)])
	return strings.TrimRight(terminal().Truncate(s, room, "…"), " ")
}

// visible is a part of a line as it is shown.
func visible(s string) string { return strings.ReplaceAll(printable(s), "\t", tab) }

// columns is how many columns a part of a line takes on a terminal.
func columns(s string) int { return cells(visible(s)) }

// cells is how many columns text takes on a terminal: two for a Chinese character, none for a combining accent.
func cells(s string) int { return terminal().StringWidth(s) }

// terminal is how wide characters are taken to be, whatever the locale says.
func terminal() *runewidth.Condition { return &runewidth.Condition{StrictEmojiNeutral: true} }

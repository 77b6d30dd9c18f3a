package raw

import (
	"bytes"
)

// maxDocuments bounds the documents of one file. The size limit of files lets real ones come nowhere near it.
const maxDocuments = 100_000

// span is where a document lies in its file.
type span struct {
	// start and end are byte offsets; the separator line that opens the document belongs to it.
	start, end int
	// line is how many lines of the file are before start.
	line int
	// column is how many characters of its line are before start.
	column int
}

// splitYAML finds the documents that hold more than comments. Separators are lines that begin with --- or with ..., as
// YAML has it: inside of a block or of quotes no such line may begin at the first column. The second result is false
// when there are more than maxDocuments.
func splitYAML(content []byte) (spans []span, complete bool) {
	document := span{}
	prologue := false // it has directives, and no content so far
	filled := false   // it has content
	finish := func(at, line int) {
		if filled {
			document.end = at
			spans = append(spans, document)
		}
		document, filled, prologue = span{start: at, line: line}, false, false
	}
	lines := 0
	for at := 0; at < len(content); lines++ {
		line, next := lineAt(content, at)
		switch {
		case isMarker(line, "---"):
			if len(spans) == maxDocuments {
				return spans, false
			}
			// Directives belong to the document that the separator opens.
			if !prologue || filled {
				finish(at, lines)
			}
			prologue = false
			filled = !isBlank(line[3:])
		case isMarker(line, "..."):
			if len(spans) == maxDocuments {
				return spans, false
			}
			finish(next, lines+1)
		case !filled && len(line) > 0 && line[0] == '%':
			prologue = true
		case !filled && !isBlank(line):
			filled = true
		}
		at = next
	}
	finish(len(content), lines)
	return spans, true
}

// lineAt returns the line that begins at an offset, without its end, and where the next one begins.
func lineAt(content []byte, at int) (line []byte, next int) {
	end := bytes.IndexByte(content[at:], '\n')
	if end < 0 {
		return content[at:], len(content)
	}
	return content[at : at+end], at + end + 1
}

func isMarker(line []byte, marker string) bool {
	if len(line) < len(marker) || string(line[:len(marker)]) != marker {
		return false
	}
	if len(line) == len(marker) {
		return true
	}
	switch line[len(marker)] {
	case ' ', '\t', '\r':
		return true
	}
	return false
}

// isBlank tells whether a line holds nothing but white space and a comment.
func isBlank(line []byte) bool {
	for _, c := range line {
		switch c {
		case ' ', '\t', '\r':
		case '#':
			return true
		default:
			return false
		}
	}
	return true
}

// Package markdown shows the Markdown that policies are described in on a terminal: modestly, so that the text can still
// be read and copied. Control characters never reach the terminal.
package markdown

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Style says how text is shown.
type Style struct {
	// Color lets headings, code and emphasis stand out.
	Color bool
	// Width in columns at which paragraphs are wrapped; not at all when zero.
	Width int
	// Indent precedes every line.
	Indent string
}

// The sequences that terminals understand.
const (
	reset     = "\x1b[0m"
	bold      = "\x1b[1m"
	italic    = "\x1b[3m"
	underline = "\x1b[4m"
	cyan      = "\x1b[36m"
)

var (
	heading  = regexp.MustCompile(`^\s{0,3}#{1,6}\s+(.*?)\s*#*$`)
	listItem = regexp.MustCompile(`^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$`)
	fence    = regexp.MustCompile("^\\s*(```|~~~)")
	link     = regexp.MustCompile(`!?\[([^\]\n]*)\]\(([^)\s]*)[^)\n]*\)`)
	strong   = regexp.MustCompile(`(\*\*|__)(\S(?:.*?\S)?)(\*\*|__)`)
	emphasis = regexp.MustCompile(`(^|[\s(])[*_](\S(?:[^*_\n]*?\S)?)[*_]($|[\s).,;:!?])`)
)

// Render returns the text with every line ended.
func Render(text string, style Style) string {
	r := renderer{style: style}
	fenced := false
	for line := range strings.Lines(Clean(text)) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case fence.MatchString(line):
			r.flush()
			fenced = !fenced
		case fenced:
			r.code(line)
		default:
			r.line(line)
		}
	}
	r.flush()
	return strings.Trim(r.out.String(), "\n") + "\n"
}

type renderer struct {
	style Style
	out   strings.Builder
	// paragraph collects lines that flow together; first and rest are what precedes its first and further lines.
	paragraph   []string
	first, rest string
	blank       bool
}

func (r *renderer) line(line string) {
	switch {
	case strings.TrimSpace(line) == "":
		r.flush()
		r.blank = true
	case heading.MatchString(line):
		r.flush()
		r.write("", "", r.styled(bold, r.inline(heading.FindStringSubmatch(line)[1])))
	case listItem.MatchString(line):
		r.flush()
		item := listItem.FindStringSubmatch(line)
		marker := item[2]
		if strings.ContainsAny(marker, "-*+") {
			marker = "•"
		}
		r.first = item[1] + marker + " "
		r.rest = strings.Repeat(" ", utf8.RuneCountInString(r.first))
		r.paragraph = []string{item[3]}
	case len(r.paragraph) == 0 && (strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t")):
		r.code(line)
	default:
		r.paragraph = append(r.paragraph, strings.TrimSpace(line))
	}
}

// code writes a line of code as it is.
func (r *renderer) code(line string) {
	r.separate()
	r.out.WriteString(strings.TrimRight(r.style.Indent+"  "+r.styled(cyan, strings.ReplaceAll(line, "\t", "  ")), " ") + "\n")
}

func (r *renderer) flush() {
	if len(r.paragraph) > 0 {
		r.write(r.first, r.rest, r.inline(strings.Join(r.paragraph, " ")))
	}
	r.paragraph, r.first, r.rest = nil, "", ""
}

// separate keeps paragraphs apart by one empty line, as in the source.
func (r *renderer) separate() {
	if r.blank && r.out.Len() > 0 {
		r.out.WriteByte('\n')
	}
	r.blank = false
}

// write wraps a paragraph.
func (r *renderer) write(first, rest, text string) {
	r.separate()
	prefix := r.style.Indent + first
	column := columns(prefix)
	r.out.WriteString(prefix)
	begun := false
	for word := range strings.FieldsSeq(text) {
		if begun && r.style.Width > 0 && column+1+columns(word) > r.style.Width {
			r.out.WriteString("\n" + r.style.Indent + rest)
			column = columns(r.style.Indent + rest)
			begun = false
		}
		if begun {
			r.out.WriteByte(' ')
			column++
		}
		r.out.WriteString(word)
		column += columns(word)
		begun = true
	}
	r.out.WriteByte('\n')
}

// inline shows code, links and emphasis within a paragraph. What is between backquotes is left as it is.
func (r *renderer) inline(text string) string {
	parts := strings.Split(text, "`")
	if len(parts)%2 == 0 { // a backquote without its partner is just a character
		parts[len(parts)-2] += "`" + parts[len(parts)-1]
		parts = parts[:len(parts)-1]
	}
	var b strings.Builder
	for i, part := range parts {
		if i%2 == 1 {
			b.WriteString(r.eachWord(cyan, part))
			continue
		}
		part = link.ReplaceAllStringFunc(part, r.link)
		part = strong.ReplaceAllStringFunc(part, func(s string) string {
			return r.eachWord(bold, strong.FindStringSubmatch(s)[2])
		})
		part = emphasis.ReplaceAllStringFunc(part, func(s string) string {
			m := emphasis.FindStringSubmatch(s)
			return m[1] + r.eachWord(italic, m[2]) + m[3]
		})
		b.WriteString(part)
	}
	return b.String()
}

func (r *renderer) link(s string) string {
	m := link.FindStringSubmatch(s)
	if m[1] == "" || m[1] == m[2] {
		return r.styled(underline, m[2])
	}
	return m[1] + " (" + r.styled(underline, m[2]) + ")"
}

// eachWord styles the words one by one, because lines are wrapped between words.
func (r *renderer) eachWord(code, text string) string {
	words := strings.Split(text, " ")
	for i, word := range words {
		words[i] = r.styled(code, word)
	}
	return strings.Join(words, " ")
}

func (r *renderer) styled(code, text string) string {
	if !r.style.Color || text == "" {
		return text
	}
	return code + text + reset
}

var sequence = regexp.MustCompile("\x1b\\[[0-9]*m")

// columns that a text takes on the terminal.
func columns(text string) int { return utf8.RuneCountInString(sequence.ReplaceAllString(text, "")) }

// Clean replaces what could play tricks with a terminal: control characters and marks that change the direction of
// writing. Line ends and tabs stay.
func Clean(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
			return c
		case c == '\r':
			return -1
		case unicode.IsControl(c), unicode.Is(unicode.Bidi_Control, c), c == utf8.RuneError:
			return '\uFFFD'
		}
		return c
	}, text)
}

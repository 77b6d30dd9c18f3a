package raw

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/assay-gitops/assay/policy"
)

// parserError is what the YAML parser says: yaml: line 3: mapping values are not allowed in this context.
var parserError = regexp.MustCompile(`^(?:error converting YAML to JSON: )?yaml: (?:line (\d+): )?(.*)$`)

// explain makes a problem of the error of a document, at the place in the file.
func (f *File) explain(d *document, text []byte, err error) policy.Problem {
	problem := policy.Problem{
		Kind:     policy.LoadProblem,
		Location: policy.Location{File: f.name, Line: d.line + 1},
		Message:  err.Error(),
		Hint:     templateHint(text),
		// What is no object of Kubernetes by any reading is not judged anyway.
		Warning: !mentionsObject(text),
	}
	var duplicate *duplicateKey
	if errors.As(err, &duplicate) {
		problem.Location = duplicate.tree.location(duplicate.again, duplicate.again)
		problem.Location.File = f.name
		return problem
	}
	match := parserError.FindStringSubmatch(err.Error())
	if match == nil {
		return problem
	}
	problem.Message = match[2]
	line, _ := strconv.Atoi(match[1])
	c := cause{text: text, lines: yamlLines(text), message: match[2], line: line}
	c.find()
	at := (&tree{text: text, span: d.span, exotic: true})
	problem.Location.Line, problem.Location.Column = at.place(c.offset)
	problem.Location.EndLine, problem.Location.EndColumn = problem.Location.Line, problem.Location.Column+1
	problem.Message = c.message
	if problem.Hint == "" {
		problem.Hint = c.hint
	}
	return problem
}

// templateHint recognises files that are meant to be rendered first.
func templateHint(text []byte) string {
	if !bytes.Contains(text, []byte("{{")) {
		return ""
	}
	return "this looks like a template: render it first, make it part of a chart (a folder with Chart.yaml), or name it in .assayignore"
}

// cause finds what the parser's message is about. The parser tells only lines, and often not the one that a person must
// change.
type cause struct {
	text    []byte
	lines   []int
	message string
	// line as the parser told, from 1; 0 when it told none.
	line int

	// offset of the cause in the text.
	offset int
	hint   string
}

func yamlLines(text []byte) []int {
	starts, _ := yamlLineStarts(text)
	return starts
}

func (c *cause) find() {
	if at := conflictMarker(c.text); at >= 0 {
		c.offset, c.message, c.hint = at, "a merge conflict is not resolved", "decide for one side and remove the markers"
		return
	}
	switch {
	case strings.HasPrefix(c.message, "did not find"):
		// The parser counts these from 0.
		c.line++
		c.offset = c.firstOf(c.line)
		c.hint = "check the indentation and the brackets of this line and of those before it"
	case strings.HasPrefix(c.message, "could not find expected ':'"):
		// It is noticed in the line behind.
		c.line = c.filledBefore(c.line)
		c.offset = c.firstOf(c.line)
		c.message = "a key without a colon"
		c.hint = "write \"key: value\", with a space behind the colon, or indent the line if it continues the one before"
	case strings.HasPrefix(c.message, "mapping values are not allowed"):
		c.offset = c.secondColon(c.line)
		c.message = "a second key or colon where a value ends"
		c.hint = "put the value in quotes if it contains a colon, or check the indentation"
	case strings.HasPrefix(c.message, "found character that cannot start any token"),
		strings.HasPrefix(c.message, "found a tab character"):
		c.cannotStart()
	case strings.HasPrefix(c.message, "found unexpected end of stream"):
		c.offset = c.openQuote()
		c.message = "a quote is opened here and never closed"
	case strings.HasPrefix(c.message, "unknown anchor"):
		c.anchor()
	case strings.HasPrefix(c.message, "invalid map key"):
		c.mapAsKey()
	case strings.HasPrefix(c.message, "control characters are not allowed"):
		c.offset = controlCharacter(c.text)
		c.message = "a control character is not allowed"
	default:
		c.offset = c.firstOf(max(c.line, 1))
	}
}

// cannotStart finds the character that no value may begin with.
func (c *cause) cannotStart() {
	line := c.lineText(c.line)
	start := c.start(c.line)
	indent := len(line) - len(bytes.TrimLeft(line, " \t"))
	if tab := bytes.IndexByte(line[:indent], '\t'); tab >= 0 {
		c.offset, c.message, c.hint = start+tab, "a tab is used for indentation", "YAML is indented with spaces"
		return
	}
	c.offset = start + indent
	for i := indent; i < len(line); i++ {
		if bytes.IndexByte([]byte("@`%"), line[i]) >= 0 && (i == 0 || bytes.IndexByte([]byte(" \t[{,"), line[i-1]) >= 0) {
			c.offset = start + i
			c.message = "a value cannot begin with " + string(line[i])
			c.hint = "put the value in quotes"
			return
		}
	}
	if tab := bytes.IndexByte(line, '\t'); tab >= 0 {
		c.offset, c.message, c.hint = start+tab, "a tab is not allowed here", "use spaces"
	}
}

// anchor finds the alias whose anchor is not known.
func (c *cause) anchor() {
	c.offset = c.firstOf(max(c.line, 1))
	_, rest, _ := strings.Cut(c.message, "'")
	name, _, _ := strings.Cut(rest, "'")
	alias := regexp.MustCompile(`(^|[\s\[{,:-])\*` + regexp.QuoteMeta(name) + `($|[\s\]},:])`)
	if at := alias.FindIndex(c.text); at != nil {
		c.offset = at[0] + bytes.IndexByte(c.text[at[0]:], '*')
	}
	c.message = "no anchor &" + name + " is written before this alias"
	c.hint = "put the value in quotes if the asterisk is meant as a character; anchors reach no other document"
}

// mapAsKey finds the map or list that is used as a key, which is what braces of a template look like.
func (c *cause) mapAsKey() {
	c.message = "a map or list is used as a key"
	c.hint = "put the key in quotes"
	t, err := parseTree(c.text, span{}, false)
	if err != nil {
		return
	}
	if key := compoundKey(t.root); key != nil {
		c.offset = t.offset(key.Line, key.Column)
	}
}

func compoundKey(node *yaml.Node) *yaml.Node {
	for i, child := range node.Content {
		if node.Kind == yaml.MappingNode && i%2 == 0 && len(child.Content) > 0 {
			return child
		}
		if key := compoundKey(child); key != nil {
			return key
		}
	}
	return nil
}

// openQuote finds the quote that runs to the end. A text that is cut behind any line from there on ends inside of the
// quote, one that is cut before it does not; the boundary is searched by halves.
func (c *cause) openQuote() int {
	const message = "found unexpected end of stream"
	low, high := 0, len(c.lines) // lines that are kept: with low it is not the error, with high it is
	for high-low > 1 {
		middle := (low + high) / 2
		_, err := decodeYAML(c.text[:c.lines[middle]], span{})
		if err != nil && strings.Contains(err.Error(), message) {
			high = middle
		} else {
			low = middle
		}
	}
	line := c.lineText(high)
	for i, b := range line {
		if (b == '"' || b == '\'') && (i == 0 || bytes.IndexByte([]byte(" \t[{,:"), line[i-1]) >= 0) {
			if _, closed := quoteEnd(line, i); !closed {
				return c.start(high) + i
			}
		}
	}
	return c.firstOf(high)
}

// secondColon is the colon of a line that cannot be, or where it begins.
func (c *cause) secondColon(line int) int {
	text := c.lineText(line)
	at := c.start(line)
	first := bytes.Index(text, []byte(": "))
	if first >= 0 {
		if second := bytes.Index(text[first+2:], []byte(":")); second >= 0 {
			return at + first + 2 + second
		}
	}
	return c.firstOf(line)
}

// start of a line, counted from 1, in the text.
func (c *cause) start(line int) int {
	return c.lines[min(max(line, 1), len(c.lines))-1]
}

func (c *cause) lineText(line int) []byte {
	text, _ := lineAt(c.text, c.start(line))
	return text
}

// firstOf is where the first character of a line is that is not white space, or of one before it when the line is empty.
func (c *cause) firstOf(line int) int {
	line = min(max(line, 1), len(c.lines))
	for ; line > 1 && len(bytes.TrimSpace(c.lineText(line))) == 0; line-- {
	}
	text := c.lineText(line)
	return c.start(line) + len(text) - len(bytes.TrimLeft(text, " \t"))
}

// filledBefore is the last line before another one that holds more than a comment.
func (c *cause) filledBefore(line int) int {
	for line--; line > 1 && isBlank(c.lineText(line)); line-- {
	}
	return max(line, 1)
}

func conflictMarker(text []byte) int {
	if bytes.HasPrefix(text, []byte("<<<<<<< ")) {
		return 0
	}
	if at := bytes.Index(text, []byte("\n<<<<<<< ")); at >= 0 {
		return at + 1
	}
	return -1
}

func controlCharacter(text []byte) int {
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0x7F && r < 0xA0 && r != 0x85 ||
			r == 0xFFFE || r == 0xFFFF || r == 0xFEFF {
			return at
		}
		at += size
	}
	return 0
}

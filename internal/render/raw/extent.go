package raw

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/assay-gitops/assay/policy"
)

// location covers a key and its value when that ends on the same line or is a block of text, else the key. Without a key
// it covers the value likewise, a map or list in block style by its first entry.
func (t *tree) location(key, value *yaml.Node) policy.Location {
	for key == nil && len(value.Content) > 0 && !t.isFlow(value) {
		if value.Kind == yaml.MappingNode {
			key, value = value.Content[0], value.Content[1]
		} else {
			value = value.Content[0]
		}
	}
	first := value
	if key != nil {
		first = key
	}
	start := t.offset(first.Line, first.Column)
	end, ok := t.end(value)
	if ok && key != nil && !t.isBlock(value) && bytes.IndexByte(t.text[start:max(start, end)], '\n') >= 0 {
		ok = false
	}
	if !ok && key != nil {
		end, ok = t.end(key)
	}
	if !ok || end <= start {
		end = min(start+1, len(t.text))
	}
	var at policy.Location
	at.Line, at.Column = t.place(start)
	at.EndLine, at.EndColumn = t.place(end)
	return at
}

// content is where the value of a node begins behind its anchor and tag; false when it is on another line.
func (t *tree) content(node *yaml.Node) (offset int, ok bool) {
	at := t.offset(node.Line, node.Column)
	for at < len(t.text) {
		switch t.text[at] {
		case '&', '!':
			for at < len(t.text) && bytes.IndexByte([]byte(" \t\r\n"), t.text[at]) < 0 {
				at++
			}
		case ' ', '\t':
			at++
		case '\r', '\n':
			return 0, false
		default:
			return at, true
		}
	}
	return 0, false
}

func (t *tree) isFlow(node *yaml.Node) bool {
	at, ok := t.content(node)
	return ok && (t.text[at] == '{' || t.text[at] == '[') && node.Kind != yaml.ScalarNode
}

func (t *tree) isBlock(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

// end is the offset behind the last character of a value; false when the value spans lines without being a block of text.
func (t *tree) end(node *yaml.Node) (offset int, ok bool) {
	at, ok := t.content(node)
	if !ok {
		return 0, false
	}
	if t.isBlock(node) {
		return t.blockEnd(at, node)
	}
	switch c := t.text[at]; {
	case node.Kind == yaml.AliasNode:
		return at + 1 + len(node.Value), true
	case node.Kind != yaml.ScalarNode:
		if c == '{' || c == '[' {
			return flowEnd(t.text, at)
		}
		return 0, false
	case c == '"' || c == '\'':
		return quoteEnd(t.text, at)
	case node.Value != "" && bytes.HasPrefix(t.text[at:], []byte(node.Value)):
		return at + len(node.Value), true
	}
	return 0, false
}

// blockEnd is where the last line of a literal or folded text ends, whose header is at an offset.
func (t *tree) blockEnd(header int, node *yaml.Node) (int, bool) {
	_, at := lineAt(t.text, header)
	end, found, indent := 0, false, 0
	// The lines of a literal text are counted, because its first may be indented deeper than the others.
	literal := -1
	if node.Style&yaml.LiteralStyle != 0 {
		literal = strings.Count(strings.TrimRight(node.Value, "\n"), "\n") + 1
	}
	for n := 1; at < len(t.text); n++ {
		line, next := lineAt(t.text, at)
		text := bytes.TrimRight(line, "\r")
		trimmed := bytes.TrimLeft(text, " ")
		depth := len(text) - len(trimmed)
		if literal < 0 && len(trimmed) > 0 {
			if found && depth < indent {
				break
			}
			if !found {
				found, indent = true, depth
			}
		}
		if len(trimmed) > 0 || literal >= 0 {
			end = at + len(text)
		}
		if n == literal {
			break
		}
		at = next
	}
	return end, end > 0 && node.Value != ""
}

// flowEnd is behind the bracket that closes the one at an offset; false when that is on another line.
func flowEnd(text []byte, at int) (int, bool) {
	depth := 0
	for at < len(text) {
		switch text[at] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				return at + 1, true
			}
		case '"', '\'':
			// A quote inside of a plain text is only a character.
			if before := text[at-1]; bytes.IndexByte([]byte(" \t,:{["), before) >= 0 {
				end, ok := quoteEnd(text, at)
				if !ok {
					return 0, false
				}
				at = end
				continue
			}
		case '\n':
			return 0, false
		}
		at++
	}
	return 0, false
}

// quoteEnd is behind the quote that closes the one at an offset; false when that is on another line.
func quoteEnd(text []byte, at int) (int, bool) {
	quote := text[at]
	for at++; at < len(text); at++ {
		switch c := text[at]; {
		case c == '\n':
			return 0, false
		case c == '\\' && quote == '"':
			at++
		case c == quote:
			if quote == '\'' && at+1 < len(text) && text[at+1] == quote {
				at++
				continue
			}
			return at + 1, true
		}
	}
	return 0, false
}

package raw

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// tree is a parsed document whose nodes know where they were written.
type tree struct {
	// root is the document's value.
	root *yaml.Node
	// text of the document.
	text []byte
	// starts are the offsets in text where lines begin, as the parser counts lines.
	starts []int
	// span is where in the file the text is.
	span span
	// json says that the columns of nodes count bytes, else they count characters.
	json bool
	// exotic says that the parser counts other lines than editors do: YAML breaks lines at U+0085, U+2028, U+2029 and at
	// lone carriage returns, too.
	exotic bool
}

// parseTree parses a document for its positions.
func parseTree(text []byte, at span, isJSON bool) (parsed *tree, err error) {
	defer func() {
		// The parser is not ours, and what it reads may come from anybody.
		if r := recover(); r != nil {
			parsed, err = nil, fmt.Errorf("finding positions: the parser failed: %v", r)
		}
	}()
	t := &tree{text: text, span: at, json: isJSON}
	if isJSON {
		t.starts = lineStarts(text)
		reader := jsonReader{tree: t, decoder: json.NewDecoder(bytes.NewReader(text))}
		reader.decoder.UseNumber()
		t.root, err = reader.value()
		return t, err
	}
	t.starts, t.exotic = yamlLineStarts(text)
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("finding positions: %w", err)
	}
	if len(document.Content) == 0 {
		return nil, fmt.Errorf("finding positions: the document is empty")
	}
	t.root = document.Content[0]
	return t, nil
}

func lineStarts(text []byte) []int {
	starts := []int{0}
	for i, c := range text {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// yamlLineStarts finds the lines as libyaml counts them.
func yamlLineStarts(text []byte) (starts []int, exotic bool) {
	starts = []int{0}
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\n':
			starts = append(starts, i+1)
		case '\r':
			if i+1 >= len(text) || text[i+1] != '\n' {
				starts, exotic = append(starts, i+1), true
			}
		case 0xC2:
			if bytes.HasPrefix(text[i:], []byte("\u0085")) {
				starts, exotic = append(starts, i+2), true
			}
		case 0xE2:
			if bytes.HasPrefix(text[i:], []byte("\u2028")) || bytes.HasPrefix(text[i:], []byte("\u2029")) {
				starts, exotic = append(starts, i+3), true
			}
		}
	}
	return starts, exotic
}

// offset in the text of a line and a column as nodes have them.
func (t *tree) offset(line, column int) int {
	if line < 1 || line > len(t.starts) {
		return len(t.text)
	}
	at := t.starts[line-1]
	if t.json {
		return min(at+column-1, len(t.text))
	}
	for ; column > 1 && at < len(t.text); column-- {
		_, size := utf8.DecodeRune(t.text[at:])
		at += size
	}
	return at
}

// place is the line of the file and the column, both from 1, of an offset in the text.
func (t *tree) place(offset int) (line, column int) {
	var start int
	if t.exotic {
		start = bytes.LastIndexByte(t.text[:offset], '\n') + 1
		line = bytes.Count(t.text[:offset], []byte{'\n'})
	} else {
		line = sort.SearchInts(t.starts, offset+1) - 1
		start = t.starts[line]
	}
	column = utf8.RuneCount(t.text[start:offset]) + 1
	if line == 0 {
		column += t.span.column
	}
	return t.span.line + line + 1, column
}

// jsonReader builds a tree of JSON. YAML's parser would not do: it knows nothing of surrogate pairs in escapes, and does
// not allow keys of more than 1024 characters.
type jsonReader struct {
	tree    *tree
	decoder *json.Decoder
}

func (r *jsonReader) value() (*yaml.Node, error) {
	node := r.node()
	token, err := r.decoder.Token()
	if err != nil {
		return nil, fmt.Errorf("finding positions: %w", err)
	}
	switch v := token.(type) {
	case json.Delim:
		node.Kind = yaml.SequenceNode
		if v == '{' {
			node.Kind = yaml.MappingNode
		}
		for r.decoder.More() {
			// In an object keys and values alternate, both are values to the decoder.
			child, err := r.value()
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, child)
		}
		if _, err := r.decoder.Token(); err != nil {
			return nil, fmt.Errorf("finding positions: %w", err)
		}
	case string:
		node.Kind, node.Value, node.Style = yaml.ScalarNode, v, yaml.DoubleQuotedStyle
	case nil:
		node.Kind, node.Value = yaml.ScalarNode, "null"
	default:
		node.Kind, node.Value = yaml.ScalarNode, fmt.Sprint(v)
	}
	return node, nil
}

// node begins where the next token does.
func (r *jsonReader) node() *yaml.Node {
	at := int(r.decoder.InputOffset())
	for at < len(r.tree.text) && bytes.IndexByte([]byte(" \t\r\n,:"), r.tree.text[at]) >= 0 {
		at++
	}
	line := sort.SearchInts(r.tree.starts, at+1) - 1
	return &yaml.Node{Line: line + 1, Column: at - r.tree.starts[line] + 1}
}

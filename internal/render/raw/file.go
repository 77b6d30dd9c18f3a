package raw

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"sync"
	"unicode/utf8"
	"weak"

	"github.com/assay-gitops/assay/policy"
)

// File is a YAML or JSON file in memory. It keeps the content and nothing else; what it parses to answer where something
// was written, it may throw away and parse again. It is safe for concurrent use.
type File struct {
	name      string
	content   []byte
	json      bool
	documents []*document
	// problems of the file as a whole.
	problems []policy.Problem
}

type document struct {
	span
	// parsing is held while the tree is built, so that those who ask at one time wait for one.
	parsing sync.Mutex
	tree    weak.Pointer[tree]
}

// Open finds the documents of a file: those parts that hold more than comments. The name is what locations say. Nobody may
// change the content afterwards. What is wrong with the file is among the problems that Objects returns.
func Open(name string, content []byte) *File {
	f := &File{name: name, content: bytes.TrimPrefix(content, []byte("\uFEFF"))}
	if problem := f.checkText(); problem != nil {
		f.problems = append(f.problems, *problem)
		return f
	}
	var spans []span
	complete := true
	if f.looksLikeJSON() {
		spans, complete, f.json = splitJSON(f.content)
	}
	if !f.json {
		// To kubectl endings mean nothing: what is no JSON is YAML.
		spans, complete = splitYAML(f.content)
	}
	if !complete {
		f.problems = append(f.problems, policy.Problem{
			Kind:     policy.LoadProblem,
			Location: policy.Location{File: name},
			Message:  fmt.Sprintf("more than %d documents in one file: those behind were not read", maxDocuments),
			Hint:     "split the file",
		})
	}
	f.documents = make([]*document, len(spans))
	for i := range spans {
		f.documents[i] = &document{span: spans[i]}
	}
	return f
}

// Parse returns the Kubernetes objects of a file: every document of it, and every item of its lists. Documents that are
// something else are skipped. Those that do not parse are problems, and the others are still used.
func Parse(name string, content []byte) ([]*policy.Object, []policy.Problem) {
	return Open(name, content).Objects()
}

// Documents is how many documents there are.
func (f *File) Documents() int { return len(f.documents) }

// checkText tells what is wrong with a file that cannot be text in UTF-8.
func (f *File) checkText() *policy.Problem {
	problem := &policy.Problem{Kind: policy.LoadProblem, Location: policy.Location{File: f.name}}
	if bytes.HasPrefix(f.content, []byte{0xFF, 0xFE}) || bytes.HasPrefix(f.content, []byte{0xFE, 0xFF}) {
		problem.Message = "the file is text in UTF-16, which Kubernetes does not read"
		problem.Hint = "save it as UTF-8"
		return problem
	}
	if bytes.IndexByte(f.content, 0) >= 0 {
		problem.Message = "the file is not text: it contains NUL bytes"
		problem.Hint = "if it is meant to be there, name it in .assayignore"
		return problem
	}
	if !utf8.Valid(f.content) {
		at := 0
		for {
			r, size := utf8.DecodeRune(f.content[at:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			at += size
		}
		problem.Location = f.at(at)
		problem.Message = fmt.Sprintf("byte 0x%02X is not text in UTF-8", f.content[at])
		problem.Hint = "save the file as UTF-8"
		return problem
	}
	return nil
}

// at is the place of one character of the file.
func (f *File) at(offset int) policy.Location {
	start := bytes.LastIndexByte(f.content[:offset], '\n') + 1
	line := bytes.Count(f.content[:offset], []byte{'\n'}) + 1
	column := utf8.RuneCount(f.content[start:offset]) + 1
	return policy.Location{File: f.name, Line: line, Column: column, EndLine: line, EndColumn: column + 1}
}

// looksLikeJSON tells whether the file may be JSON: kubectl tries it when the first character is a brace.
func (f *File) looksLikeJSON() bool {
	trimmed := bytes.TrimLeft(f.content, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{' || path.Ext(f.name) == ".json"
}

// splitJSON finds the JSON values of a file, which may be several one behind the other. It is not JSON if one of them does
// not parse.
func splitJSON(content []byte) (spans []span, complete, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	line, column, counted := 0, 0, 0
	for {
		var value json.RawMessage
		if err := decoder.Decode(&value); errors.Is(err, io.EOF) {
			return spans, true, true
		} else if err != nil {
			return nil, true, false
		}
		if len(spans) == maxDocuments {
			return spans, false, true
		}
		end := int(decoder.InputOffset())
		start := end - len(value)
		passed := content[counted:start]
		counted = start
		if newline := bytes.LastIndexByte(passed, '\n'); newline >= 0 {
			line += bytes.Count(passed, []byte{'\n'})
			column, passed = 0, passed[newline+1:]
		}
		column += utf8.RuneCount(passed)
		spans = append(spans, span{start: start, end: end, line: line, column: column})
	}
}

// brokenJSON tells whether a document that does not parse was meant as JSON.
func (f *File) brokenJSON() bool { return !f.json && path.Ext(f.name) == ".json" }

// jsonProblem says where a file stops to be JSON.
func (f *File) jsonProblem() policy.Problem {
	problem := policy.Problem{Kind: policy.LoadProblem, Location: policy.Location{File: f.name}, Warning: !mentionsObject(f.content)}
	decoder := json.NewDecoder(bytes.NewReader(f.content))
	for {
		var value json.RawMessage
		err := decoder.Decode(&value)
		if err == nil {
			continue
		}
		var syntax *json.SyntaxError
		switch {
		case errors.As(err, &syntax):
			problem.Location = f.at(min(max(int(syntax.Offset)-1, 0), len(f.content)))
			problem.Message = "not valid JSON: " + syntax.Error()
		case errors.Is(err, io.ErrUnexpectedEOF):
			problem.Location = f.at(len(bytes.TrimRight(f.content, " \t\r\n")))
			problem.Message = "not valid JSON: the file ends in the middle of a value"
		default:
			problem.Message = "not valid JSON: " + err.Error()
		}
		problem.Hint = templateHint(f.content)
		return problem
	}
}

// mentionsObject tells whether a text that does not parse may have been meant as a Kubernetes object.
func mentionsObject(text []byte) bool {
	return bytes.Contains(text, []byte("apiVersion")) || bytes.Contains(text, []byte("kind"))
}

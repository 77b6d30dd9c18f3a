package policyfile

import (
	"strings"
	"unicode/utf8"

	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/policy"
)

// Locate says where in a file a problem is that the engine found in a source.
func (s *Set) Locate(p engine.Problem) policy.Problem {
	problem := policy.Problem{
		Kind:    policy.PolicyProblem,
		Message: p.Message,
		Hint:    p.Hint,
		Excerpt: p.Excerpt,
		Warning: !p.LeftOut,
	}
	object, ok := s.objects[p.Source]
	if !ok {
		return problem
	}
	if p.Field != "" {
		problem.Message = p.Field + ": " + problem.Message
	}
	problem.Message = title(object) + ": " + problem.Message
	path := fieldOf(object, p.Field)
	problem.Location = locate(object, path)
	text, isText := valueAt(object.Content, path).(string)
	if p.Line > 0 && isText {
		if place, ok := within(problem.Location, text, p.Line, p.Column); ok {
			problem.Location = place
			// The code frame of the file shows the line.
			problem.Excerpt = ""
		}
	}
	return problem
}

// fieldOf reads the field of an engine's problem; nil, which stands for the object, when there is none.
func fieldOf(object *policy.Object, field string) policy.Path {
	if field == "" {
		return nil
	}
	path, err := policy.ParsePath(field)
	if err != nil {
		return nil
	}
	path, _ = path.Resolve(object.Content)
	return path
}

// within finds a line and column of a text in the place where the text was written. That is possible for a block that
// keeps its lines (code: |): it has one line for the key and one for each line of the text, indented by as much as its
// last line begins to the right. Quoted and folded texts have other lines in the file than in the value.
func within(place policy.Location, text string, line, column int) (policy.Location, bool) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	// A compiler reports an unexpected end one line below the last.
	line = min(line, len(lines))
	if place.Line == 0 || place.EndLine-place.Line != len(lines) {
		return policy.Location{}, false
	}
	found := policy.Location{File: place.File, Line: place.Line + line, Note: place.Note}
	indent := place.EndColumn - 1 - utf8.RuneCountInString(lines[len(lines)-1])
	if column > 0 && indent > 0 {
		found.Column = column + indent
	}
	return found, true
}

package helm

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

// parseProblem says where a YAML file of a chart does not parse.
func parseProblem(s *source, err error) *policy.Problem {
	if _, problems := raw.Parse(s.file, s.data); len(problems) > 0 {
		p := problems[0]
		p.Warning = false
		return &p
	}
	return &policy.Problem{Kind: policy.LoadProblem, Location: policy.Location{File: s.file}, Message: err.Error()}
}

// wholeLine is the place of a line of a file without its indentation.
func wholeLine(s *source, line int) policy.Location {
	location := policy.Location{File: s.file, Line: line, EndLine: line}
	n := 1
	for text := range strings.Lines(string(s.data)) {
		if n == line {
			text = strings.TrimRight(text, " \t\r\n")
			location.Column = len(text) - len(strings.TrimLeft(text, " \t")) + 1
			location.EndColumn = len([]rune(text)) + 1
			break
		}
		n++
	}
	return location
}

var (
	// position matches where Go's templates say they are. One that calls another says so first.
	position = regexp.MustCompile(`template: ([^:\n]+):(\d+)(?::\d+)?: `)
	// executing matches the expression that failed.
	executing = regexp.MustCompile(`^executing "[^"]*" at <(.*?)>: `)
	// calling matches what merely says which function returned the error.
	calling = regexp.MustCompile(`^(?:error calling \w+: )+`)
	// unclosed matches where an action began that does not end; the error itself is where the file ends.
	unclosed  = regexp.MustCompile(`unclosed action started at [^\n]+:(\d+)$`)
	undefined = regexp.MustCompile(`no template ("[^"]*") associated`)
)

// templateProblem explains why a template does not parse or fails. The location is the innermost line that somebody
// wrote.
func templateProblem(err error, failed *chartTemplate, all map[string]*chartTemplate) policy.Problem {
	problem := policy.Problem{Kind: policy.RenderProblem, Location: policy.Location{File: failed.file()}}
	text := err.Error()
	positions := position.FindAllStringSubmatchIndex(text, -1)
	for _, at := range positions {
		line, _ := strconv.Atoi(text[at[4]:at[5]])
		if t := all[text[at[2]:at[3]]]; t != nil && t.source != nil {
			problem.Location = wholeLine(t.source, line)
		}
	}
	if len(positions) > 0 {
		text = text[positions[len(positions)-1][1]:]
	}
	if at := executing.FindStringSubmatchIndex(text); at != nil {
		expression := text[at[2]:at[3]]
		text = calling.ReplaceAllString(text[at[1]:], "")
		if !strings.Contains(text, expression) {
			text = expression + ": " + text
		}
	}
	if started := unclosed.FindStringSubmatch(text); started != nil {
		line, _ := strconv.Atoi(started[1])
		text = "unclosed action"
		problem.Location = wholeLine(failed.source, line)
	}
	if name := undefined.FindStringSubmatch(text); name != nil {
		text = "no template is named " + name[1]
	}
	problem.Message, problem.Hint = text, hint(text)
	var author *chartError
	var limit *limitError
	switch {
	case errors.As(err, &author):
		problem.Message = author.message
		problem.Hint = "the chart asks for it; set values with --set KEY=VALUE or a values file"
	case errors.As(err, &limit):
		problem.Message = "the template was stopped: " + limit.what
		problem.Hint = ""
	}
	if problem.Location.File != failed.file() {
		problem.Message += ", included from " + failed.file()
	}
	return problem
}

// hint says what to do about an error of Go's templates.
func hint(text string) string {
	switch {
	case strings.Contains(text, "nil pointer evaluating"):
		return "a value on the way is not set: set it in the values, or guard it with `with`, `default` or parentheses"
	case strings.Contains(text, "can't evaluate field"):
		return "the value has another type than the template expects: compare it with the chart's values.yaml"
	case strings.Contains(text, "function") && strings.Contains(text, "not defined"):
		return "Helm has no such function: is it misspelt?"
	case isUndefined(text):
		return "is the name misspelt, or is a dependency missing that defines it?"
	case strings.Contains(text, "unexpected EOF"):
		return "an `if`, `with`, `range` or `define` has no `end`"
	case strings.Contains(text, "unexpected {{end}}"):
		return "there is one `end` more than `if`, `with`, `range` and `define`"
	case strings.Contains(text, "unclosed action"):
		return "an action is opened with {{ and not closed with }}"
	}
	return ""
}

// isUndefined tells whether an error is that a template calls one that nobody defines.
func isUndefined(text string) bool {
	return strings.Contains(text, "no template ")
}

// file is what locations call the template.
func (t *chartTemplate) file() string {
	if t.source == nil {
		return t.name
	}
	return t.source.file
}

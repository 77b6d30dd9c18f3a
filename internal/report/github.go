package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/assay-gitops/assay/policy"
)

// github writes workflow commands, which GitHub Actions shows as annotations beside the lines. See "Workflow commands for
// GitHub Actions" in GitHub's documentation for the escaping.
type github struct{}

var (
	commandText     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	commandProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// Write writes the report.
func (github) Write(w io.Writer, r *Report) error {
	out := bufio.NewWriter(w)
	for i := range r.Findings {
		f := &r.Findings[i]
		level := "notice"
		switch {
		case f.Fails:
			level = "error"
		case standing(f) != "excepted":
			level = "warning"
		}
		spec := &f.Result.Policy.Spec
		object := strings.Join(nonEmpty(objectName(f.Result.Object), also(f)), ", ")
		lines := nonEmpty(fmt.Sprintf("%s (%s)", f.Occurrence.Message, object), label("expected: ", expected(f)), exceptionText(f), firstSentence(spec.HowToSolve))
		command(out, level, f.Location, fmt.Sprintf("%s [%s]", spec.Name, spec.ID), strings.Join(lines, "\n"))
	}
	for i := range r.Problems {
		p := &r.Problems[i]
		level, title := "error", "Not checked"
		if p.Warning {
			level, title = "warning", "Notice"
		}
		command(out, level, p.Location, title, strings.Join(nonEmpty(p.Message, p.Excerpt, p.Hint), "\n"))
	}
	all, _, _ := tally(r)
	fmt.Fprintf(out, "%s, %s, %s in %s\n", plural(all.violations, "violation"), plural(all.warnings, "warning"), plural(errorCount(r), "error"), plural(r.Objects, "object"))
	return out.Flush()
}

func label(name, value string) string {
	if value == "" {
		return ""
	}
	return name + value
}

func command(out *bufio.Writer, level string, at policy.Location, title, message string) {
	properties := []string{"title=" + commandProperty.Replace(oneLine(title))}
	if at.File != "" {
		properties = append(properties, "file="+commandProperty.Replace(at.File))
		if at.Line > 0 {
			properties = append(properties, fmt.Sprintf("line=%d,endLine=%d", at.Line, endLine(at)))
		}
		// GitHub shows columns only for annotations on one line.
		if at.Column > 0 && endLine(at) == at.Line {
			properties = append(properties, fmt.Sprintf("col=%d", at.Column))
		}
	}
	fmt.Fprintf(out, "::%s %s::%s\n", level, strings.Join(properties, ","), commandText.Replace(printable(message)))
}

// startLine and endLine are lines for formats that need some: 1 when unknown.
func startLine(l policy.Location) int { return max(l.Line, 1) }

func endLine(l policy.Location) int { return max(l.EndLine, l.Line, 1) }

package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/assay-gitops/assay/policy"
)

// text is for people: findings file by file with their source lines, what to do, and a summary.
type text struct{ options Options }

// Write writes the report.
func (t text) Write(w io.Writer, r *Report) error {
	out := bufio.NewWriter(w)
	p := &textPrinter{
		out: out, style: newStyle(t.options.Color), width: t.options.Width, frames: t.options.Frames,
		sources: sources{root: r.Root}, explained: map[string]bool{},
	}
	if p.width <= 0 {
		p.width = DefaultWidth
	}
	if t.options.Short {
		p.short(r)
		return out.Flush()
	}
	for _, g := range byFile(r) {
		p.file(g)
	}
	p.problems(r)
	p.summary(r)
	return out.Flush()
}

type textPrinter struct {
	out     *bufio.Writer
	style   style
	width   int
	frames  bool
	sources sources
	// explained are the policies whose remedy has been shown.
	explained map[string]bool
}

func (p *textPrinter) printf(format string, a ...any) { fmt.Fprintf(p.out, format, a...) }

// short writes a line for each finding and problem.
func (p *textPrinter) short(r *Report) {
	for i := range r.Findings {
		f := &r.Findings[i]
		p.printf("%s: %s: %s [%s]\n", orText(oneLine(place(f.Location)), noFile), p.label(f), shorten(oneLine(f.Occurrence.Message), maxMessage), oneLine(f.Result.Policy.Spec.ID))
	}
	for i := range r.Problems {
		problem := &r.Problems[i]
		if at := place(problem.Location); at != "" {
			p.printf("%s: ", oneLine(at))
		}
		p.printf("%s: %s\n", p.problemLabel(problem), shorten(oneLine(problem.Message), maxMessage))
	}
}

// label is what a finding weighs and how severe it is, such as violation[high].
func (p *textPrinter) label(f *Finding) string {
	label := fmt.Sprintf("%s[%s]", standing(f), f.Result.Policy.Spec.Severity)
	switch standing(f) {
	case "violation":
		return p.style.red("%s", label)
	case "warning":
		return p.style.yellow("%s", label)
	}
	return p.style.dim("%s", label)
}

func (p *textPrinter) problemLabel(problem *policy.Problem) string {
	if problem.Warning {
		return p.style.yellow("%s[%s]", problemName(problem), problem.Kind)
	}
	return p.style.red("%s[%s]", problemName(problem), problem.Kind)
}

func problemName(problem *policy.Problem) string {
	if problem.Warning {
		return "notice"
	}
	return "not checked"
}

func (p *textPrinter) file(g group) {
	p.printf("%s\n\n", p.style.bold("%s", oneLine(orText(g.name, noFile))))
	for _, f := range g.findings {
		p.finding(f)
	}
}

func (p *textPrinter) finding(f *Finding) {
	spec := &f.Result.Policy.Spec
	p.wrapped(p.label(f)+": ", len(standing(f))+len(spec.Severity)+4, p.style.bold, printable(f.Occurrence.Message))
	gutter := p.frame(f.Location, isSecret(f.Result.Object))
	note := func(name, value string) {
		if value != "" {
			p.note(gutter, name, value)
		}
	}
	note("policy", fmt.Sprintf("%s (%s)", oneLine(spec.Name), oneLine(spec.ID)))
	object := oneLine(objectName(f.Result.Object))
	if more := also(f); more != "" {
		object += ", " + more
	}
	note("object", object)
	if f.Location.Line == 0 {
		note("field", oneLine(f.Occurrence.Path)) // no line shows it
	}
	note("expected", printable(expected(f)))
	for _, related := range f.Related {
		name := related.Note
		if name == "" {
			name = "see"
		}
		note(oneLine(name), oneLine(place(related)))
	}
	note("excepted", exceptionText(f))
	if !p.explained[spec.ID] {
		p.explained[spec.ID] = true
		note("help", firstSentence(spec.HowToSolve))
	}
	p.printf("\n")
}

// note writes a labelled line below a frame; further lines of the value are indented to it.
func (p *textPrinter) note(gutter int, name, value string) {
	lines := strings.Split(value, "\n")
	if len(lines) > maxNoteLines {
		lines = append(lines[:maxNoteLines], "…")
	}
	head := fmt.Sprintf("%*s %s ", gutter, "", p.style.blue("="))
	if len(lines) > 1 {
		p.printf("%s%s\n", head, p.style.bold("%s:", name))
		for _, line := range lines {
			p.printf("%*s%s\n", gutter+noteIndent, "", shorten(line, max(p.width-gutter-noteIndent, minWrap)))
		}
		return
	}
	p.wrapped(head+p.style.bold("%s: ", name), gutter+len(name)+5, nil, lines[0])
}

// noteIndent is how far the lines of a value are indented.
const noteIndent = 5

// maxNoteLines bounds how much of a recommended value is shown.
const maxNoteLines = 12

// maxMessage bounds how many characters of a message are shown.
const maxMessage = 1000

// wrapped writes text after a head that takes a number of columns, and indents what does not fit on the first line.
func (p *textPrinter) wrapped(head string, columns int, paint func(string, ...any) string, s string) {
	if paint == nil {
		paint = fmt.Sprintf
	}
	room := max(p.width-columns, minWrap)
	p.printf("%s", head)
	for i, line := range wrap(shorten(s, maxMessage), room) {
		if i > 0 {
			p.printf("%*s", columns, "")
		}
		p.printf("%s\n", paint("%s", line))
	}
}

// minWrap is the least width that text is wrapped to.
const minWrap = 30

func wrap(s string, width int) []string {
	var lines []string
	line, used := "", 0
	for _, word := range strings.Fields(s) {
		n := len([]rune(word))
		if used > 0 && used+1+n > width {
			lines = append(lines, line)
			line, used = "", 0
		}
		if used > 0 {
			line += " "
			used++
		}
		line += word
		used += n
	}
	return append(lines, line)
}

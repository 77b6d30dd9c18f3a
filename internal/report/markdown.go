package report

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// markdown is for comments on pull requests and for GitHub's step summary: a table by severity, what could not be checked,
// the findings by file, and how to solve them.
type markdown struct {
	// size is how many bytes the place that it goes to takes, less some for what must be there in any case. What does
	// not fit is counted, and named in the other formats.
	size int
}

const (
	// commentSize: comments of GitHub have at most 65,536 characters.
	commentSize = 60_000
	// summarySize: step summaries of GitHub have at most 1 MiB.
	summarySize = 1_000_000
)

// mdText makes a stranger's text plain in Markdown: nothing in it is markup, a mention or a link.
func mdText(s string) string {
	return mdEscapes.Replace(shorten(oneLine(s), maxMessage))
}

var mdEscapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "|", `\|`, "#", `\#`, "!", `\!`,
	"~", `\~`, "$", `\$`, "@", "@\u200B", "://", ":\u200B//",
)

// mdCode is text in backticks. Pipes are escaped, as they must be in tables; there the escape is not shown.
func mdCode(s string) string {
	s = oneLine(s)
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		s = " " + s + " "
	}
	return fence + strings.ReplaceAll(s, "|", `\|`) + fence
}

// Write writes the report.
func (m markdown) Write(w io.Writer, r *Report) error {
	all, _, byPolicy := tally(r)
	page := &mdPage{left: m.size}
	page.add("## Assay: %s\n\n", mdVerdict(r, all))
	page.add("%s, judged by %s in %s.\n\n", extent(r),
		plural(len(r.Policies), "policy"), r.Duration.Round(time.Millisecond))
	page.severities(r)
	page.problems(r)
	// The remedies are worth more than the last of many findings.
	remedies := &mdPage{left: page.left / 4}
	remedies.remedies(byPolicy)
	page.left -= remedies.text.Len()
	page.findings(r)
	page.text.WriteString(remedies.text.String())
	if _, err := io.WriteString(w, page.text.String()); err != nil {
		return fmt.Errorf("writing Markdown: %w", err)
	}
	return nil
}

// mdPage is text of a bounded size.
type mdPage struct {
	text strings.Builder
	left int
}

// add adds text that must be there.
func (p *mdPage) add(format string, a ...any) {
	before := p.text.Len()
	fmt.Fprintf(&p.text, format, a...)
	p.left -= p.text.Len() - before
}

// fits adds text when there is room for it.
func (p *mdPage) fits(s string) bool {
	if len(s) > p.left {
		return false
	}
	p.text.WriteString(s)
	p.left -= len(s)
	return true
}

func mdVerdict(r *Report, all counts) string {
	found := plural(all.violations, "violation")
	if all.violations == 0 {
		found = "no violations"
	}
	if all.warnings > 0 {
		found += ", " + plural(all.warnings, "warning")
	}
	switch {
	case r.Incomplete():
		return "⚠️ " + found + ", and " + plural(errorCount(r), "thing") + " could not be checked"
	case r.Failed():
		return "❌ " + found
	}
	return "✅ " + found
}

func (p *mdPage) severities(r *Report) {
	all, bySeverity, _ := tally(r)
	if all.total() == 0 {
		return
	}
	p.add("| severity | violations | warnings | excepted |\n|---|---:|---:|---:|\n")
	for _, s := range severities {
		c := bySeverity[s]
		p.add("| %s | %d | %d | %d |\n", s, c.violations, c.warnings, c.excepted)
	}
	p.add("\n")
}

func (p *mdPage) problems(r *Report) {
	for i := range r.Problems {
		problem := &r.Problems[i]
		name := "Not checked"
		if problem.Warning {
			name = "Notice"
		}
		line := "- **" + name + "**"
		if at := place(problem.Location); at != "" {
			line += " " + mdCode(at)
		}
		line += ": " + mdText(problem.Message)
		if problem.Hint != "" {
			line += " (" + mdText(problem.Hint) + ")"
		}
		// At most half of the page, so that findings are seen too.
		if p.text.Len()+len(line) > p.left || !p.fits(line+"\n") {
			p.add("- …and %s more\n", plural(len(r.Problems)-i, "problem"))
			break
		}
	}
	if len(r.Problems) > 0 {
		p.add("\n")
	}
}

func (p *mdPage) findings(r *Report) {
	listed := 0
	for _, g := range byFile(r) {
		n := p.file(g)
		if listed += n; n < len(g.findings) {
			break
		}
	}
	if rest := len(r.Findings) - listed; rest > 0 {
		p.add("…and %s more, which the other formats list.\n\n", plural(rest, "finding"))
	}
}

// file lists the findings of a file as far as there is room, and returns how many it listed.
func (p *mdPage) file(g group) (listed int) {
	const end = "\n</details>\n\n"
	head := fmt.Sprintf("<details>\n<summary><b>%s</b>: %s</summary>\n\n| line | severity | object | message | expected |\n|---:|---|---|---|---|\n",
		mdText(orText(g.name, noFile)), plural(len(g.findings), "finding"))
	var rows strings.Builder
	for _, f := range g.findings {
		row := mdRow(f)
		if len(head)+rows.Len()+len(row)+len(end) > p.left {
			break
		}
		rows.WriteString(row)
		listed++
	}
	if listed > 0 {
		p.fits(head + rows.String() + end)
	}
	return listed
}

// maxExpected bounds a recommended value in a table.
const maxExpected = 120

func mdRow(f *Finding) string {
	line := ""
	if f.Location.Line > 0 {
		line = fmt.Sprint(f.Location.Line)
	}
	severity := string(f.Result.Policy.Spec.Severity)
	if s := standing(f); s != "violation" {
		severity += " (" + s + ")"
	}
	value := ""
	if s := expected(f); s != "" {
		value = mdCode(shorten(s, maxExpected))
	}
	object := mdText(strings.Join(nonEmpty(objectName(f.Result.Object), also(f)), ", "))
	message := mdText(f.Occurrence.Message)
	if f.Result.Exception != nil {
		message += "<br>" + mdText(exceptionText(f))
	}
	return fmt.Sprintf("| %s | %s | %s | %s<br>%s | %s |\n", line, severity, object, message, mdCode(f.Result.Policy.Spec.ID), value)
}

func (p *mdPage) remedies(byPolicy []*policyCount) {
	if len(byPolicy) == 0 {
		return
	}
	p.add("<details>\n<summary><b>How to solve</b></summary>\n\n")
	for _, c := range byPolicy {
		spec := &c.policy.Spec
		remedy := firstSentence(spec.HowToSolve)
		if remedy != "" && !p.fits(fmt.Sprintf("- **%s** (%s): %s\n", mdText(spec.Name), mdCode(spec.ID), mdText(remedy))) {
			break
		}
	}
	p.add("\n</details>\n")
}

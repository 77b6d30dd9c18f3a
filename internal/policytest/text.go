package policytest

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/fatih/color"
)

// TextOptions of WriteText.
type TextOptions struct {
	// Color marks what passed and failed by colour.
	Color bool
}

// WriteText writes a summary for people: a line for each policy, and below it what failed.
func WriteText(w io.Writer, summary *Summary, options TextOptions) error {
	out := bufio.NewWriter(w)
	t := &textWriter{out: out}
	for _, style := range []struct {
		to        *func(string, ...any) string
		attribute color.Attribute
	}{{&t.good, color.FgGreen}, {&t.bad, color.FgRed}, {&t.warn, color.FgYellow}, {&t.faint, color.Faint}} {
		painter := color.New(style.attribute)
		painter.DisableColor()
		if options.Color {
			painter.EnableColor()
		}
		*style.to = painter.Sprintf
	}
	for i := range summary.Policies {
		t.policy(&summary.Policies[i])
	}
	t.total(summary)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the results of the tests: %w", err)
	}
	return nil
}

type textWriter struct {
	out                    *bufio.Writer
	good, bad, warn, faint func(string, ...any) string
}

func (t *textWriter) policy(r *PolicyResult) {
	n := r.Counts()
	name := r.Policy.Spec.ID
	if name == "" {
		name = r.Folder
	}
	mark := t.good("✓")
	switch {
	case n.Failed > 0 || len(r.Problems) > 0:
		mark = t.bad("✗")
	case n.Passed == 0:
		mark = t.warn("-")
	}
	fmt.Fprintf(t.out, "%s %s  %s\n", mark, printable(name), t.faint("%s", t.measures(r, n)))
	for _, problem := range r.Problems {
		fmt.Fprintf(t.out, "  %s %s\n", t.bad("error:"), indented(problem))
	}
	for i := 0; i < len(r.Cases); {
		i = t.failure(r.Cases, i)
	}
	if c := r.Coverage; c != nil {
		for _, missing := range c.Missing {
			fmt.Fprintf(t.out, "  %s %s\n", t.warn("not reached:"), printable(missing))
		}
		if len(c.UntestedKinds) > 0 {
			fmt.Fprintf(t.out, "  %s %s (each needs an object that violates and one that does not)\n",
				t.warn("kinds without tests:"), printable(strings.Join(c.UntestedKinds, ", ")))
		}
	}
}

func (t *textWriter) measures(r *PolicyResult, n Counts) string {
	if n == (Counts{}) {
		return "no tests"
	}
	parts := []string{count(n.Passed+n.Failed, "test")}
	if n.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", n.Failed))
	}
	if n.Skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d skipped", n.Skipped))
	}
	if r.Coverage != nil {
		parts = append(parts, fmt.Sprintf("%.1f%% covered", r.Coverage.Percent()))
	}
	return strings.Join(append(parts, seconds(r.Duration)), ", ")
}

// failure writes the case at i if it failed, together with the same case on other kinds, and returns where to go on.
func (t *textWriter) failure(cases []CaseResult, i int) int {
	c := &cases[i]
	if c.Status != Failed {
		return i + 1
	}
	var also []string
	next := i + 1
	for ; next < len(cases) && cases[next].File == c.File && cases[next].Line == c.Line && cases[next].Name == c.Name; next++ {
		if cases[next].Status == Failed {
			also = append(also, cases[next].Kind)
		}
	}
	fmt.Fprintf(t.out, "  %s %s", t.bad("failed:"), printable(c.Name))
	if c.Kind != "" {
		fmt.Fprintf(t.out, " (%s)", printable(c.Kind))
	}
	fmt.Fprintf(t.out, "  %s\n", t.faint("%s:%d", printable(c.File), c.Line))
	fmt.Fprintf(t.out, "    %s\n", strings.ReplaceAll(printable(c.Failure), "\n", "\n    "))
	if len(also) > 0 {
		fmt.Fprintf(t.out, "    %s\n", t.faint("it fails as %s too", printable(strings.Join(also, ", "))))
	}
	return next
}

func (t *textWriter) total(s *Summary) {
	n := s.Counts()
	text := fmt.Sprintf("%s, %s: %d passed, %d failed", policies(len(s.Policies)), count(n.Passed+n.Failed, "test"), n.Passed, n.Failed)
	if n.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", n.Skipped)
	}
	paint := t.good
	if s.Failed() || s.Incomplete() {
		paint = t.bad
	}
	if s.Incomplete() {
		text += "; some tests could not be run"
	}
	fmt.Fprintf(t.out, "\n%s %s\n", paint("%s", text), t.faint("(%s)", seconds(s.Duration)))
}

func policies(n int) string {
	if n == 1 {
		return "1 policy"
	}
	return fmt.Sprintf("%d policies", n)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func indented(text string) string { return strings.ReplaceAll(printable(text), "\n", "\n    ") }

// printable replaces what would control the terminal: messages and names come from the policies of strangers.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

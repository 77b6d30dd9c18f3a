package report

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/assay-gitops/assay/policy"
)

// junit is for the test views of CI systems: a suite for each file, a case for each finding, named by policy and object.
// Violations that do not fail the run, and excepted ones, are skipped cases; problems are errors.
type junit struct{}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	ClassName string        `xml:"classname,attr"`
	File      string        `xml:"file,attr,omitempty"`
	Line      int           `xml:"line,attr,omitempty"`
	Failure   *junitMessage `xml:"failure"`
	Error     *junitMessage `xml:"error"`
	Skipped   *junitMessage `xml:"skipped"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// Write writes the report.
func (junit) Write(w io.Writer, r *Report) error {
	out := bufio.NewWriter(w)
	if err := writeJUnit(out, r); err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	return nil
}

// writeJUnit writes suite after suite, so that a large report is never held twice.
func writeJUnit(w io.Writer, r *Report) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	root := junitRoot(r)
	if err := encoder.EncodeToken(root); err != nil {
		return err
	}
	for _, g := range byFile(r) {
		suite := junitSuite{Name: orText(g.name, noFile)}
		for _, f := range g.findings {
			suite.add(junitFinding(r, f))
		}
		if err := encoder.Encode(suite); err != nil {
			return err
		}
	}
	problems := junitSuite{Name: "not checked"}
	for i := range r.Problems {
		problems.add(junitProblem(&r.Problems[i]))
	}
	if len(r.Findings)+len(r.Problems) == 0 {
		// Several CI systems take a report without cases for a broken one.
		problems = junitSuite{Name: "assay check"}
		problems.add(junitCase{Name: plural(r.Objects, "object") + ", no violations", ClassName: "assay"})
	}
	if problems.Tests > 0 {
		if err := encoder.Encode(problems); err != nil {
			return err
		}
	}
	if err := encoder.EncodeToken(root.End()); err != nil {
		return err
	}
	if err := encoder.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// junitRoot is the start of the document with its totals.
func junitRoot(r *Report) xml.StartElement {
	failures, errors := 0, errorCount(r)
	for i := range r.Findings {
		if r.Findings[i].Fails {
			failures++
		}
	}
	tests := len(r.Findings) + len(r.Problems)
	skipped := tests - failures - errors
	if tests == 0 {
		tests = 1 // the case that says so
	}
	root := xml.StartElement{Name: xml.Name{Local: "testsuites"}}
	attribute := func(name, value string) {
		root.Attr = append(root.Attr, xml.Attr{Name: xml.Name{Local: name}, Value: value})
	}
	attribute("name", "assay check")
	attribute("tests", strconv.Itoa(tests))
	attribute("failures", strconv.Itoa(failures))
	attribute("errors", strconv.Itoa(errors))
	attribute("skipped", strconv.Itoa(skipped))
	attribute("time", fmt.Sprintf("%.3f", r.Duration.Seconds()))
	return root
}

func junitFinding(r *Report, f *Finding) junitCase {
	spec := &f.Result.Policy.Spec
	message, object := oneLine(f.Occurrence.Message), oneLine(objectName(f.Result.Object))
	c := junitCase{
		Name: fmt.Sprintf("%s: %s: %s", oneLine(spec.Name), object, message), ClassName: spec.ID, File: f.Location.File, Line: f.Location.Line,
	}
	details := printable(strings.Join(nonEmpty(
		place(f.Location), f.Occurrence.Message, "severity: "+string(spec.Severity), label("field: ", f.Occurrence.Path),
		label("expected: ", expected(f)), also(f), label("help: ", firstSentence(spec.HowToSolve)),
	), "\n")) + "\n"
	if f.Fails {
		c.Failure = &junitMessage{Message: message, Type: string(spec.Severity), Text: details}
	} else {
		c.Skipped = &junitMessage{Message: mercy(r, f) + ": " + message, Text: details}
	}
	return c
}

func junitProblem(p *policy.Problem) junitCase {
	c := junitCase{Name: oneLine(p.Message), ClassName: "assay." + string(p.Kind), File: p.Location.File, Line: p.Location.Line}
	message := &junitMessage{
		Message: oneLine(p.Message), Type: string(p.Kind),
		Text: printable(strings.Join(nonEmpty(place(p.Location), p.Message, p.Excerpt, p.Hint), "\n")),
	}
	if p.Warning {
		c.Skipped = message
	} else {
		c.Error = message
	}
	return c
}

func nonEmpty(all ...string) []string {
	var kept []string
	for _, s := range all {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

func (s *junitSuite) add(c junitCase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
}

package policytest

import (
	"encoding/xml"
	"fmt"
	"io"
	"time"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	File     string      `xml:"file,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	ClassName string        `xml:"classname,attr"`
	File      string        `xml:"file,attr,omitempty"`
	Line      int           `xml:"line,attr,omitempty"`
	Time      string        `xml:"time,attr"`
	Failure   *junitMessage `xml:"failure"`
	Error     *junitMessage `xml:"error"`
	Skipped   *struct{}     `xml:"skipped"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes a summary as JUnit XML: a suite for each policy, a case for each case and kind, and an error for each
// problem.
func WriteJUnit(w io.Writer, summary *Summary) error {
	n := summary.Counts()
	all := junitSuites{
		Name: "assay test", Tests: n.Passed + n.Failed + n.Skipped, Failures: n.Failed, Skipped: n.Skipped, Time: junitTime(summary.Duration),
	}
	for i := range summary.Policies {
		suite := junitSuiteOf(&summary.Policies[i])
		all.Errors += suite.Errors
		all.Tests += suite.Errors
		all.Suites = append(all.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write the results of the tests as JUnit: %w", err)
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return fmt.Errorf("write the results of the tests as JUnit: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("write the results of the tests as JUnit: %w", err)
	}
	return nil
}

func junitSuiteOf(r *PolicyResult) junitSuite {
	n := r.Counts()
	id := r.Policy.Spec.ID
	if id == "" {
		id = r.Folder
	}
	suite := junitSuite{
		Name: printable(id), File: r.File, Time: junitTime(r.Duration),
		Tests: n.Passed + n.Failed + n.Skipped + len(r.Problems), Failures: n.Failed, Skipped: n.Skipped, Errors: len(r.Problems),
	}
	for i := range r.Cases {
		c := &r.Cases[i]
		name := c.Name
		if c.Kind != "" {
			name += " (" + c.Kind + ")"
		}
		entry := junitCase{Name: printable(name), ClassName: suite.Name, File: c.File, Line: c.Line, Time: junitTime(c.Duration)}
		switch c.Status {
		case Failed:
			entry.Failure = &junitMessage{Message: printable(firstLine(c.Failure)), Text: printable(c.Failure)}
		case Skipped:
			entry.Skipped = &struct{}{}
		}
		suite.Cases = append(suite.Cases, entry)
	}
	for _, problem := range r.Problems {
		suite.Cases = append(suite.Cases, junitCase{
			Name: "could not be run", ClassName: suite.Name, File: r.File, Time: junitTime(0),
			Error: &junitMessage{Message: printable(firstLine(problem)), Text: printable(problem)},
		})
	}
	return suite
}

func firstLine(text string) string {
	for i, r := range text {
		if r == '\n' {
			return text[:i]
		}
	}
	return text
}

func junitTime(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Writer writes a report in one format. It does not change the report and may be used again.
type Writer interface {
	Write(w io.Writer, r *Report) error
}

// Options of the formats that people read.
type Options struct {
	// Color makes text coloured by ANSI escape sequences.
	Color bool
	// Width is how many columns text may take; 0 means DefaultWidth.
	Width int
	// Frames shows source lines in text.
	Frames bool
	// Short makes text one line a finding.
	Short bool
}

// DefaultWidth of text.
const DefaultWidth = 100

// formats by name, in the order in which help lists them.
var formats = []struct {
	name string
	make func(Options) Writer
}{
	{"text", func(o Options) Writer { return text{o} }},
	{"json", func(Options) Writer { return jsonReport{} }},
	{"sarif", func(Options) Writer { return sarif{} }},
	{"junit", func(Options) Writer { return junit{} }},
	{"github", func(Options) Writer { return github{} }},
	{"github-summary", func(Options) Writer { return markdown{summarySize} }},
	{"gitlab-codequality", func(Options) Writer { return codeQuality{} }},
	{"gitlab-sast", func(Options) Writer { return sast{} }},
	{"markdown", func(Options) Writer { return markdown{commentSize} }},
	{"policyreport", func(Options) Writer { return policyReport{} }},
	{"weave-json", func(Options) Writer { return weaveJSON{} }},
}

// Formats are the names that New knows.
func Formats() []string {
	names := make([]string, len(formats))
	for i := range formats {
		names[i] = formats[i].name
	}
	return names
}

// New returns the writer of a format.
func New(format string, options Options) (Writer, error) {
	for i := range formats {
		if formats[i].name == format {
			return formats[i].make(options), nil
		}
	}
	names := Formats()
	slices.Sort(names)
	return nil, fmt.Errorf("unknown format %q: give one of %s", format, strings.Join(names, ", "))
}

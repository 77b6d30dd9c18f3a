package report

import (
	"io"
	"strings"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// sast is GitLab's security report for static analysis, version 15 of its schemas.
type sast struct{}

const sastSchema = "15.2.1"

type sastScan struct {
	Analyzer  sastScanner   `json:"analyzer"`
	Scanner   sastScanner   `json:"scanner"`
	Type      string        `json:"type"`
	StartTime string        `json:"start_time"`
	EndTime   string        `json:"end_time"`
	Status    string        `json:"status"`
	Messages  []sastMessage `json:"messages,omitempty"`
}

type sastScanner struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Version string     `json:"version"`
	Vendor  sastVendor `json:"vendor"`
	URL     string     `json:"url"`
}

type sastVendor struct {
	Name string `json:"name"`
}

type sastMessage struct {
	Level string `json:"level"`
	Value string `json:"value"`
}

type sastVulnerability struct {
	ID          string           `json:"id"`
	Name        string           `json:"name"`
	Description string           `json:"description"`
	Severity    string           `json:"severity"`
	Solution    string           `json:"solution,omitempty"`
	Identifiers []sastIdentifier `json:"identifiers"`
	Location    sastLocation     `json:"location"`
}

type sastIdentifier struct {
	Type  string `json:"type"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

type sastLocation struct {
	File      string `json:"file,omitempty"`
	StartLine int    `json:"start_line,omitempty"`
	EndLine   int    `json:"end_line,omitempty"`
	Class     string `json:"class,omitempty"`
}

// Limits of the schema.
const (
	sastNameLimit       = 255
	sastSolutionLimit   = 7000
	sastIdentifierLimit = 20
	sastTime            = "2006-01-02T15:04:05"
)

// Write writes the report.
func (sast) Write(w io.Writer, r *Report) error {
	out := newJSONStream(w)
	ids := uniqueIDs{}
	out.open("{")
	out.field("version", sastSchema)
	out.field("scan", sastScanned(r))
	out.list("vulnerabilities", len(r.Findings), func(i int) any {
		f := &r.Findings[i]
		if standing(f) == "excepted" {
			return nil
		}
		return sastFinding(f, ids.of(f.Fingerprint))
	})
	out.close("}")
	return out.flush()
}

func sastScanned(r *Report) sastScan {
	scanner := sastScanner{ID: "assay", Name: "Assay", Version: orText(r.Version, "dev"), Vendor: sastVendor{"Assay"}, URL: projectURL}
	scan := sastScan{
		Analyzer: scanner, Scanner: scanner, Type: "sast", Status: "success",
		StartTime: r.Started.UTC().Format(sastTime), EndTime: r.Started.Add(r.Duration).UTC().Format(sastTime),
	}
	// The status is about the scan, not about what it found.
	if r.Incomplete() {
		scan.Status = "failure"
	}
	for i := range r.Problems {
		p := &r.Problems[i]
		// A fatal message would say that the scan stopped there.
		scan.Messages = append(scan.Messages, sastMessage{"warn", oneLine(strings.Join(nonEmpty(place(p.Location), p.Message, p.Hint), ": "))})
	}
	return scan
}

func sastFinding(f *Finding, id string) sastVulnerability {
	spec := &f.Result.Policy.Spec
	v := sastVulnerability{
		ID: id, Name: shorten(oneLine(orText(spec.Name, spec.ID)), sastNameLimit), Severity: sastSeverity(f),
		Description: printable(strings.Join(nonEmpty(f.Occurrence.Message, spec.Description), "\n\n")),
		Solution:    shorten(strings.TrimSpace(spec.HowToSolve), sastSolutionLimit),
		Identifiers: []sastIdentifier{{"assay_policy", orText(spec.Name, spec.ID), spec.ID}},
		Location:    sastLocation{Class: objectName(f.Result.Object)},
	}
	if at := f.Location; at.File != "" {
		v.Location.File, v.Location.StartLine, v.Location.EndLine = at.File, startLine(at), endLine(at)
	}
	for _, standard := range spec.Standards {
		for _, control := range nonEmpty(standard.Controls...) {
			v.Identifiers = append(v.Identifiers, sastIdentifier{orText(standard.ID, "standard"), control, control})
		}
	}
	v.Identifiers = v.Identifiers[:min(len(v.Identifiers), sastIdentifierLimit)]
	return v
}

func sastSeverity(f *Finding) string {
	switch s := f.Result.Policy.Spec.Severity; {
	case !f.Result.Enforced:
		return "Info"
	case s == v2.SeverityHigh:
		return "Critical"
	case s == v2.SeverityMedium:
		return "Medium"
	}
	return "Low"
}

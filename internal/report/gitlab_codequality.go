package report

import (
	"fmt"
	"io"
	"strings"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// codeQuality is GitLab's code quality report, shown in merge requests: a JSON array, see "Code Quality report format" in
// GitLab's documentation. Excepted findings are left out, since the format knows no suppression; problems are issues too.
type codeQuality struct{}

type codeQualityIssue struct {
	Description string              `json:"description"`
	CheckName   string              `json:"check_name"`
	Fingerprint string              `json:"fingerprint"`
	Severity    string              `json:"severity"`
	Content     *codeQualityContent `json:"content,omitempty"`
	Location    codeQualityLocation `json:"location"`
}

type codeQualityContent struct {
	Body string `json:"body"`
}

type codeQualityLocation struct {
	Path  string           `json:"path"`
	Lines codeQualityLines `json:"lines"`
}

type codeQualityLines struct {
	Begin int `json:"begin"`
	End   int `json:"end,omitempty"`
}

// Write writes the report.
func (codeQuality) Write(w io.Writer, r *Report) error {
	out := newJSONStream(w)
	unique := uniqueIDs{}
	out.open("[")
	out.elements(len(r.Findings), func(i int) any {
		f := &r.Findings[i]
		if standing(f) == "excepted" {
			return nil
		}
		return codeQualityFinding(f, unique.of(f.Fingerprint))
	})
	out.elements(len(r.Problems), func(i int) any {
		p := &r.Problems[i]
		return codeQualityProblem(p, unique.of(problemFingerprint(p)))
	})
	out.close("]")
	return out.flush()
}

func codeQualityFinding(f *Finding, id string) codeQualityIssue {
	spec := &f.Result.Policy.Spec
	issue := codeQualityIssue{
		Description: fmt.Sprintf("%s (%s)", oneLine(f.Occurrence.Message), oneLine(objectName(f.Result.Object))),
		CheckName:   spec.ID, Fingerprint: id, Severity: codeQualitySeverity(f), Location: codeQualityPlace(f.Location),
	}
	if body := strings.Join(nonEmpty(spec.Description, spec.HowToSolve), "\n\n"); body != "" {
		issue.Content = &codeQualityContent{body}
	}
	return issue
}

func codeQualityProblem(p *policy.Problem, id string) codeQualityIssue {
	issue := codeQualityIssue{
		Description: "not checked: " + oneLine(p.Message), CheckName: "assay/" + string(p.Kind), Fingerprint: id,
		Severity: "blocker", Location: codeQualityPlace(p.Location),
	}
	if p.Warning {
		issue.Description, issue.Severity = oneLine(p.Message), "info"
	}
	if p.Hint != "" {
		issue.Content = &codeQualityContent{printable(p.Hint)}
	}
	return issue
}

// codeQualityPlace is the root of the repository where no file is known, since the format demands a path.
func codeQualityPlace(l policy.Location) codeQualityLocation {
	return codeQualityLocation{orText(l.File, "."), codeQualityLines{startLine(l), endLine(l)}}
}

// codeQualitySeverity is on GitLab's scale of info, minor, major, critical and blocker.
func codeQualitySeverity(f *Finding) string {
	switch s := f.Result.Policy.Spec.Severity; {
	case s == v2.SeverityLow:
		return "info"
	case s == v2.SeverityHigh && f.Result.Enforced:
		return "critical"
	case s == v2.SeverityHigh || f.Result.Enforced:
		return "major"
	}
	return "minor"
}

// uniqueIDs tells apart findings that share a fingerprint, such as those of two containers, for formats whose readers drop
// what they have seen.
type uniqueIDs map[string]int

func (u uniqueIDs) of(fingerprint string) string {
	n := u[fingerprint]
	u[fingerprint]++
	if n == 0 {
		return fingerprint
	}
	return fmt.Sprintf("%s-%d", fingerprint, n)
}

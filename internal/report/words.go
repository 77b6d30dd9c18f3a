package report

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// severities from bad to mild.
var severities = []v2.Severity{v2.SeverityHigh, v2.SeverityMedium, v2.SeverityLow}

// printable makes a stranger's text harmless in a terminal: control characters, which could move the cursor or forge lines,
// become visible, and bidirectional overrides, which could reorder them, go.
func printable(s string) string {
	clean := strings.IndexFunc(s, func(r rune) bool { return harmful(r) || r == utf8.RuneError }) < 0
	if clean {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\t' || r == '\n':
			b.WriteRune(r)
		case r == '\r':
		case harmful(r) || r == utf8.RuneError:
			b.WriteRune('\uFFFD')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func harmful(r rune) bool {
	return r != '\t' && r != '\n' && (r >= utf8.RuneSelf || r < ' ' || r == 0x7F) &&
		(unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Noncharacter_Code_Point, unicode.Zl, unicode.Zp))
}

// oneLine is printable text on one line.
func oneLine(s string) string { return strings.Join(strings.Fields(printable(s)), " ") }

// shorten cuts text to a number of characters.
func shorten(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	runes := []rune(s)
	return strings.TrimRightFunc(string(runes[:max(limit-1, 0)]), unicode.IsSpace) + "…"
}

var (
	codeFence = regexp.MustCompile("(?s)```.*?(?:```|$)")
	mdLink    = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	mdMarks   = regexp.MustCompile("[`*_#>]+")
	sentence  = regexp.MustCompile(`[.!?](?:\s|$)`)
)

// firstSentence is the first sentence of Markdown, without its marks and code blocks.
func firstSentence(markdown string) string {
	s := codeFence.ReplaceAllString(markdown, " ")
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n\n")
	s = oneLine(mdMarks.ReplaceAllStringFunc(mdLink.ReplaceAllString(s, "$1"), func(marks string) string {
		// Underscores and asterisks inside words are part of names such as how_to_solve.
		if strings.Trim(marks, "`#>") == "_" {
			return marks
		}
		return ""
	}))
	if end := sentence.FindStringIndex(s); end != nil {
		s = s[:end[0]+1]
	}
	return s
}

// recommended is the recommended value as YAML on one line, or several for a collection; empty when there is none. Values
// inside a Secret are not shown.
func recommended(f *Finding) string {
	value := f.Occurrence.RecommendedValue
	if value == nil {
		return ""
	}
	if isSecretValue(f.Result.Object, f.Occurrence.Path) {
		return secretMark
	}
	return asYAML(value)
}

func asYAML(value any) string {
	out, err := yaml.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return strings.TrimRight(string(out), "\n")
}

// expected is the recommended value for people: with the field's own key, since the place shown may be the field above it.
func expected(f *Finding) string {
	value := f.Occurrence.RecommendedValue
	steps, err := policy.ParsePath(f.Occurrence.Path)
	if value == nil || err != nil || steps[len(steps)-1].IsIndex {
		return recommended(f)
	}
	key := steps[len(steps)-1].Key
	if isSecretValue(f.Result.Object, f.Occurrence.Path) {
		return key + ": " + secretMark
	}
	return asYAML(map[string]any{key: value})
}

// objectName is Kind namespace/name.
func objectName(o *policy.Object) string {
	name := o.Name()
	if ns := o.Namespace(); ns != "" {
		name = ns + "/" + name
	}
	return strings.TrimSpace(o.Kind() + " " + name)
}

// extent is how much was judged; a cluster has no files.
func extent(r *Report) string {
	objects := plural(r.Objects, "object")
	if r.Files == 0 {
		return objects
	}
	return objects + " in " + plural(r.Files, "file")
}

// place is file:line:column as far as known.
func place(l policy.Location) string {
	s := l.File
	if l.Line > 0 {
		s += fmt.Sprintf(":%d", l.Line)
		if l.Column > 0 {
			s += fmt.Sprintf(":%d", l.Column)
		}
	}
	return s
}

// standing says how much a finding weighs: it is a violation, a warning or excepted.
func standing(f *Finding) string {
	switch {
	case f.Result.Status == policy.Excepted:
		return "excepted"
	case f.Result.Enforced:
		return "violation"
	}
	return "warning"
}

// exceptionText says which exception accepts the finding, why and until when.
func exceptionText(f *Finding) string {
	e := f.Result.Exception
	if e == nil {
		return ""
	}
	s := fmt.Sprintf("accepted by exception %s: %s", e.Name, oneLine(e.Spec.Reason))
	if e.Spec.Expires != nil {
		s += " (until " + e.Spec.Expires.UTC().Format(time.DateOnly) + ")"
	}
	return s
}

// also says which further objects a finding is about; empty when none.
func also(f *Finding) string {
	switch n := len(f.Also); n {
	case 0:
		return ""
	case 1:
		return "also in " + oneLine(objectName(f.Also[0])) + builtBy(f.Also[0])
	default:
		return fmt.Sprintf("also in %s%s and %d more", oneLine(objectName(f.Also[0])), builtBy(f.Also[0]), n-1)
	}
}

func builtBy(o *policy.Object) string {
	if o.Origin == nil {
		return ""
	}
	return " of " + oneLine(o.Origin.Root())
}

// mercy says why a finding does not make the run fail; empty when it does.
func mercy(r *Report, f *Finding) string {
	switch {
	case f.Fails:
		return ""
	case f.Result.Status == policy.Excepted:
		return exceptionText(f)
	case !f.Result.Enforced:
		return "not enforced"
	case r.FailOn == "":
		return "nothing fails this run"
	}
	return fmt.Sprintf("less severe than %s, from where findings fail the run", r.FailOn)
}

// counts of a report by severity.
type counts struct{ violations, warnings, excepted int }

func (c counts) total() int { return c.violations + c.warnings + c.excepted }

func (c *counts) add(f *Finding) {
	switch standing(f) {
	case "excepted":
		c.excepted++
	case "violation":
		c.violations++
	default:
		c.warnings++
	}
}

type policyCount struct {
	policy *v2.Policy
	counts
}

// tally counts the findings: in all, by severity, and by policy, the most frequent first.
func tally(r *Report) (all counts, bySeverity map[v2.Severity]*counts, byPolicy []*policyCount) {
	bySeverity = map[v2.Severity]*counts{}
	for _, s := range severities {
		bySeverity[s] = &counts{}
	}
	index := map[string]*policyCount{}
	for i := range r.Findings {
		f := &r.Findings[i]
		p := f.Result.Policy
		all.add(f)
		if bySeverity[p.Spec.Severity] == nil {
			bySeverity[p.Spec.Severity] = &counts{}
		}
		bySeverity[p.Spec.Severity].add(f)
		c := index[p.Spec.ID]
		if c == nil {
			c = &policyCount{policy: p}
			index[p.Spec.ID] = c
			byPolicy = append(byPolicy, c)
		}
		c.add(f)
	}
	sortPolicyCounts(byPolicy)
	return all, bySeverity, byPolicy
}

// errorCount is how many problems kept something from being judged.
func errorCount(r *Report) int {
	n := 0
	for i := range r.Problems {
		if !r.Problems[i].Warning {
			n++
		}
	}
	return n
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if strings.HasSuffix(one, "y") {
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(one, "y"))
	}
	return fmt.Sprintf("%d %ss", n, one)
}

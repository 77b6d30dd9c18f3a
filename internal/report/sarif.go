package report

import (
	"io"
	"net/url"
	"path"
	"strings"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// sarif is the Static Analysis Results Interchange Format 2.1.0 (OASIS), for code scanning: GitHub, GitLab, Azure DevOps and
// editors read it.
type sarif struct{}

const (
	sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	projectURL  = "https://github.com/assay-gitops/assay"
	sourceRoot  = "%SRCROOT%"
	// fingerprintName is versioned: what goes into Fingerprint cannot change under it.
	fingerprintName = "assayFingerprint/v1"
)

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name            string      `json:"name"`
	Version         string      `json:"version,omitempty"`
	SemanticVersion string      `json:"semanticVersion,omitempty"`
	InformationURI  string      `json:"informationUri"`
	Rules           []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID                   string             `json:"id"`
	Name                 string             `json:"name"`
	ShortDescription     sarifText          `json:"shortDescription"`
	FullDescription      sarifText          `json:"fullDescription"`
	Help                 sarifText          `json:"help"`
	DefaultConfiguration sarifConfiguration `json:"defaultConfiguration"`
	Properties           map[string]any     `json:"properties"`
}

type sarifText struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown,omitempty"`
}

type sarifConfiguration struct {
	Level string `json:"level"`
}

type sarifInvocation struct {
	ExecutionSuccessful        bool                `json:"executionSuccessful"`
	ExitCode                   int                 `json:"exitCode"`
	StartTimeUTC               string              `json:"startTimeUtc"`
	EndTimeUTC                 string              `json:"endTimeUtc"`
	ToolExecutionNotifications []sarifNotification `json:"toolExecutionNotifications"`
}

type sarifNotification struct {
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations,omitempty"`
}

type sarifResult struct {
	RuleID              string             `json:"ruleId"`
	RuleIndex           int                `json:"ruleIndex"`
	Level               string             `json:"level"`
	Message             sarifText          `json:"message"`
	Locations           []sarifLocation    `json:"locations,omitempty"`
	RelatedLocations    []sarifLocation    `json:"relatedLocations,omitempty"`
	PartialFingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions        []sarifSuppression `json:"suppressions,omitempty"`
	Properties          map[string]any     `json:"properties"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	Justification string `json:"justification"`
}

type sarifLocation struct {
	ID               int                    `json:"id,omitempty"`
	PhysicalLocation *sarifPhysicalLocation `json:"physicalLocation,omitempty"`
	LogicalLocations []sarifLogicalLocation `json:"logicalLocations,omitempty"`
	Message          *sarifText             `json:"message,omitempty"`
}

type sarifPhysicalLocation struct {
	ArtifactLocation sarifArtifactLocation `json:"artifactLocation"`
	Region           *sarifRegion          `json:"region,omitempty"`
}

type sarifArtifactLocation struct {
	URI         string     `json:"uri,omitempty"`
	URIBaseID   string     `json:"uriBaseId,omitempty"`
	Description *sarifText `json:"description,omitempty"`
}

type sarifLogicalLocation struct {
	FullyQualifiedName string `json:"fullyQualifiedName"`
	Kind               string `json:"kind"`
}

type sarifRegion struct {
	StartLine   int `json:"startLine"`
	StartColumn int `json:"startColumn,omitempty"`
	EndLine     int `json:"endLine,omitempty"`
	EndColumn   int `json:"endColumn,omitempty"`
}

// Write writes the report.
func (sarif) Write(w io.Writer, r *Report) error {
	rules := map[string]int{}
	driver := sarifDriver{Name: "Assay", Version: r.Version, InformationURI: projectURL, Rules: []sarifRule{}}
	for _, p := range violated(r) {
		rules[p.Spec.ID] = len(driver.Rules)
		driver.Rules = append(driver.Rules, sarifRuleOf(p))
	}
	root := sarifArtifactLocation{Description: &sarifText{Text: "The root of the repository."}}
	out := newJSONStream(w)
	out.open("{")
	out.field("$schema", sarifSchema)
	out.field("version", "2.1.0")
	out.openField("runs", "[")
	out.open("{")
	out.field("tool", sarifTool{driver})
	out.field("invocations", []sarifInvocation{sarifInvoked(r)})
	out.field("originalUriBaseIds", map[string]sarifArtifactLocation{sourceRoot: root})
	out.field("columnKind", "unicodeCodePoints")
	out.list("results", len(r.Findings), func(i int) any {
		f := &r.Findings[i]
		return sarifFinding(f, rules[f.Result.Policy.Spec.ID])
	})
	out.close("}")
	out.close("]")
	out.close("}")
	return out.flush()
}

func sarifInvoked(r *Report) sarifInvocation {
	invocation := sarifInvocation{
		ExecutionSuccessful: !r.Incomplete(), ExitCode: r.ExitCode(),
		StartTimeUTC: r.Started.UTC().Format(time.RFC3339), EndTimeUTC: r.Started.Add(r.Duration).UTC().Format(time.RFC3339),
		ToolExecutionNotifications: []sarifNotification{},
	}
	for i := range r.Problems {
		p := &r.Problems[i]
		n := sarifNotification{Level: "error", Message: sarifText{Text: printable(strings.Join(nonEmpty(p.Message, p.Hint), "\n"))}}
		if p.Warning {
			n.Level = "warning"
		}
		if p.Location.File != "" {
			n.Locations = []sarifLocation{sarifPlace(p.Location)}
		}
		invocation.ToolExecutionNotifications = append(invocation.ToolExecutionNotifications, n)
	}
	return invocation
}

func sarifRuleOf(p *v2.Policy) sarifRule {
	spec := &p.Spec
	help := strings.Join(nonEmpty(spec.Description, spec.HowToSolve), "\n\n")
	tags := []string{spec.Category}
	tags = append(tags, spec.Tags...)
	for _, standard := range spec.Standards {
		tags = append(tags, standard.Controls...)
	}
	return sarifRule{
		ID: spec.ID, Name: ruleName(spec.Name), ShortDescription: sarifText{Text: spec.Name},
		FullDescription: sarifText{Text: orText(firstSentence(spec.Description), spec.Name)}, Help: sarifText{Text: orText(help, spec.Name), Markdown: orText(help, spec.Name)},
		DefaultConfiguration: sarifConfiguration{sarifLevel(spec.Severity, spec.IsEnforced())},
		Properties: map[string]any{
			"tags": tags, "precision": "high", "security-severity": securitySeverity(spec.Severity), "problem.severity": sarifLevel(spec.Severity, true),
		},
	}
}

func orText(s, otherwise string) string {
	if strings.TrimSpace(s) == "" {
		return otherwise
	}
	return s
}

// ruleName is the name in the camel case that SARIF asks of names of rules.
func ruleName(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return !isAlphanumeric(r) }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// sarifLevel is at most a warning for what is not enforced.
func sarifLevel(s v2.Severity, enforced bool) string {
	switch {
	case s == v2.SeverityLow:
		return "note"
	case s == v2.SeverityHigh && enforced:
		return "error"
	}
	return "warning"
}

// securitySeverity is what GitHub sorts security alerts by, on the scale of CVSS.
func securitySeverity(s v2.Severity) string {
	switch s {
	case v2.SeverityHigh:
		return "8.0"
	case v2.SeverityMedium:
		return "5.0"
	}
	return "2.0"
}

func sarifFinding(f *Finding, rule int) sarifResult {
	result := sarifResult{
		RuleID: f.Result.Policy.Spec.ID, RuleIndex: rule, Level: sarifLevel(f.Result.Policy.Spec.Severity, f.Result.Enforced || f.Result.Exception != nil),
		Message:             sarifText{Text: printable(f.Occurrence.Message)},
		PartialFingerprints: map[string]string{fingerprintName: f.Fingerprint},
		Properties:          map[string]any{"object": objectName(f.Result.Object), "severity": f.Result.Policy.Spec.Severity, "enforced": f.Result.Enforced},
	}
	if f.Occurrence.Path != "" {
		result.Properties["violatingKey"] = f.Occurrence.Path
	}
	if value := recommended(f); value != "" {
		result.Properties["recommendedValue"] = value
	}
	at := sarifPlace(f.Location)
	for _, o := range append([]*policy.Object{f.Result.Object}, f.Also...) {
		at.LogicalLocations = append(at.LogicalLocations, sarifLogicalLocation{FullyQualifiedName: objectName(o), Kind: "resource"})
	}
	result.Locations = []sarifLocation{at}
	for i, related := range f.Related {
		l := sarifPlace(related)
		l.ID = i + 1
		if related.Note != "" {
			l.Message = &sarifText{Text: related.Note}
		}
		result.RelatedLocations = append(result.RelatedLocations, l)
	}
	if text := exceptionText(f); text != "" {
		result.Suppressions = []sarifSuppression{{Kind: "external", Status: "accepted", Justification: text}}
	}
	return result
}

func sarifPlace(l policy.Location) sarifLocation {
	if l.File == "" {
		return sarifLocation{}
	}
	physical := &sarifPhysicalLocation{ArtifactLocation: sarifArtifact(l.File)}
	if l.Line > 0 {
		physical.Region = &sarifRegion{StartLine: l.Line, StartColumn: l.Column, EndLine: l.EndLine}
		if l.Column > 0 {
			physical.Region.EndColumn = l.EndColumn
		}
	}
	return sarifLocation{PhysicalLocation: physical}
}

// sarifArtifact is relative to the root of the repository, unless the file is elsewhere.
func sarifArtifact(file string) sarifArtifactLocation {
	if path.IsAbs(file) {
		return sarifArtifactLocation{URI: (&url.URL{Scheme: "file", Path: file}).String()}
	}
	return sarifArtifactLocation{URI: (&url.URL{Path: file}).String(), URIBaseID: sourceRoot}
}

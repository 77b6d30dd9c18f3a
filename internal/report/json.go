package report

import (
	"io"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// JSONSchema names the schema of the json format: docs/schemas/report-v1.schema.json. A field may be added to a version,
// none is taken away or given another meaning.
const JSONSchema = "assay/report/v1"

// jsonReport is for programs: everything the report holds.
type jsonReport struct{}

type jsonSummary struct {
	Objects     int                          `json:"objects"`
	Files       int                          `json:"files"`
	Policies    int                          `json:"policies"`
	Evaluations int                          `json:"evaluations"`
	Violations  int                          `json:"violations"`
	Warnings    int                          `json:"warnings"`
	Excepted    int                          `json:"excepted"`
	Errors      int                          `json:"errors"`
	BySeverity  map[string]jsonSeverityCount `json:"by_severity"`
	FailOn      string                       `json:"fail_on"`
	Passed      bool                         `json:"passed"`
	ExitCode    int                          `json:"exit_code"`
	StartedAt   string                       `json:"started_at"`
	DurationMS  int64                        `json:"duration_ms"`
}

type jsonSeverityCount struct {
	Violations int `json:"violations"`
	Warnings   int `json:"warnings"`
	Excepted   int `json:"excepted"`
}

type jsonPolicy struct {
	ID          string              `json:"id"`
	Name        string              `json:"name"`
	Severity    v2.Severity         `json:"severity"`
	Category    string              `json:"category"`
	Enforced    bool                `json:"enforced"`
	Description string              `json:"description"`
	HowToSolve  string              `json:"how_to_solve"`
	Tags        []string            `json:"tags"`
	Standards   []v2.PolicyStandard `json:"standards"`
}

type jsonResult struct {
	PolicyID         string          `json:"policy_id"`
	Status           string          `json:"status"`
	Severity         v2.Severity     `json:"severity"`
	Enforced         bool            `json:"enforced"`
	Fails            bool            `json:"fails"`
	Message          string          `json:"message"`
	Object           jsonObject      `json:"object"`
	AlsoIn           []jsonObject    `json:"also_in,omitempty"`
	ViolatingKey     string          `json:"violating_key,omitempty"`
	RecommendedValue any             `json:"recommended_value,omitempty"`
	Location         jsonLocation    `json:"location"`
	Related          []jsonLocation  `json:"related,omitempty"`
	Parameters       []jsonParameter `json:"parameters,omitempty"`
	Exception        *jsonException  `json:"exception,omitempty"`
	Fingerprint      string          `json:"fingerprint"`
}

type jsonObject struct {
	APIVersion string `json:"api_version"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
	Root       string `json:"root,omitempty"`
}

type jsonLocation struct {
	File      string `json:"file"`
	Line      int    `json:"line,omitempty"`
	Column    int    `json:"column,omitempty"`
	EndLine   int    `json:"end_line,omitempty"`
	EndColumn int    `json:"end_column,omitempty"`
	Note      string `json:"note,omitempty"`
}

type jsonParameter struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	Required  bool   `json:"required"`
	Value     any    `json:"value"`
	ConfigRef string `json:"config_ref,omitempty"`
}

type jsonException struct {
	Name    string `json:"name"`
	Reason  string `json:"reason"`
	Expires string `json:"expires,omitempty"`
}

type jsonProblem struct {
	Kind     policy.ProblemKind `json:"kind"`
	Warning  bool               `json:"warning"`
	Message  string             `json:"message"`
	Hint     string             `json:"hint,omitempty"`
	Excerpt  string             `json:"excerpt,omitempty"`
	Location jsonLocation       `json:"location"`
}

// Write writes the report.
func (jsonReport) Write(w io.Writer, r *Report) error {
	out := newJSONStream(w)
	out.open("{")
	out.field("schema", JSONSchema)
	out.field("version", r.Version)
	out.field("summary", summarise(r))
	affected := violated(r)
	out.list("policies", len(affected), func(i int) any { return describePolicy(affected[i]) })
	out.list("results", len(r.Findings), func(i int) any { return jsonFinding(&r.Findings[i]) })
	out.list("problems", len(r.Problems), func(i int) any { return describeProblem(&r.Problems[i]) })
	out.close("}")
	return out.flush()
}

func summarise(r *Report) jsonSummary {
	all, bySeverity, _ := tally(r)
	s := jsonSummary{
		Objects: r.Objects, Files: r.Files, Policies: len(r.Policies), Evaluations: r.Evaluations,
		Violations: all.violations, Warnings: all.warnings, Excepted: all.excepted, Errors: errorCount(r),
		BySeverity: map[string]jsonSeverityCount{}, FailOn: "none", Passed: r.ExitCode() == 0, ExitCode: r.ExitCode(),
		StartedAt: r.Started.UTC().Format(time.RFC3339), DurationMS: r.Duration.Milliseconds(),
	}
	if r.FailOn != "" {
		s.FailOn = string(r.FailOn)
	}
	for severity, c := range bySeverity {
		s.BySeverity[string(severity)] = jsonSeverityCount{c.violations, c.warnings, c.excepted}
	}
	return s
}

func describePolicy(p *v2.Policy) jsonPolicy {
	d := jsonPolicy{
		ID: p.Spec.ID, Name: p.Spec.Name, Severity: p.Spec.Severity, Category: p.Spec.Category, Enforced: p.Spec.IsEnforced(),
		Description: p.Spec.Description, HowToSolve: p.Spec.HowToSolve, Tags: p.Spec.Tags, Standards: p.Spec.Standards,
	}
	if d.Tags == nil {
		d.Tags = []string{}
	}
	if d.Standards == nil {
		d.Standards = []v2.PolicyStandard{}
	}
	return d
}

func jsonFinding(f *Finding) jsonResult {
	result := jsonResult{
		PolicyID: f.Result.Policy.Spec.ID, Status: string(f.Result.Status), Severity: f.Result.Policy.Spec.Severity,
		Enforced: f.Result.Enforced, Fails: f.Fails, Message: f.Occurrence.Message, Object: describeObject(f.Result.Object),
		ViolatingKey: f.Occurrence.Path, RecommendedValue: f.Occurrence.RecommendedValue, Location: jsonLocation(f.Location),
		Fingerprint: f.Fingerprint,
	}
	if isSecretValue(f.Result.Object, f.Occurrence.Path) && result.RecommendedValue != nil {
		result.RecommendedValue = secretMark
	}
	for _, o := range f.Also {
		result.AlsoIn = append(result.AlsoIn, describeObject(o))
	}
	for _, l := range f.Related {
		result.Related = append(result.Related, jsonLocation(l))
	}
	for _, p := range f.Result.Parameters {
		result.Parameters = append(result.Parameters, jsonParameter(p))
	}
	if e := f.Result.Exception; e != nil {
		result.Exception = &jsonException{Name: e.Name, Reason: e.Spec.Reason}
		if e.Spec.Expires != nil {
			result.Exception.Expires = e.Spec.Expires.UTC().Format(time.RFC3339)
		}
	}
	return result
}

func describeObject(o *policy.Object) jsonObject {
	d := jsonObject{APIVersion: o.APIVersion(), Kind: o.Kind(), Namespace: o.Namespace(), Name: o.Name()}
	if o.Origin != nil {
		d.Root = o.Origin.Root()
	}
	return d
}

func describeProblem(p *policy.Problem) jsonProblem {
	return jsonProblem{p.Kind, p.Warning, p.Message, p.Hint, p.Excerpt, jsonLocation(p.Location)}
}

package report

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// unusual are reports that use what the example does not.
func unusual() map[string]*Report {
	bare := &v2.Policy{Spec: v2.PolicySpec{ID: "bare", Severity: v2.SeverityLow}}
	result := &policy.Result{Policy: bare, Object: &policy.Object{Content: map[string]any{}}, Status: policy.Violation}
	places := []policy.Location{
		{}, {File: "a.yaml"}, {File: "a.yaml", Line: 3}, {File: "a.yaml", Line: 3, Column: 2}, {File: "a.yaml", Line: 3, EndLine: 4},
		{File: "a b/100%/ü:x?#.yaml", Line: 1}, {File: "c:d.yaml"}, {File: "/abs/a.yaml", Line: 1}, {File: "../a.yaml", Line: 1}, {File: "-"},
	}
	places[3].Note = "see"
	odd := &Report{Started: time.Unix(0, 0), Policies: []*v2.Policy{bare}}
	for _, at := range places {
		odd.Findings = append(odd.Findings, Finding{
			Result: result, Location: at, Related: []policy.Location{at}, Fingerprint: strings.Repeat("0", 32),
			Occurrence: policy.Occurrence{Message: "\x00\xff\u2028\U0010FFFF", RecommendedValue: []any{nil, 1.5, int64(1), "\x01"}},
		})
		odd.Problems = append(odd.Problems, policy.Problem{Kind: policy.LoadProblem, Location: at, Message: "m"})
	}
	return map[string]*Report{"example": example(), "empty": {Started: time.Unix(0, 0)}, "odd": odd}
}

// TestSchemas validates what has a published schema.
func TestSchemas(t *testing.T) {
	for format, file := range map[string]string{
		"sarif":       "testdata/sarif-schema-2.1.0.json",
		"json":        "../../docs/schemas/report-v1.schema.json",
		"gitlab-sast": "testdata/gitlab-sast.schema.json",
	} {
		t.Run(format, func(t *testing.T) {
			compiled, err := jsonschema.NewCompiler().Compile(file)
			if err != nil {
				t.Fatal(err)
			}
			for name, r := range unusual() {
				validate(t, name, compiled, write(t, format, Options{}, r))
			}
		})
	}
}

func validate(t *testing.T, name string, schema *jsonschema.Schema, document []byte) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, document)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// TestEveryFieldOfJSONIsDocumented validates against the schema with everything forbidden that it does not describe.
func TestEveryFieldOfJSONIsDocumented(t *testing.T) {
	content, err := os.ReadFile("../../docs/schemas/report-v1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema any
	if err := json.Unmarshal(content, &schema); err != nil {
		t.Fatal(err)
	}
	closeObjects(schema)
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("closed.json", schema); err != nil {
		t.Fatal(err)
	}
	closed, err := compiler.Compile("closed.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range unusual() {
		validate(t, name, closed, write(t, "json", Options{}, r))
	}
}

func closeObjects(schema any) {
	switch v := schema.(type) {
	case map[string]any:
		if _, ok := v["properties"].(map[string]any); ok {
			v["additionalProperties"] = false
		}
		for _, child := range v {
			closeObjects(child)
		}
	case []any:
		for _, child := range v {
			closeObjects(child)
		}
	}
}

func TestArtifactsOfSARIFAreURIs(t *testing.T) {
	for file, want := range map[string]sarifArtifactLocation{
		"apps/web.yaml":      {URI: "apps/web.yaml", URIBaseID: sourceRoot},
		"a b/100%/ü?#.yaml":  {URI: "a%20b/100%25/%C3%BC%3F%23.yaml", URIBaseID: sourceRoot},
		"c:d.yaml":           {URI: "./c:d.yaml", URIBaseID: sourceRoot},
		"../other/web.yaml":  {URI: "../other/web.yaml", URIBaseID: sourceRoot},
		"/elsewhere/a b.yml": {URI: "file:///elsewhere/a%20b.yml"},
	} {
		if got := sarifArtifact(file); got != want {
			t.Errorf("%s: %v, want %v", file, got, want)
		}
	}
}

// TestPolicyReportsDecodeStrictly reads the stream as the API server would and compares it with the report.
func TestPolicyReportsDecodeStrictly(t *testing.T) {
	for name, r := range unusual() {
		results, cluster := 0, 0
		for _, document := range bytes.Split(write(t, "policyreport", Options{}, r), []byte("---\n")) {
			var kind struct{ Kind string }
			if err := yaml.Unmarshal(document, &kind); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, document)
			}
			var got v1alpha1.Report
			switch kind.Kind {
			case "Report":
				if err := yaml.UnmarshalStrict(document, &got); err != nil {
					t.Fatalf("%s: %v\n%s", name, err, document)
				}
			case "ClusterReport":
				var c v1alpha1.ClusterReport
				if err := yaml.UnmarshalStrict(document, &c); err != nil {
					t.Fatalf("%s: %v\n%s", name, err, document)
				}
				got.Summary, got.Results = c.Summary, c.Results
				cluster += len(c.Results)
			case "":
				continue
			default:
				t.Fatalf("%s: kind %q", name, kind.Kind)
			}
			var counted v1alpha1.ReportSummary
			for _, result := range got.Results {
				results++
				switch result.Result {
				case "fail":
					counted.Fail++
				case "warn":
					counted.Warn++
				case "skip":
					counted.Skip++
				case "error":
					counted.Error++
				}
				if result.Policy == "" || result.Source != "assay" || result.Timestamp.Seconds != r.Started.Unix() {
					t.Errorf("%s: %+v", name, result)
				}
			}
			if got.Summary != counted {
				t.Errorf("%s: the summary says %+v, the results %+v", name, got.Summary, counted)
			}
		}
		want := len(r.Problems)
		for i := range r.Findings {
			want += 1 + len(r.Findings[i].Also)
		}
		if results != want {
			t.Errorf("%s: %d results, want %d", name, results, want)
		}
		if cluster < len(r.Problems) {
			t.Errorf("%s: problems are not in the cluster's report", name)
		}
	}
}

// TestCodeQualityHasWhatGitLabDemands checks the fields that GitLab's documentation calls required, and that no two issues
// share a fingerprint: GitLab would drop one.
func TestCodeQualityHasWhatGitLabDemands(t *testing.T) {
	for name, r := range unusual() {
		var issues []struct {
			Description string
			CheckName   string `json:"check_name"`
			Fingerprint string
			Severity    string
			Location    struct {
				Path  string
				Lines struct{ Begin int }
			}
		}
		if err := json.Unmarshal(write(t, "gitlab-codequality", Options{}, r), &issues); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, issue := range issues {
			if issue.Description == "" || issue.CheckName == "" || issue.Fingerprint == "" || issue.Location.Path == "" || issue.Location.Lines.Begin < 1 ||
				!strings.Contains(" info minor major critical blocker ", " "+issue.Severity+" ") {
				t.Errorf("%s: %+v", name, issue)
			}
			if seen[issue.Fingerprint] {
				t.Errorf("%s: %s is there twice", name, issue.Fingerprint)
			}
			seen[issue.Fingerprint] = true
		}
	}
}

func TestMarkdownFitsWhereItGoes(t *testing.T) {
	r := many(10_000)
	for i := range 2000 {
		r.Problems = append(r.Problems, policy.Problem{Message: strings.Repeat("long ", i)})
	}
	for format, limit := range map[string]int{"markdown": 65_536, "github-summary": 1 << 20} {
		got := string(write(t, format, Options{}, r))
		if len(got) > limit || len(got) < limit/2 {
			t.Errorf("%s: %d bytes of %d", format, len(got), limit)
		}
		for _, what := range []string{"more, which the other formats list", "problems more", "How to solve", "<b>apps/"} {
			if !strings.Contains(got, what) {
				t.Errorf("%s: %q is missing", format, what)
			}
		}
		if open, closed := strings.Count(got, "<details>"), strings.Count(got, "</details>"); open != closed {
			t.Errorf("%s: %d details begin, %d end", format, open, closed)
		}
	}
}

// failing is a writer that takes some bytes and then no more.
type failing struct{ left int }

func (f *failing) Write(b []byte) (int, error) {
	if len(b) > f.left {
		return f.left, os.ErrClosed
	}
	f.left -= len(b)
	return len(b), nil
}

func TestErrorsOfTheWriterAreReturned(t *testing.T) {
	r := many(1000)
	for _, format := range Formats() {
		w, err := New(format, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, left := range []int{0, 5000} {
			if err := w.Write(&failing{left}, r); err == nil {
				t.Errorf("%s: no error after %d bytes", format, left)
			}
		}
	}
}

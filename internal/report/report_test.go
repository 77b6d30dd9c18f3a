package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// origin of the objects of the example.
type origin string

func (o origin) Root() string                        { return string(o) }
func (o origin) Object() policy.Location             { return policy.Location{File: string(o), Line: 1} }
func (o origin) Field(policy.Path) []policy.Location { return []policy.Location{o.Object()} }

func object(apiVersion, kind, namespace, name, file string) *policy.Object {
	metadata := map[string]any{"name": name}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	return &policy.Object{Content: map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": metadata}, Origin: origin(file)}
}

func examplePolicy(id, name string, severity v2.Severity, enforce bool) *v2.Policy {
	p := &v2.Policy{ObjectMeta: metav1.ObjectMeta{Name: id}}
	p.Spec = v2.PolicySpec{
		ID: id, Name: name, Severity: severity, Enforce: &enforce, Category: "weave.categories.pod-security",
		Description: "A **privileged** container is root on the node.\n\nMore about it.",
		HowToSolve:  "Remove `privileged`, or set it to false. Nothing needs it.\n\n```yaml\nprivileged: false\n```",
		Tags:        []string{"pod-security-baseline"},
		Standards:   []v2.PolicyStandard{{ID: "weave.standards.cis-benchmark", Controls: []string{"weave.controls.cis-benchmark.5.2.1"}}},
	}
	return p
}

// example has a finding or problem of every sort that a format must cope with.
func example() *Report {
	privileged := examplePolicy("weave.policies.containers-running-in-privileged-mode", "Containers Running In Privileged Mode", v2.SeverityHigh, true)
	tag := examplePolicy("weave.policies.container-image-tag", "Image Tag", v2.SeverityMedium, false)
	secret := examplePolicy("weave.policies.secret-data", "Secret Data", v2.SeverityLow, true)
	web := object("apps/v1", "Deployment", "shop", "web", "apps/web.yaml")
	staging := object("apps/v1", "Deployment", "staging", "web", "overlays/staging")
	database := object("v1", "Secret", "shop", "database", "apps/secret.yaml")
	role := object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "ops | `admin`", "")
	expires := metav1.NewTime(time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC))
	exception := &v2.PolicyException{ObjectMeta: metav1.ObjectMeta{Name: "legacy"}, Spec: v2.PolicyExceptionSpec{Reason: "moves to the new\nplatform", Expires: &expires}}

	result := func(p *v2.Policy, o *policy.Object, status policy.Status) *policy.Result {
		return &policy.Result{
			Policy: p, Object: o, Status: status, Enforced: p.Spec.IsEnforced() && status == policy.Violation,
			Parameters: []policy.Parameter{{Name: "allowed", Type: "array", Value: []any{"a", int64(1)}, ConfigRef: "team"}},
		}
	}
	finding := func(r *policy.Result, at policy.Location, path, message string, value any) Finding {
		return Finding{
			Result: r, Occurrence: policy.Occurrence{Path: path, Message: message, RecommendedValue: value}, Location: at,
			Fingerprint: Fingerprint(r.Policy.Spec.ID, r.Object, path, message), Fails: r.Enforced,
		}
	}
	r := &Report{
		Version: "v1.2.3", Root: filepath.Join("testdata", "src"),
		Started: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Duration: 1234 * time.Millisecond,
		Objects: 42, Files: 7, Evaluations: 123, FailOn: v2.SeverityLow,
		Policies: []*v2.Policy{tag, privileged, secret},
	}
	secretResult := result(secret, database, policy.Violation)
	webResult := result(privileged, web, policy.Violation)
	tagResult := result(tag, web, policy.Violation)
	excepted := result(privileged, role, policy.Excepted)
	excepted.Exception = exception
	r.Findings = []Finding{
		finding(excepted, policy.Location{}, "", "says | `much` <b>and</b> @you\x1b[31m in\ntwo lines :: https://example.com", nil),
		finding(secretResult, policy.Location{File: "apps/secret.yaml", Line: 7, Column: 3, EndLine: 7, EndColumn: 20}, "stringData.password", "no passwords in Git", "use-a-reference"),
		finding(tagResult, policy.Location{File: "apps/web.yaml", Line: 11, Column: 9, EndLine: 11, EndColumn: 28}, "spec.template.spec.containers[0].image", "tag latest is not allowed", nil),
		finding(webResult, policy.Location{File: "apps/web.yaml", Line: 13, Column: 11, EndLine: 13, EndColumn: 27}, "spec.template.spec.containers[0].securityContext.privileged", "container web is privileged", false),
		finding(tagResult, policy.Location{File: "apps/web.yaml", Line: 15, Column: 9, EndLine: 15, EndColumn: 32}, "spec.template.spec.containers[1].image", "tag latest is not allowed", map[string]any{"tag": "1.0", "digest": "sha256"}),
	}
	r.Findings[3].Related = []policy.Location{{File: "apps/kustomization.yaml", Line: 3, Column: 1, Note: "patched here"}}
	r.Findings[3].Also = []*policy.Object{staging}
	r.Problems = []policy.Problem{
		{Kind: policy.PolicyProblem, Location: policy.Location{File: "policies/own.yaml", Line: 12}, Message: "rego_parse_error: unexpected token", Hint: "see docs/policies-rego.md", Excerpt: "violation {\n          ^"},
		{Kind: policy.PolicyProblem, Message: "there is no policy weave.policies.x", Hint: "did you mean y?", Warning: true},
		{Kind: policy.RenderProblem, Location: policy.Location{File: "apps/web.yaml", Line: 5, Column: 3}, Message: "chart does not render: 100%"},
	}
	return r
}

func write(t testing.TB, format string, options Options, r *Report) []byte {
	t.Helper()
	w, err := New(format, options)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := w.Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFormats(t *testing.T) {
	cases := map[string]struct {
		format  string
		options Options
	}{
		"text-color":    {"text", Options{Frames: true, Color: true, Width: 100}},
		"text-narrow":   {"text", Options{Frames: true, Width: 60}},
		"text-noframes": {"text", Options{}},
		"text-short":    {"text", Options{Short: true}},
	}
	for _, format := range Formats() {
		cases[format] = struct {
			format  string
			options Options
		}{format, Options{Frames: true}}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := write(t, c.format, c.options, example())
			if again := write(t, c.format, c.options, example()); !bytes.Equal(got, again) {
				t.Error("the same report is written differently the second time")
			}
			for _, leak := range []string{"hunter2", "correct horse", "use-a-reference"} {
				if bytes.Contains(got, []byte(leak)) {
					t.Errorf("a secret is shown: %s", leak)
				}
			}
			if c.format != "text" || !c.options.Color {
				if bytes.ContainsRune(got, '\x1b') {
					t.Error("an escape sequence of an object reached the output")
				}
			}
			golden := filepath.Join("testdata", "golden", name)
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("differs from %s (rewrite with -update):\n%s", golden, diff)
			}
		})
	}
}

func TestAnEmptyReportIsValidInEveryFormat(t *testing.T) {
	empty := &Report{Started: time.Unix(0, 0)}
	for _, format := range Formats() {
		got := write(t, format, Options{}, empty)
		switch format {
		case "json", "sarif", "gitlab-codequality", "gitlab-sast", "weave-json":
			if !json.Valid(got) || bytes.Contains(got, []byte(": null")) {
				t.Errorf("%s: %s", format, got)
			}
		case "junit":
			if !bytes.Contains(got, []byte("<testcase")) {
				t.Errorf("junit without a case is taken for broken: %s", got)
			}
		}
	}
}

func TestJUnitIsXML(t *testing.T) {
	var suites struct {
		Tests  int `xml:"tests,attr"`
		Suites []struct {
			Cases []struct {
				Failure *struct{} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(write(t, "junit", Options{}, example()), &suites); err != nil {
		t.Fatal(err)
	}
	if suites.Tests != 8 || len(suites.Suites) != 4 {
		t.Errorf("%d tests in %d suites", suites.Tests, len(suites.Suites))
	}
}

func TestExitCode(t *testing.T) {
	fails := Finding{Fails: true}
	for name, c := range map[string]struct {
		r    Report
		want int
	}{
		"clean":                     {Report{}, 0},
		"findings that do not fail": {Report{Findings: []Finding{{}}}, 0},
		"a finding that fails":      {Report{Findings: []Finding{{}, fails}}, 1},
		"a problem":                 {Report{Findings: []Finding{fails}, Problems: []policy.Problem{{}}}, 2},
		"a warning":                 {Report{Problems: []policy.Problem{{Warning: true}}}, 0},
	} {
		if got := c.r.ExitCode(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestFingerprintsSurviveMovesAndTellObjectsApart(t *testing.T) {
	web := object("apps/v1", "Deployment", "shop", "web", "")
	base := Fingerprint("p", web, "spec.containers[0].image", "m")
	if len(base) != 32 {
		t.Errorf("%d digits", len(base))
	}
	if Fingerprint("p", object("apps/v1", "Deployment", "shop", "web", "elsewhere"), "spec.containers[2].image", "m") != base {
		t.Error("a move changed the fingerprint")
	}
	for name, other := range map[string]string{
		"policy":    Fingerprint("q", web, "spec.containers[0].image", "m"),
		"object":    Fingerprint("p", object("apps/v1", "Deployment", "shop", "api", ""), "spec.containers[0].image", "m"),
		"namespace": Fingerprint("p", object("apps/v1", "Deployment", "other", "web", ""), "spec.containers[0].image", "m"),
		"path":      Fingerprint("p", web, "spec.containers[0].name", "m"),
		"message":   Fingerprint("p", web, "spec.containers[0].image", "n"),
		"bounds":    Fingerprint("p", web, "spec.containers[0].imagem", ""),
	} {
		if other == base {
			t.Errorf("another %s has the same fingerprint", name)
		}
	}
}

func TestAnUnknownFormatNamesTheKnownOnes(t *testing.T) {
	if _, err := New("sarfi", Options{}); err == nil || !strings.Contains(err.Error(), "sarif") {
		t.Error(err)
	}
}

func TestFilesOutsideOfTheRootAreNotShown(t *testing.T) {
	for _, file := range []string{"../report_test.go", "/etc/hostname", "missing.yaml"} {
		s := sources{root: filepath.Join("testdata", "src")}
		if line, ok := s.line(file, 1); ok {
			t.Errorf("%s: %q", file, line)
		}
	}
}

func TestFirstSentence(t *testing.T) {
	for markdown, want := range map[string]string{
		"Remove `privileged`. Nothing needs it.": "Remove privileged.",
		"Set how_to_solve to 1.5 or more":        "Set how_to_solve to 1.5 or more",
		"See [the docs](https://x.y/z). More":    "See the docs.",
		"Do this:\n\n```yaml\na: b\n```\n":       "Do this:",
		"":                                       "",
		"**Bold** and *italic*\nlines":           "Bold and italic lines",
	} {
		if got := firstSentence(markdown); got != want {
			t.Errorf("%q: %q, want %q", markdown, got, want)
		}
	}
}

func many(n int) *Report {
	r := example()
	one := r.Findings
	r.Findings = nil
	for len(r.Findings) < n {
		r.Findings = append(r.Findings, one...)
	}
	return r
}

func BenchmarkWrite10000(b *testing.B) {
	r := many(10000)
	for _, format := range Formats() {
		b.Run(format, func(b *testing.B) {
			w, err := New(format, Options{Frames: true})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Write(io.Discard, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

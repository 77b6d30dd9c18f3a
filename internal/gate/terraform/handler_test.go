package terraform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"text/template"
	"time"

	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/policyfile"
	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

var update = flag.Bool("update", false, "write the golden files")

// policies are the examples, and those that are given as YAML.
func policies(t testing.TB, more ...string) []*v2.Policy {
	t.Helper()
	files, err := filepath.Glob("testdata/policies/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		more = append(more, string(content))
	}
	var all []*v2.Policy
	for _, text := range more {
		objects, problems := raw.Parse("policy.yaml", []byte(text))
		set, more := policyfile.FromObjects(objects)
		if len(problems)+len(more) > 0 || len(set.Sources.Policies) != 1 {
			t.Fatalf("%v, %v in %s", problems, more, text)
		}
		all = append(all, set.Sources.Policies...)
	}
	return all
}

func compile(t testing.TB, sources engine.Sources) *engine.Snapshot {
	t.Helper()
	snapshot, problems, err := engine.Compile(t.Context(), sources, engine.Options{Timeout: time.Minute})
	if err != nil || len(problems) > 0 {
		t.Fatalf("%v, %v", problems, err)
	}
	return snapshot
}

func always(s *engine.Snapshot) func() *engine.Snapshot { return func() *engine.Snapshot { return s } }

func options(t testing.TB) Options {
	return Options{Snapshot: always(compile(t, engine.Sources{Policies: policies(t)})), Timeout: time.Minute}
}

// plan is a recorded plan: see testdata/plans/bucket/record.sh.
func plan(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile("testdata/plans/bucket/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// withPlan is what the Tofu controller sends with payloadType SpecAndPlan.
func withPlan(t testing.TB, plan string) string {
	t.Helper()
	content, err := os.ReadFile("testdata/terraform.yaml")
	if err != nil {
		t.Fatal(err)
	}
	object, err := yaml.YAMLToJSON(content)
	if err != nil {
		t.Fatal(err)
	}
	if plan == "" {
		return string(object)
	}
	return strings.TrimSuffix(string(object), "}") + `,"status":{"tfplan":` + plan + `}}`
}

func post(o Options, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/terraform/admission", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	Handler(o).ServeHTTP(w, r)
	return w
}

func answered(t testing.TB, w *httptest.ResponseRecorder) reply {
	t.Helper()
	var got reply
	if err := json.Unmarshal(w.Body.Bytes(), &got); w.Code != http.StatusOK || err != nil {
		t.Fatalf("%d: %.500s", w.Code, w.Body)
	}
	return got
}

// found is what a reply says in a line for each violation.
func found(r reply) string {
	var lines []string
	for _, v := range r.Violations {
		for _, o := range v.Occurrences {
			lines = append(lines, strings.TrimPrefix(v.Policy.ID, "example.policies.terraform-")+": "+o.Message)
		}
	}
	return strings.Join(lines, "\n")
}

func TestPlansAreJudged(t *testing.T) {
	public := "public-buckets: module.assets.terraform_data.bucket has the ACL public-read"
	size := "size: exactly 9007199254740993"
	tests := map[string]struct {
		plan   string
		passed bool
		found  string
	}{
		"everything is new":             {"create", false, public + "\n" + size},
		"nothing changes":               {"same", false, public + "\n" + size},
		"a database is replaced":        {"change", true, "database-stays: terraform_data.database would be deleted"},
		"everything goes":               {"destroy", true, "database-stays: terraform_data.database would be deleted"},
		"there is no plan, as SpecOnly": {"", true, ""},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			text := ""
			if test.plan != "" {
				text = plan(t, test.plan)
			}
			var decision Decision
			o := options(t)
			o.Record = func(_ context.Context, d Decision) { decision = d }
			w := post(o, withPlan(t, text))
			got := answered(t, w)
			if got.Passed != test.passed || found(got) != test.found {
				t.Errorf("passed is %t with\n%s\nwant\n%s", got.Passed, found(got), test.found)
			}
			if strings.Contains(w.Body.String(), "not-a-real-password") {
				t.Error("the reply shows what is sensitive")
			}
			if decision.Passed != test.passed || decision.Name != "shop" || decision.Namespace != "shop" || decision.Evaluated != 3 || decision.Err != nil || decision.Took <= 0 {
				t.Errorf("decision %+v", decision)
			}
			if test.plan == "" {
				if !strings.Contains(w.Body.String(), `"violations":null`) {
					t.Errorf("the reply is %s", w.Body)
				}
				return
			}
			// A plan alone is judged by the same policies.
			w = post(options(t), text)
			if got := answered(t, w); got.Passed != test.passed || found(got) != test.found {
				t.Errorf("alone: passed is %t with\n%s\nwant\n%s", got.Passed, found(got), test.found)
			}
			if strings.Contains(w.Body.String(), "not-a-real-password") {
				t.Error("the reply to a plan alone shows what is sensitive")
			}
		})
	}
}

func TestTheReply(t *testing.T) {
	o := options(t)
	o.AccountID, o.ClusterID = "account", "cluster"
	w := post(o, withPlan(t, plan(t, "create")))
	answered(t, w)
	var got bytes.Buffer
	if err := json.Indent(&got, w.Body.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`"id": "[0-9a-f-]{36}",\n( *)"account_id"`).ReplaceAll(got.Bytes(), []byte("\"id\": \"…\",\n$1\"account_id\""))
	text = regexp.MustCompile(`"created_at": "[^"]*Z"`).ReplaceAll(text, []byte(`"created_at": "…"`))
	const file = "testdata/reply.json"
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("%s:\n%s\nbut it is\n%s", file, want, text)
	}
}

// The templates are those of the Tofu controller's own example and of docs/terraform-admission.md, run as it runs them.
func TestTheTofuControllerUnderstandsTheReply(t *testing.T) {
	for text, want := range map[string]string{
		"${{ .passed }}": "false",
		"Violation: ${{ (index (index .violations 0).occurrences 0).message }}":                                                                "Violation: module.assets.terraform_data.bucket has the ACL public-read",
		"${{ range .violations }}${{ if .enforced }}${{ .message }}: ${{ range .occurrences }}${{ .message }}; ${{ end }}${{ end }}${{ end }}": "Buckets Are Not Public in terraform shop (1 occurrences): module.assets.terraform_data.bucket has the ACL public-read; ",
	} {
		var decoded map[string]any
		if err := json.Unmarshal(post(options(t), withPlan(t, plan(t, "create"))).Body.Bytes(), &decoded); err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		if err := template.Must(template.New("").Delims("${{", "}}").Parse(text)).Execute(&got, decoded); err != nil || got.String() != want {
			t.Errorf("%s gives %q, error %v, want %q", text, &got, err, want)
		}
	}
}

// failing is a policy that fails on every object.
const failing = `
apiVersion: pac.weave.works/v2
kind: Policy
metadata: {name: a.failing}
spec:
  id: a.failing
  name: Failing
  provider: terraform
  failurePolicy: POLICY
  category: x
  severity: low
  description: x
  how_to_solve: x
  targets: {kinds: [Terraform]}
  cel: {validations: [{expression: "object.nothing.is.here == 1", message: x}]}
`

func TestAPolicyThatFailsIsNeverSilence(t *testing.T) {
	for failurePolicy, passed := range map[string]bool{"Fail": false, "Ignore": true} {
		o := options(t)
		o.Snapshot = always(compile(t, engine.Sources{Policies: policies(t, strings.Replace(failing, "POLICY", failurePolicy, 1))}))
		got := answered(t, post(o, withPlan(t, plan(t, "destroy"))))
		if got.Passed != passed {
			t.Errorf("failurePolicy %s: passed is %t", failurePolicy, got.Passed)
		}
		at := 0
		if passed {
			at = 1 // after what is found, which is worse
		}
		if len(got.Violations) != 2 {
			t.Fatalf("failurePolicy %s: %s", failurePolicy, found(got))
		}
		if v := got.Violations[at]; v.Policy.ID != "a.failing" || v.Status != "Error" || v.Enforced == passed || !strings.Contains(v.Message, "no such key") || len(v.Occurrences) != 1 {
			t.Errorf("failurePolicy %s: %+v", failurePolicy, v)
		}
	}
}

func TestAnExceptionLetsAPlanPass(t *testing.T) {
	exception := &v2.PolicyException{Spec: v2.PolicyExceptionSpec{Policies: []string{"example.policies.terraform-public-buckets"}, Reason: "a website"}}
	exception.Name = "website"
	exception.Spec.Match.Namespaces = []string{"shop"}
	var decision Decision
	o := Options{
		Snapshot: always(compile(t, engine.Sources{Policies: policies(t), Exceptions: []*v2.PolicyException{exception}})),
		Record:   func(_ context.Context, d Decision) { decision = d },
	}
	got := answered(t, post(o, withPlan(t, plan(t, "create"))))
	if !got.Passed || found(got) != "size: exactly 9007199254740993" {
		t.Errorf("passed is %t with %s", got.Passed, found(got))
	}
	if len(decision.Results) != 2 || decision.Results[0].Status != policy.Excepted {
		t.Errorf("results %+v", decision.Results)
	}
}

func TestTheBrakeLetsEverythingPass(t *testing.T) {
	var decision Decision
	o := options(t)
	o.Brake = func() (string, bool) { return "an outage", true }
	o.Record = func(_ context.Context, d Decision) { decision = d }
	got := answered(t, post(o, withPlan(t, plan(t, "create"))))
	if !got.Passed || got.Brake != "emergency brake is on: an outage" || !got.Violations[0].Enforced || !decision.Braked || !decision.Passed {
		t.Errorf("reply %+v, decision %+v", got, decision)
	}
	if got := answered(t, post(o, withPlan(t, ""))); !got.Passed || decision.Braked {
		t.Errorf("reply %+v, decision %+v", got, decision)
	}
}

func TestPoliciesSeeTheNamespace(t *testing.T) {
	selecting := strings.Replace(failing, "targets: {kinds: [Terraform]}", "targets: {kinds: [Terraform], namespaceSelector: {matchLabels: {tier: gold}}}", 1)
	o := Options{Snapshot: always(compile(t, engine.Sources{Policies: policies(t, strings.Replace(selecting, "POLICY", "Fail", 1))}))}
	for tier, passed := range map[string]bool{"gold": false, "tin": true} {
		o.Namespace = func(_ context.Context, name string) (map[string]any, error) {
			return map[string]any{"metadata": map[string]any{"name": name, "labels": map[string]any{"tier": tier}}}, nil
		}
		if got := answered(t, post(o, withPlan(t, ""))); got.Passed != passed {
			t.Errorf("tier %s: %+v", tier, got)
		}
	}
	o.Namespace = func(context.Context, string) (map[string]any, error) { return nil, errors.New("no connection") }
	if w := post(o, withPlan(t, "")); w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "reading the namespace shop, which policies depend on: no connection") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	// A plan alone has no namespace to be read. Policies that select by labels judge it, as they judge what is in none.
	if got := answered(t, post(o, plan(t, "destroy"))); got.Passed {
		t.Errorf("a plan alone: %+v", got)
	}
}

func TestRequestsThatAreNone(t *testing.T) {
	tests := map[string]struct {
		body string
		code int
		want string
	}{
		"nothing":             {" \n", 400, "the request has no body"},
		"no JSON":             {"{\"kind\":\n  nonsense}", 400, "the body is no JSON: line 2, column 4: invalid character"},
		"JSON that ends":      {`{"kind": "Terraform"`, 400, "the body is no JSON: line 1, column 20: unexpected end of JSON input"},
		"JSON and more":       {`{} {}`, 400, "line 1, column 4: invalid character '{' after top-level value"},
		"a list":              {`[]`, 400, "the body is JSON, but no object"},
		"null":                {`null`, 400, "the body is JSON, but no object"},
		"a key twice":         {`{"kind":"Terraform","status":{"tfplan":1,"tfplan":2}}`, 400, `the body sets a key twice: duplicate field "status.tfplan"`},
		"a number too large":  {`{"kind":"Terraform","x":1e999}`, 400, "the body is no JSON: it holds a number that is too large"},
		"deep":                {`{"kind":"Terraform","x":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`, 400, "nested more than 1000 deep"},
		"deeper":              {strings.Repeat("[", 1_000_000), 400, "the body is no JSON"},
		"neither":             {`{"a":"secret-value"}`, 400, "neither an object of Kubernetes, which has a kind, nor a plan"},
		"a kind that is none": {`{"kind":7}`, 400, "neither an object of Kubernetes"},
		"too large":           {`{"kind":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "the request is larger than 1048576 bytes, the most that is read: see tfAdmission.maxBodySize"},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			var decision Decision
			o := Options{Snapshot: always(&engine.Snapshot{}), MaxBodySize: 1 << 20, Record: func(_ context.Context, d Decision) { decision = d }}
			w := post(o, test.body)
			if w.Code != test.code || !strings.Contains(w.Body.String(), test.want) || strings.Contains(w.Body.String(), "secret-value") {
				t.Errorf("%d: %.300s\nwant %d with %s", w.Code, w.Body, test.code, test.want)
			}
			if decision.Err == nil || decision.Passed {
				t.Errorf("decision %+v", decision)
			}
		})
	}
}

// What does not say how long it is is not read without end either.
func TestTheBodyIsBoundedWhateverItSaysOfItself(t *testing.T) {
	o := options(t)
	o.MaxBodySize = 1 << 16
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(`{"a":"`), endless{}))
	Handler(o).ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestOtherMethodsEncodingsAndTimes(t *testing.T) {
	o := options(t)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, "ODD"} {
		w := httptest.NewRecorder()
		Handler(o).ServeHTTP(w, httptest.NewRequest(method, "/terraform/admission", nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
			t.Errorf("%s: %d, %v", method, w.Code, w.Header())
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/terraform/admission", strings.NewReader("x"))
	r.Header.Set("Content-Encoding", "gzip")
	if Handler(o).ServeHTTP(w, r); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("gzip: %d", w.Code)
	}
	if w := post(Options{Snapshot: func() *engine.Snapshot { return nil }}, "{}"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "policies are not compiled yet") {
		t.Errorf("before the first snapshot: %d, %s", w.Code, w.Body)
	}
}

// What was not judged in time has not passed.
func TestAVerdictThatComesTooLate(t *testing.T) {
	late := func(brake bool) *httptest.ResponseRecorder {
		ctx, cancel := context.WithCancel(t.Context())
		o := options(t)
		// The namespace is read between the body and the verdict.
		o.Namespace = func(context.Context, string) (map[string]any, error) { cancel(); return nil, nil }
		o.Brake = func() (string, bool) { return "", brake }
		w := httptest.NewRecorder()
		Handler(o).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(withPlan(t, plan(t, "create")))))
		return w
	}
	if w := late(false); w.Code != http.StatusGatewayTimeout || !strings.Contains(w.Body.String(), "not all policies were evaluated within 1m0s") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	if w := late(true); w.Code != http.StatusOK || !answered(t, w).Passed {
		t.Errorf("with the brake: %d: %s", w.Code, w.Body)
	}
}

func TestAPanicIsAnAnswer(t *testing.T) {
	var log strings.Builder
	o := options(t)
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	o.Namespace = func(context.Context, string) (map[string]any, error) { panic("a bug") }
	if w := post(o, withPlan(t, plan(t, "create"))); w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "internal error of assay") || strings.Contains(w.Body.String(), "a bug") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "a bug") || !strings.Contains(log.String(), "handler_test.go") || strings.Contains(log.String(), "not-a-real-password") {
		t.Errorf("the log says %s", &log)
	}
	o = options(t)
	o.Record = func(context.Context, Decision) { panic("another bug") }
	if got := answered(t, post(o, withPlan(t, plan(t, "create")))); got.Passed {
		t.Errorf("a recorder that panics: %+v", got)
	}
}

// However large what is judged is and however much is found, the reply is bounded.
func TestTheReplyIsBounded(t *testing.T) {
	many := strings.Replace(strings.Replace(failing, "POLICY", "Fail", 1), `[{expression: "object.nothing.is.here == 1", message: x}]`, `[{occurrences: "object.spec.list.map(x, x)"}]`, 1)
	o := Options{Snapshot: always(compile(t, engine.Sources{Policies: policies(t, many)})), Timeout: time.Minute}
	body := `{"kind":"Terraform","metadata":{"name":"big","namespace":"shop","labels":{"a":"b"}},"spec":{"list":["x"` + strings.Repeat(`,"x"`, 4999) + `],"text":"` + strings.Repeat("x", maxShown) + `"}}`
	w := post(o, body)
	got := answered(t, w)
	if len(got.Violations) != 1 || len(got.Violations[0].Occurrences) != maxOccurrences+1 || got.Violations[0].Occurrences[maxOccurrences].Message != "… and 4000 more" {
		t.Errorf("the reply has %d bytes: %.1000s", w.Body.Len(), w.Body)
	}
	want := map[string]any{"apiVersion": "", "kind": "Terraform", "metadata": map[string]any{"name": "big", "namespace": "shop"}, "status": nil}
	if v := got.Violations[0]; !reflect.DeepEqual(v.Entity.Manifest, want) || !strings.HasSuffix(v.Message, "(5000 occurrences)") {
		t.Errorf("the manifest is %v, the message %q", v.Entity.Manifest, v.Message)
	}
}

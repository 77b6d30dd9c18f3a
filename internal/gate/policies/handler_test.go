package policies

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
)

const policyYAML = `
apiVersion: pac.weave.works/%s
kind: Policy
metadata: {name: %[2]s, generation: 1}
spec:
  id: %[3]s
  name: Policy
  severity: high
  category: weave.categories.x
  description: d
  how_to_solve: h
  parameters: [{name: owner, type: string, required: false}]
  code: |
%[4]s
`

const goodCode = `    package p
    import rego.v1
    violation contains {"msg": "no"} if input.review.object.metadata.labels.owner == input.parameters.owner`

func policyText(name string) string { return fmt.Sprintf(policyYAML, "v2", name, name, goodCode) }

func configText(name, target, parameters string) string {
	return fmt.Sprintf(`
apiVersion: pac.weave.works/v2beta2
kind: PolicyConfig
metadata: {name: %s}
spec:
  match: {%s}
  config: {%s}
`, name, target, parameters)
}

// inForce is a gate with the objects already in the cluster.
func inForce(t *testing.T, objects ...string) http.Handler {
	t.Helper()
	var sources engine.Sources
	for _, text := range objects {
		object, _ := parse(t, text)
		sources = with(sources, object)
	}
	snapshot, problems, err := engine.Compile(t.Context(), sources, engine.Options{})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	return Handler(Options{
		Sources: func() (engine.Sources, *engine.Snapshot, bool) { return sources, snapshot, true },
		Compile: func() engine.Options { return engine.Options{} },
		Timeout: func() time.Duration { return time.Minute },
	})
}

func parse(t *testing.T, text string) (object any, kind string) {
	t.Helper()
	var meta struct{ Kind string }
	if err := yaml.Unmarshal([]byte(text), &meta); err != nil {
		t.Fatal(err)
	}
	object, ok := empty(meta.Kind)
	if !ok {
		t.Fatalf("kind %s", meta.Kind)
	}
	if err := yaml.Unmarshal([]byte(text), object); err != nil {
		t.Fatal(err)
	}
	return object, meta.Kind
}

// apply asks the gate about an object, and about a change of it when there is one before it.
func apply(t *testing.T, gate http.Handler, text, before string) *admissionv1.AdmissionResponse {
	t.Helper()
	object, kind := parse(t, text)
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	request := map[string]any{
		"uid": "1", "operation": "CREATE", "object": json.RawMessage(raw), "name": "x",
		"kind":     map[string]any{"group": "pac.weave.works", "version": "v2", "kind": kind},
		"resource": map[string]any{"group": "pac.weave.works", "version": "v2", "resource": "x"},
	}
	if before != "" {
		old, _ := parse(t, before)
		raw, err := json.Marshal(old)
		if err != nil {
			t.Fatal(err)
		}
		request["operation"], request["oldObject"] = "UPDATE", json.RawMessage(raw)
	}
	body, err := json.Marshal(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
	if err != nil {
		t.Fatal(err)
	}
	return send(t, gate, body)
}

// send posts a body and returns the answer, nil where it is an HTTP error.
func send(t *testing.T, gate http.Handler, body []byte) (response *admissionv1.AdmissionResponse) {
	t.Helper()
	w := post(gate, body)
	if w.Code != http.StatusOK {
		var status metav1.Status
		if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil || status.Message == "" || int(status.Code) != w.Code {
			t.Fatalf("an error without a word: %d %s", w.Code, w.Body)
		}
		return nil
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(w.Body.Bytes(), &review); err != nil || review.Response == nil {
		t.Fatalf("no review: %d %s", w.Code, w.Body)
	}
	return review.Response
}

func post(gate http.Handler, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/validate-policies?timeout=60s", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	gate.ServeHTTP(w, r)
	return w
}

func TestWhatIsToldWhenAnObjectIsApplied(t *testing.T) {
	there := []string{
		policyText("p"),
		configText("m", `namespaces: [shop]`, `p: {parameters: {owner: "a"}}`),
	}
	badCode := fmt.Sprintf(policyYAML, "v2beta2", "q", "q", "    package q\n    violation[{\"msg\": m}] { x == 1 }")
	tests := map[string]struct {
		object string
		before string
		denial []string
		// warnings, in order, by what is in them.
		warnings []string
	}{
		"a policy that is fine":          {object: policyText("q")},
		"the same policy again":          {object: policyText("p"), before: policyText("p")},
		"a policy that does not compile": {object: badCode, denial: []string{"Policy x cannot work:", "spec.code:2:", "unsafe"}},
		"a broken policy of which only a label changes": {
			object: strings.Replace(badCode, "name: q,", "name: q, labels: {a: b},", 1), before: badCode,
		},
		"a policy without violation": {
			object: fmt.Sprintf(policyYAML, "v2", "q", "q", "    package q\n    deny := 1"), denial: []string{"violation"},
		},
		"an id that another policy has": {
			object: fmt.Sprintf(policyYAML, "v2", "q", "p", goodCode), denial: []string{"policy id p is already used by policy p"}, warnings: []string{"the id p is not the policy's name"},
		},
		"an id taken from a younger policy": {
			object: fmt.Sprintf(policyYAML, "v2", "p", "r", goodCode), before: policyText("p"),
			denial: []string{"policy id r is already used by policy r"}, warnings: []string{"the id r is not the policy's name"},
		},
		"an id that is not the name": {
			object: fmt.Sprintf(policyYAML, "v2", "q", "other", goodCode), warnings: []string{"spec.id: the id other is not the policy's name, q"},
		},
		"a config that is fine": {object: configText("z", `namespaces: [other]`, `p: {parameters: {owner: "b"}}`)},
		"a config that sets what an earlier name sets": {
			object: configText("z", `namespaces: [shop]`, `p: {parameters: {owner: "b"}}`),
			denial: []string{"policy config 'm' already targets namespace 'shop' and sets owner of p too", "hint: "},
		},
		"a config that sets what a later name sets": {
			object: configText("a", `namespaces: [shop]`, `p: {parameters: {owner: "b"}}`),
			denial: []string{"policy config 'm' already targets namespace 'shop' and sets owner of p too"},
		},
		"a config for the same namespace and another policy": {
			object:   configText("z", `namespaces: [shop]`, `nobody: {parameters: {owner: "b"}}`),
			warnings: []string{"there is no policy nobody"},
		},
		"an unknown parameter": {
			object:   configText("z", `namespaces: [other]`, `p: {parameters: {ownr: "b"}}`),
			warnings: []string{"policy p has no parameter ownr (did you mean owner?)"},
		},
		"a parameter of the wrong type": {
			object:   configText("z", `namespaces: [other]`, `p: {parameters: {owner: 7}}`),
			warnings: []string{"parameter owner of p is of type string, not integer"},
		},
		"a set that chooses nothing": {
			object:   "kind: PolicySet\nmetadata: {name: s}\nspec: {mode: audit, filters: {ids: [nobody]}}",
			warnings: []string{"no policy matches the filters"},
		},
		"a set that chooses something": {object: "kind: PolicySet\nmetadata: {name: s}\nspec: {mode: audit, filters: {ids: [p]}}"},
		"an exception that is over": {
			object:   "kind: PolicyException\nmetadata: {name: x}\nspec: {policies: [p], match: {namespaces: [a]}, reason: r, expires: 2020-01-01T00:00:00Z}",
			warnings: []string{"the exception expired on 2020-01-01"},
		},
		"an exception for nothing": {
			object:   "kind: PolicyException\nmetadata: {name: x}\nspec: {policies: [q], match: {namespaces: [a]}, reason: r}",
			warnings: []string{"there is no policy q"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			objects := there
			if strings.Contains(name, "younger") {
				objects = append(objects[:len(objects):len(objects)], policyText("r"))
			}
			response := apply(t, inForce(t, objects...), test.object, test.before)
			if response.UID != "1" || response.Allowed != (len(test.denial) == 0) {
				t.Fatalf("uid %s, allowed %t: %+v", response.UID, response.Allowed, response.Result)
			}
			for _, want := range test.denial {
				if !strings.Contains(response.Result.Message, want) {
					t.Errorf("the denial does not say %q:\n%s", want, response.Result.Message)
				}
			}
			if len(response.Warnings) != len(test.warnings) {
				t.Fatalf("warnings %q", response.Warnings)
			}
			for i, want := range test.warnings {
				if got := response.Warnings[i]; !strings.Contains(got, want) || len(got) > maxWarning {
					t.Errorf("warning %q, want %q", got, want)
				}
			}
		})
	}
}

func TestADeniedPolicyShowsTheLine(t *testing.T) {
	response := apply(t, inForce(t), fmt.Sprintf(policyYAML, "v2", "q", "q", "    package q\n    violation contains x if input.foo"), "")
	want := "Policy x cannot work:\nspec.code:2:"
	if response.Allowed || !strings.HasPrefix(response.Result.Message, want) || !strings.Contains(response.Result.Message, "\n  violation contains x") && !strings.Contains(response.Result.Message, "violation contains x") {
		t.Errorf("got %+v", response.Result)
	}
	if response.Result.Code != http.StatusForbidden {
		t.Errorf("code %d", response.Result.Code)
	}
}

// What could not be judged is no review that refuses: the API server would not ask its failurePolicy.
func TestWhatCannotBeJudgedIsLeftToFailurePolicy(t *testing.T) {
	notYet := Handler(Options{Sources: func() (engine.Sources, *engine.Snapshot, bool) { return engine.Sources{}, nil, false }})
	if response := apply(t, notYet, policyText("p"), ""); response != nil {
		t.Errorf("before there is a snapshot: %+v", response)
	}
	hung := make(chan struct{})
	defer close(hung)
	slow := Handler(Options{
		Sources: func() (engine.Sources, *engine.Snapshot, bool) { return engine.Sources{}, nil, true },
		Compile: func() engine.Options { <-hung; return engine.Options{} },
		Timeout: func() time.Duration { return 100 * time.Millisecond }, MaxConcurrent: 1,
	})
	for _, when := range []string{"a compilation that hangs", "one that waits for it"} {
		if response := apply(t, slow, policyText("p"), ""); response != nil {
			t.Errorf("%s: %+v", when, response)
		}
	}
}

func TestDeletionsAndStatusesPass(t *testing.T) {
	for name, request := range map[string]string{
		"delete": `{"uid":"1","operation":"DELETE","kind":{"group":"pac.weave.works","kind":"Policy"},"resource":{"group":"pac.weave.works","resource":"policies"}}`,
		"status": `{"uid":"1","operation":"UPDATE","subResource":"status","kind":{"group":"pac.weave.works","kind":"Policy"},"resource":{"group":"pac.weave.works","resource":"policies"},"object":{}}`,
	} {
		response := send(t, inForce(t), []byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":`+request+`}`))
		if !response.Allowed {
			t.Errorf("%s: %+v", name, response.Result)
		}
	}
}

func TestManyProblemsAreBounded(t *testing.T) {
	var f findings
	for i := range 1000 {
		f = append(f, engine.Problem{Source: &v2.Policy{}, Field: "spec.code", Line: i + 1, Message: strings.Repeat("é", 1000), LeftOut: i%2 == 0})
	}
	response := f.response("Policy", "p")
	if len(response.Result.Message) > maxDenial || len(response.Warnings) != maxWarnings+1 {
		t.Errorf("%d bytes, %d warnings", len(response.Result.Message), len(response.Warnings))
	}
	if !strings.Contains(response.Warnings[maxWarnings], "and 485 more") {
		t.Errorf("the last warning is %q", response.Warnings[maxWarnings])
	}
}

func FuzzHandler(f *testing.F) {
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE","kind":{"group":"pac.weave.works","kind":"Policy"},"resource":{"resource":"policies"},"object":{"spec":{"code":"package x"}}}}`))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"UPDATE","kind":{"group":"pac.weave.works","kind":"PolicyConfig"},"resource":{"resource":"policyconfigs"},"object":{"spec":{"config":{"a":null}}},"oldObject":[]}}`))
	f.Add([]byte(`{`))
	snapshot, _, err := engine.Compile(f.Context(), engine.Sources{}, engine.Options{})
	if err != nil {
		f.Fatal(err)
	}
	gate := Handler(Options{
		Sources: func() (engine.Sources, *engine.Snapshot, bool) { return engine.Sources{}, snapshot, true },
		Compile: func() engine.Options { return engine.Options{} },
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		response := send(t, gate, body)
		if response != nil && !response.Allowed && (response.Result == nil || response.Result.Message == "") {
			t.Errorf("refused without a word: %+v", response)
		}
	})
}

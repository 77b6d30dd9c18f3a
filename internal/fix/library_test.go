package fix

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/policyfile"
	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

const library = "../../library"

// fixture is what this test needs of a case of a policy's tests.
type fixture struct {
	Name       string          `json:"name"`
	Object     json.RawMessage `json:"object"`
	Pod        json.RawMessage `json:"pod"`
	Namespace  map[string]any  `json:"namespace"`
	Parameters map[string]any  `json:"parameters"`
	Operation  string          `json:"operation"`
}

// objects are those of the case, a pod in each of the places where kinds keep theirs.
func (f *fixture) objects(t *testing.T) []map[string]any {
	t.Helper()
	if f.Object != nil {
		return []map[string]any{objectOfJSON(t, f.Object)}
	}
	var objects []map[string]any
	for _, wrapped := range []string{
		`{"apiVersion":"v1","kind":"Pod"%s}`,
		`{"apiVersion":"apps/v1","kind":"Deployment","spec":{"template":{"metadata":{}%s}}}`,
		`{"apiVersion":"batch/v1","kind":"CronJob","spec":{"jobTemplate":{"spec":{"template":{"metadata":{}%s}}}}}`,
	} {
		var pod map[string]json.RawMessage
		if err := json.Unmarshal(f.Pod, &pod); err != nil {
			t.Fatal(err)
		}
		fields := `,"spec":` + string(pod["spec"])
		content := objectOfJSON(t, fmt.Appendf(nil, wrapped, fields))
		metadata := map[string]any{"name": "test"}
		if pod["metadata"] != nil {
			for key, value := range objectOfJSON(t, pod["metadata"]) {
				metadata[key] = value
			}
		}
		content["metadata"] = metadata
		objects = append(objects, content)
	}
	return objects
}

// Every value that a policy that ships recommends satisfies the policy at that place: over all objects of the policies'
// own tests, with spec.mutate set.
func TestWhatTheLibraryRecommendsRepairs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(library, "*", "policy.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the library has %d policies, error %v", len(files), err)
	}
	var previous *engine.Snapshot
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.ToLower(strings.ReplaceAll(string(content), "_", "")), "recommendedvalue") {
			continue
		}
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			objects, _ := raw.Parse(file, content)
			set, problems := policyfile.FromObjects(objects)
			if len(problems) > 0 || len(set.Sources.Policies) != 1 {
				t.Fatalf("%v", problems)
			}
			applied := 0
			for _, f := range fixtures(t, filepath.Dir(file)) {
				snapshot := compile(t, set.Sources.Policies[0], f.Parameters, previous)
				previous = snapshot
				for _, object := range f.objects(t) {
					applied += repair(t, snapshot, f, object)
				}
			}
			if applied == 0 {
				t.Error("no case made the policy recommend a value")
			}
		})
	}
}

// repair applies what is recommended for an object and demands that nothing of it is found again.
func repair(t *testing.T, snapshot *engine.Snapshot, f fixture, object map[string]any) int {
	t.Helper()
	judge := func(content map[string]any) []policy.Result {
		verdict := snapshot.Judge(t.Context(), &policy.Request{
			Object: &policy.Object{Content: content}, Namespace: f.Namespace, Operation: policy.Operation(f.Operation),
		})
		if verdict.Err != nil {
			t.Fatal(verdict.Err)
		}
		return verdict.Results
	}
	results := judge(object)
	changed, applied, skipped := Object(object, results)
	for _, s := range skipped {
		t.Errorf("%s, %s: %s was skipped: %s", f.Name, object["kind"], s.Path, s.Reason)
	}
	for _, result := range judge(changed) {
		for _, left := range result.Occurrences {
			if left.RecommendedValue != nil {
				t.Errorf("%s, %s: after %v still %s: %s", f.Name, object["kind"], applied, left.Path, left.Message)
			}
		}
	}
	checkAgain(t, changed, results)
	checkPatch(t, object, changed)
	return len(applied)
}

func fixtures(t *testing.T, folder string) []fixture {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "tests", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var all []fixture
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases struct {
			Cases []fixture `json:"cases"`
		}
		if err := yaml.Unmarshal(content, &cases); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, cases.Cases...)
	}
	return all
}

func compile(t *testing.T, p *v2.Policy, parameters map[string]any, previous *engine.Snapshot) *engine.Snapshot {
	t.Helper()
	p = p.DeepCopy()
	p.Spec.Mutate = true
	for name, value := range parameters {
		i := slices.IndexFunc(p.Spec.Parameters, func(parameter v2.PolicyParameter) bool { return parameter.Name == name })
		asJSON, err := json.Marshal(value)
		if err != nil || i < 0 {
			t.Fatalf("parameter %s: %v", name, err)
		}
		p.Spec.Parameters[i].Value = &apiextensionsv1.JSON{Raw: asJSON}
	}
	snapshot, problems, err := engine.Compile(t.Context(), engine.Sources{Policies: []*v2.Policy{p}}, engine.Options{Previous: previous, Timeout: time.Minute})
	if err != nil || len(problems) > 0 {
		t.Fatalf("%v, %v", problems, err)
	}
	return snapshot
}

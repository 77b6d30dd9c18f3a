package cel

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

func newCompiler(tb testing.TB) *Compiler {
	tb.Helper()
	compiler, err := NewCompiler()
	if err != nil {
		tb.Fatal(err)
	}
	return compiler
}

// rule reads spec.cel from YAML, as an author writes it.
func rule(tb testing.TB, text string) *v2.Policy {
	tb.Helper()
	var celRule v2.CELRule
	if err := yaml.UnmarshalStrict([]byte(text), &celRule); err != nil {
		tb.Fatalf("the rule of the test: %v\n%s", err, text)
	}
	return &v2.Policy{Spec: v2.PolicySpec{CEL: &celRule}}
}

// check is a policy with one validation that has only an expression.
func check(expression string) *v2.Policy {
	return &v2.Policy{Spec: v2.PolicySpec{CEL: &v2.CELRule{Validations: []v2.CELValidation{{Expression: expression}}}}}
}

func withParameters(p *v2.Policy, names ...string) *v2.Policy {
	for _, name := range names {
		p.Spec.Parameters = append(p.Spec.Parameters, v2.PolicyParameter{Name: name, Type: "string", Value: &apiextensionsv1.JSON{Raw: []byte("null")}})
	}
	return p
}

func compile(tb testing.TB, compiler *Compiler, p *v2.Policy) *Program {
	tb.Helper()
	program, err := compiler.Compile(p)
	if err != nil {
		tb.Fatalf("compile: %v", err)
	}
	return program
}

// content reads an object from YAML into JSON values with the numbers int64 and float64.
func content(tb testing.TB, text string) map[string]any {
	tb.Helper()
	var object map[string]any
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		tb.Fatalf("the object of the test: %v\n%s", err, text)
	}
	return integers(object).(map[string]any)
}

func integers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key := range v {
			v[key] = integers(v[key])
		}
	case []any:
		for i := range v {
			v[i] = integers(v[i])
		}
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	}
	return value
}

func fixture(tb testing.TB, name string) map[string]any {
	tb.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	return content(tb, string(data))
}

func request(object map[string]any) *policy.Request {
	return &policy.Request{Object: &policy.Object{Content: object}}
}

func evaluate(tb testing.TB, p *v2.Policy, r *policy.Request, params map[string]any) (bool, []policy.Occurrence, error) {
	tb.Helper()
	compiler := newCompiler(tb)
	return compile(tb, compiler, p).Evaluate(context.Background(), compiler.NewInput(r), params)
}

// kinds are all kinds that contain a pod, with the path of its spec and an object around it.
var kinds = []struct{ kind, path, open string }{
	{"Pod", "spec", "spec:\n"},
	{"PodTemplate", "template.spec", "template:\n  spec:\n"},
	{"Deployment", "spec.template.spec", "spec:\n  template:\n    spec:\n"},
	{"StatefulSet", "spec.template.spec", "spec:\n  template:\n    spec:\n"},
	{"DaemonSet", "spec.template.spec", "spec:\n  template:\n    spec:\n"},
	{"ReplicaSet", "spec.template.spec", "spec:\n  template:\n    spec:\n"},
	{"ReplicationController", "spec.template.spec", "spec:\n  template:\n    spec:\n"},
	{"Job", "spec.template.spec", "spec:\n  template:\n    spec:\n"},
	{"CronJob", "spec.jobTemplate.spec.template.spec", "spec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n"},
}

func workload(tb testing.TB, kind, open, podSpec string) map[string]any {
	tb.Helper()
	indent := strings.Repeat("  ", strings.Count(open, "\n"))
	lines := strings.Split(strings.TrimRight(podSpec, "\n"), "\n")
	return content(tb, "apiVersion: v1\nkind: "+kind+"\nmetadata: {name: web, namespace: shop}\n"+open+indent+strings.Join(lines, "\n"+indent)+"\n")
}

const privileged = `
validations:
- occurrences: |
    workload.containers.filter(c, c.spec.?securityContext.?privileged.orValue(false) == true)
      .map(c, {"message": "container " + c.name + " is privileged", "path": c.path + ".securityContext.privileged", "recommendedValue": false})
`

func TestOnePolicyServesEveryKindThatContainsAPod(t *testing.T) {
	const pod = `
containers:
- {name: good, image: a}
- {name: bad, image: b, securityContext: {privileged: true}}
initContainers:
- {name: early, image: c, securityContext: {privileged: true}}
ephemeralContainers:
- {name: late, image: d, securityContext: {privileged: true}}
`
	for _, k := range kinds {
		t.Run(k.kind, func(t *testing.T) {
			object := workload(t, k.kind, k.open, strings.TrimPrefix(pod, "\n"))
			applies, got, err := evaluate(t, rule(t, privileged), request(object), nil)
			if err != nil || !applies {
				t.Fatalf("applies = %v, err = %v", applies, err)
			}
			want := []policy.Occurrence{
				{Message: "container bad is privileged", Path: k.path + ".containers[1].securityContext.privileged", RecommendedValue: false},
				{Message: "container early is privileged", Path: k.path + ".initContainers[0].securityContext.privileged", RecommendedValue: false},
				{Message: "container late is privileged", Path: k.path + ".ephemeralContainers[0].securityContext.privileged", RecommendedValue: false},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("occurrences (-want +got):\n%s", diff)
			}
			for _, occurrence := range got {
				path, err := policy.ParsePath(occurrence.Path)
				if err != nil {
					t.Fatal(err)
				}
				if _, present := path.Resolve(object); present != len(path) {
					t.Errorf("%s is not in the object", occurrence.Path)
				}
			}
		})
	}
}

func codeErrors(err error) []*policy.CodeError {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*policy.CodeError
		for _, e := range joined.Unwrap() {
			all = append(all, codeErrors(e)...)
		}
		return all
	}
	var code *policy.CodeError
	if errors.As(err, &code) {
		return []*policy.CodeError{code}
	}
	return nil
}

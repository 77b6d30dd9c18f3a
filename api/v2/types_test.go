package v2_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// The old agent's types dropped enforce: false, whereupon the API server made it true.
func TestEnforceFalseSurvivesAClient(t *testing.T) {
	for _, written := range []string{`{"name":"x","enforce":false}`, `{"name":"x","enforce":true}`, `{"name":"x"}`} {
		var spec v2.PolicySpec
		if err := json.Unmarshal([]byte(written), &spec); err != nil {
			t.Fatal(err)
		}
		if want := !strings.Contains(written, "false"); spec.IsEnforced() != want {
			t.Errorf("%s is enforced: %t", written, spec.IsEnforced())
		}
		var before, after map[string]any
		content, err := json.Marshal(&v2.Policy{Spec: spec})
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(content, &after); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(written), &before); err != nil {
			t.Fatal(err)
		}
		got, had := after["spec"].(map[string]any)["enforce"]
		if want, has := before["enforce"]; got != want || had != has {
			t.Errorf("%s became %s", written, content)
		}
		// Server-side apply goes through this converter rather than through JSON.
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&v2.Policy{Spec: spec})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(after, object); diff != "" {
			t.Errorf("JSON and unstructured differ:\n%s", diff)
		}
	}
}

// A client must not send what its user did not write: an empty targets would lack kinds, an empty status would be
// ignored at best.
func TestAbsentFieldsStayAbsent(t *testing.T) {
	for kind, object := range map[string]any{
		"Policy":          &v2.Policy{},
		"PolicySet":       &v2.PolicySet{},
		"PolicyConfig":    &v2.PolicyConfig{},
		"PolicyException": &v2.PolicyException{},
	} {
		content, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(content, &fields); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"metadata", "status"} {
			if value, ok := fields[name]; ok {
				t.Errorf("%s writes %s: %v", kind, name, value)
			}
		}
	}
	content, err := json.Marshal(&v2.PolicySpec{})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"name":"","id":"","description":"","how_to_solve":"","category":"","severity":""}`
	if string(content) != want {
		t.Errorf("an empty spec is %s, want %s", content, want)
	}
}

func TestParameterValuesAreAnyJSON(t *testing.T) {
	for _, value := range []string{`null`, `0.1`, `9007199254740993`, `"text"`, `[1,[]]`, `{"a":{"b":null}}`, `false`} {
		in := `{"parameters":{"x":` + value + `}}`
		var config v2.PolicyConfigConfig
		if err := json.Unmarshal([]byte(in), &config); err != nil {
			t.Fatal(err)
		}
		out, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		if string(out) != in {
			t.Errorf("%s became %s", in, out)
		}
	}
}

func TestAddToScheme(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v2.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{v2.PolicyKind, v2.PolicySetKind, v2.PolicyConfigKind, v2.PolicyExceptionKind} {
		for _, name := range []string{kind, kind + "List"} {
			content := []byte(`{"apiVersion":"pac.weave.works/v2","kind":"` + name + `","metadata":{}}`)
			object, gvk, err := serializer.NewCodecFactory(scheme).UniversalDeserializer().Decode(content, nil, nil)
			if err != nil {
				t.Error(err)
				continue
			}
			if gvk.Kind != name || object.GetObjectKind().GroupVersionKind().GroupVersion() != v2.GroupVersion {
				t.Errorf("%s decoded as %v", name, gvk)
			}
		}
	}
}

func TestCopiesShareNothing(t *testing.T) {
	enforce := false
	original := &v2.Policy{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"a": "b"}},
		Spec: v2.PolicySpec{
			Enforce:    &enforce,
			CEL:        &v2.CELRule{Validations: []v2.CELValidation{{Expression: "true"}}},
			Parameters: []v2.PolicyParameter{{Name: "x", Value: &apiextensionsv1.JSON{Raw: []byte(`1`)}}},
			Targets:    v2.PolicyTargets{Kinds: []string{"Pod"}, Labels: []map[string]string{{"a": "b"}}},
		},
	}
	before, err := json.Marshal(original)
	if err != nil {
		t.Fatal(err)
	}
	copied := original.DeepCopy()
	*copied.Spec.Enforce = true
	copied.Labels["a"] = "c"
	copied.Spec.CEL.Validations[0].Expression = "false"
	copied.Spec.Parameters[0].Value.Raw[0] = '2'
	copied.Spec.Targets.Kinds[0] = "Job"
	copied.Spec.Targets.Labels[0]["a"] = "c"
	after, err := json.Marshal(original)
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Errorf("changing the copy changed the original from %s to %s", before, after)
	}
}

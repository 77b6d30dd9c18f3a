package engine

import (
	"reflect"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// full is a policy in which all has a value that is compiled.
func full() *v2.Policy {
	p := &v2.Policy{}
	p.Spec = v2.PolicySpec{
		Code: "package p", CEL: &v2.CELRule{Validations: []v2.CELValidation{{Expression: "true"}}},
		Parameters: []v2.PolicyParameter{{Name: "n", Type: "string", Value: &apiextensionsv1.JSON{Raw: []byte(`"v"`)}}},
		Targets: v2.PolicyTargets{
			Kinds: []string{"Pod"}, APIGroups: []string{""}, Labels: []map[string]string{{"a": "b"}}, Namespaces: []string{"n"},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}},
			Operations:        []string{"CREATE"}, Subresources: []string{"scale"},
		},
		Exclude: v2.PolicyExclusions{Namespaces: []string{"n"}, Resources: []string{"n/r"}, Labels: map[string]string{"a": "b"}},
	}
	return p
}

// TestEveryChangeOfWhatIsCompiledIsSeen empties one field after the other, those that the API will get included.
func TestEveryChangeOfWhatIsCompiledIsSeen(t *testing.T) {
	if !sameRule(full(), full()) {
		t.Error("a copy is not the same")
	}
	// A description says nothing to the engine.
	ignored := map[string]bool{"Description": true}
	for name, part := range map[string]func(*v2.Policy) any{
		"targets":   func(p *v2.Policy) any { return &p.Spec.Targets },
		"exclude":   func(p *v2.Policy) any { return &p.Spec.Exclude },
		"parameter": func(p *v2.Policy) any { return &p.Spec.Parameters[0] },
	} {
		fields := reflect.TypeOf(part(full())).Elem()
		for i := range fields.NumField() {
			if ignored[fields.Field(i).Name] {
				continue
			}
			changed := full()
			field := reflect.ValueOf(part(changed)).Elem().Field(i)
			if field.IsZero() {
				if field.Kind() != reflect.Bool {
					t.Fatalf("%s: %s has no value in the test", name, fields.Field(i).Name)
				}
				field.SetBool(true)
			} else {
				field.SetZero()
			}
			if sameRule(full(), changed) {
				t.Errorf("%s: a change of %s is not seen", name, fields.Field(i).Name)
			}
		}
	}
	enforce := false
	for name, change := range map[string]func(*v2.PolicySpec){
		"code":            func(s *v2.PolicySpec) { s.Code += " " },
		"cel":             func(s *v2.PolicySpec) { s.CEL = nil },
		"a CEL rule":      func(s *v2.PolicySpec) { s.CEL.Validations[0].Expression = "false" },
		"a value":         func(s *v2.PolicySpec) { s.Parameters[0].Value.Raw = []byte(`"w"`) },
		"a label":         func(s *v2.PolicySpec) { s.Targets.Labels[0]["a"] = "c" },
		"a selector":      func(s *v2.PolicySpec) { s.Targets.NamespaceSelector.MatchLabels["a"] = "c" },
		"fails open":      func(s *v2.PolicySpec) { s.FailurePolicy = v2.FailurePolicyIgnore },
		"only warns":      func(s *v2.PolicySpec) { s.Enforce = &enforce },
		"more parameters": func(s *v2.PolicySpec) { s.Parameters = append(s.Parameters, v2.PolicyParameter{Name: "m"}) },
	} {
		changed := full()
		change(&changed.Spec)
		if sameRule(full(), changed) {
			t.Errorf("a change of %s is not seen", name)
		}
	}
}

package workspaces

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAnObjectIsAppliedWhenTheClusterHasItAllAndNothingMoreOfOurs(t *testing.T) {
	const desired = "{kind: Role, metadata: {labels: {a: b}}, rules: [{verbs: [get]}]}"
	const owned = `{"f:metadata":{"f:labels":{"f:a":{}}},"f:rules":{}}`
	tests := map[string]struct {
		live, owned, manager string
		want                 bool
	}{
		"the same":                          {desired, owned, FieldManager, true},
		"with what others added":            {"{kind: Role, metadata: {labels: {a: b, c: d}, uid: x}, rules: [{verbs: [get]}]}", owned, FieldManager, true},
		"with a longer list":                {"{kind: Role, metadata: {labels: {a: b}}, rules: [{verbs: [get]}, {verbs: [list]}]}", owned, FieldManager, false},
		"with a longer list within a list":  {"{kind: Role, metadata: {labels: {a: b}}, rules: [{verbs: [get, list]}]}", owned, FieldManager, false},
		"without a field":                   {"{kind: Role, rules: [{verbs: [get]}]}", owned, FieldManager, false},
		"with a label of ours that is gone": {"{kind: Role, metadata: {labels: {a: b, old: x}}, rules: [{verbs: [get]}]}", `{"f:metadata":{"f:labels":{"f:a":{},"f:old":{}}},"f:rules":{}}`, FieldManager, false},
		"made by somebody else":             {desired, owned, "gitops", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			live := object(t, test.live)
			live.SetManagedFields([]metav1.ManagedFieldsEntry{{
				Manager: test.manager, Operation: metav1.ManagedFieldsOperationApply, FieldsType: "FieldsV1",
				FieldsV1: metav1.NewFieldsV1(test.owned),
			}})
			if got := isApplied(object(t, desired), live); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestDifferencesNameTheField(t *testing.T) {
	from := object(t, `{metadata: {labels: {a: x, app.kubernetes.io/name: q}}, spec: {list: [{v: 1}, {v: 2}], short: [1]}}`)
	to := object(t, `{metadata: {labels: {a: x, app.kubernetes.io/name: z}}, spec: {list: [{v: 1}, {v: 3}], short: [1, 2], more: true}}`)
	got := fmt.Sprint(differences("", from.Object, to.Object))
	const want = `[{metadata.labels["app.kubernetes.io/name"] q z} {spec.list[1].v 2 3} {spec.more <nil> true} {spec.short [1] [1 2]}]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

package weave

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

var update = flag.Bool("update", false, "write the golden files")

var meta = Meta{
	AccountID: "account", ClusterID: "cluster", Source: SourceAdmission, Trigger: "CREATE",
	CreatedAt: time.Date(2026, 11, 24, 15, 30, 0, 0, time.FixedZone("CET", 3600)),
}

func replicas() *v2.Policy {
	enforce := false
	return &v2.Policy{Spec: v2.PolicySpec{
		Name: "Minimum Replicas", ID: "weave.policies.minimum-replicas", Code: "package replicas\n", Enforce: &enforce, Mutate: true,
		Description: "Run several.", HowToSolve: "Set `replicas`.", Category: "weave.categories.reliability",
		Tags: []string{"soc2"}, Severity: v2.SeverityMedium,
		Standards: []v2.PolicyStandard{{ID: "weave.standards.soc2", Controls: []string{"weave.controls.soc2.1"}}, {ID: "weave.standards.gdpr"}},
		Targets:   v2.PolicyTargets{Kinds: []string{"Deployment"}, Labels: []map[string]string{{"app": "*"}}, Namespaces: []string{"shop"}},
		Exclude:   v2.PolicyExclusions{Namespaces: []string{"kube-system"}, Resources: []string{"shop/one"}, Labels: map[string]string{"x": "*"}},
	}}
}

func deployment() *policy.Object {
	return &policy.Object{Content: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{
			"name": "web", "namespace": "shop", "uid": "1-2-3", "resourceVersion": "7", "managedFields": []any{map[string]any{"manager": "kubectl"}},
			"ownerReferences": []any{map[string]any{"kind": "Shop", "name": "main"}},
		},
		"spec": map[string]any{"replicas": int64(9007199254740993)},
	}}
}

func TestTheDocumentsAreThoseOfTheWeavePolicyAgent(t *testing.T) {
	bare := &v2.Policy{Spec: v2.PolicySpec{Name: "Bare", ID: "weave.policies.bare", Severity: v2.SeverityHigh, CEL: &v2.CELRule{Validations: []v2.CELValidation{{Expression: "false", Message: "no"}}}}}
	tests := map[string]policy.Result{
		"violation": {
			Policy: replicas(), Object: deployment(), Status: policy.Violation,
			Message: "Minimum Replicas in deployment web (2 occurrences)",
			Occurrences: []policy.Occurrence{
				{Message: "too few", Path: "spec.replicas", RecommendedValue: int64(3)},
				{Message: "just wrong"},
			},
			Parameters: []policy.Parameter{
				{Name: "replicas", Type: "integer", Required: true, Value: int64(3), ConfigRef: "shop"},
				{Name: "exclude", Type: "array"},
			},
		},
		"compliance": {Policy: bare, Object: &policy.Object{Content: map[string]any{"kind": "Namespace", "apiVersion": "v1"}}, Status: policy.Compliance},
		"error": {
			Policy: bare, Object: deployment(), Status: policy.Error, Enforced: true, Err: errors.New("no such key: x"),
			Message: "Bare in deployment web: no such key: x",
		},
		"excepted": {
			Policy: bare, Object: deployment(), Status: policy.Excepted, Message: "Bare in deployment web (1 occurrences)",
			Occurrences: []policy.Occurrence{{Message: "no"}},
		},
		"secret": {
			Policy: replicas(), Status: policy.Violation, Enforced: true, Message: "Minimum Replicas in secret s (2 occurrences)",
			Occurrences: []policy.Occurrence{
				{Message: "weak", Path: "data.password", RecommendedValue: "LEAK"},
				{Message: "type", Path: "type", RecommendedValue: "Opaque"},
				{Message: "label", Path: `metadata.labels["a"]`, RecommendedValue: "b"},
				{Message: "annotation", Path: "metadata.annotations.a", RecommendedValue: "LEAK"},
				{Message: "whole", Path: "metadata", RecommendedValue: map[string]any{"annotations": "LEAK"}},
				{Message: "no path", Path: "data[", RecommendedValue: "LEAK"},
			},
			Object: &policy.Object{Content: map[string]any{
				"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true,
				"metadata": map[string]any{
					"name": "s", "namespace": "shop", "labels": map[string]any{"a": "b"},
					"annotations": map[string]any{"kubectl.kubernetes.io/last-applied-configuration": "LEAK"},
				},
				"data": map[string]any{"password": "LEAK"}, "stringData": "LEAK", "other": []any{"LEAK"},
			}},
		},
	}
	id := regexp.MustCompile(`"id": "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"`)
	for name, result := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := json.MarshalIndent(From(result, meta), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if !id.Match(got) {
				t.Error("the id is no random UUID")
			}
			got = append(id.ReplaceAll(got, []byte(`"id": "…"`)), '\n')
			file := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s:\n%s\nbut it is\n%s", file, want, got)
			}
			if strings.Contains(string(got), "LEAK") {
				t.Error("what is secret is shown")
			}
		})
	}
}

func TestEveryDocumentHasAnIdOfItsOwn(t *testing.T) {
	result := policy.Result{Policy: replicas(), Object: deployment(), Status: policy.Violation}
	if a, b := From(result, meta), From(result, meta); a.ID == b.ID {
		t.Errorf("both are %s", a.ID)
	}
}

func TestTheObjectIsNotChanged(t *testing.T) {
	object := deployment()
	From(policy.Result{Policy: replicas(), Object: object, Status: policy.Violation}, meta)
	if !reflect.DeepEqual(object, deployment()) {
		t.Errorf("it is %v", object.Content)
	}
}

// Objects at the Terraform gate may be anything.
func TestManifestsOfOddObjects(t *testing.T) {
	for _, text := range []string{`{}`, `{"metadata":1}`, `{"kind":"Secret","apiVersion":"v1","metadata":[],"data":7}`, `{"metadata":{"managedFields":1,"ownerReferences":{}}}`} {
		var content map[string]any
		if err := json.Unmarshal([]byte(text), &content); err != nil {
			t.Fatal(err)
		}
		v := From(policy.Result{Policy: replicas(), Object: &policy.Object{Content: content}}, meta)
		if asJSON, err := json.Marshal(v.Entity.Manifest); err != nil || strings.Contains(string(asJSON), "7") || strings.Contains(string(asJSON), "managedFields") {
			t.Errorf("%s became %s, error %v", text, asJSON, err)
		}
	}
}

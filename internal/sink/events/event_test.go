package events

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
	"github.com/assay-gitops/assay/internal/weave"
)

var update = flag.Bool("update", false, "write the golden files")

func mustEncode(t testing.TB, r sink.Result) *corev1.Event {
	t.Helper()
	event, err := encode(&r, "policy-agent-0", true)
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// plain is a result about an object that Flux does not apply.
func plain() sink.Result {
	r := sinktest.Result(1)
	r.App = nil
	return r
}

func TestEventsAreTheGoldenOnes(t *testing.T) {
	tests := map[string]func() sink.Result{
		"flux": func() sink.Result {
			r := sinktest.Result(2)
			r.Validation.Policy.Tags = []string{"tenancy", "soc2-type1"}
			r.Validation.Policy.Standards = []weave.Standard{{ID: "weave.standards.cis", Controls: []string{"weave.controls.cis.5.1"}}}
			r.Validation.Policy.Parameters = []weave.Parameter{{Name: "replica_count", Type: "integer", Value: 2, Required: true, ConfigRef: "small"}}
			return r
		},
		"object": plain,
		"excepted": func() sink.Result {
			r := plain()
			r.Validation.Status, r.Exception = weave.StatusExcepted, &sink.Exception{Name: "small-team", Reason: "one is enough"}
			return r
		},
		"error": func() sink.Result {
			r := sinktest.Result(2)
			r.Validation.Status = weave.StatusError
			return r
		},
		"resolved": func() sink.Result {
			r := plain()
			r.Gate, r.Validation.Source, r.Validation.Trigger = sink.Audit, weave.SourceAudit, weave.TriggerPeriodicAudit
			r.Life, r.Resolution = sink.Resolved, "object deleted"
			return r
		},
		"cluster-scoped": func() sink.Result {
			r := plain()
			r.Validation.Entity.APIVersion, r.Validation.Entity.Kind = "rbac.authorization.k8s.io/v1", "ClusterRole"
			r.Validation.Entity.Name, r.Validation.Entity.Namespace = "system:100%s/all", ""
			r.Validation.Message = "100%s of %d in clusterrole system:100%s/all (1 occurrences)"
			r.Validation.Status, r.Validation.Policy.Enforce = weave.StatusCompliance, true
			return r
		},
		"terraform": func() sink.Result {
			r := plain()
			r.Gate, r.Validation.Source, r.Validation.Trigger = sink.Terraform, weave.SourceTFAdmission, weave.TriggerTerraform
			return r
		},
	}
	for name, result := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := yaml.Marshal(mustEncode(t, result()))
			if err != nil {
				t.Fatal(err)
			}
			golden := "testdata/" + name + ".yaml"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestNamesAreThoseThatTheServerTakes(t *testing.T) {
	for _, entity := range []string{
		"web", "system:node-proxier", "100%", "a/b", "..", "A.B", "", "-", "x.", strings.Repeat("ü", 300), strings.Repeat("a", 252) + ".b", "İ" + strings.Repeat("İ", 300), "a-.-b", "a.:b", "a...b",
	} {
		got := name(entity, "id-1")
		if errs := validation.NameIsDNSSubdomain(got, false); len(errs) > 0 {
			t.Errorf("the name for %q is %q: %v", entity, got, errs)
		}
		if got != name(entity, "id-1") || got == name(entity, "id-2") {
			t.Errorf("the name %q does not go with the result", got)
		}
	}
	if got := name("Web-1", "x"); !strings.HasPrefix(got, "web-1.") {
		t.Errorf("the name of the object is not to be seen in %q", got)
	}
}

func TestWhatIsTooBigIsCutAndSaysSo(t *testing.T) {
	big := strings.Repeat("ü", 200_000)
	var many []weave.Occurrence
	for i := range 20_000 {
		many = append(many, weave.Occurrence{Message: fmt.Sprint("occurrence ", i), RecommendedValue: i})
	}
	tests := map[string]struct {
		make func(*weave.PolicyValidation)
		cut  string
	}{
		"nothing":     {func(v *weave.PolicyValidation) {}, ""},
		"manifest":    {func(v *weave.PolicyValidation) { v.Entity.Manifest["data"] = big }, "entity_manifest"},
		"a name":      {func(v *weave.PolicyValidation) { v.Policy.Name = big }, "entity_manifest,occurrences,parameters,policy_name,standards"},
		"occurrences": {func(v *weave.PolicyValidation) { v.Occurrences = many }, "entity_manifest,occurrences"},
		"an occurrence": {func(v *weave.PolicyValidation) {
			v.Occurrences = []weave.Occurrence{{Message: big, ViolatingKey: &big, RecommendedValue: big}}
		}, "entity_manifest,occurrences"},
		"parameters":  {func(v *weave.PolicyValidation) { v.Policy.Parameters = []weave.Parameter{{Name: "p", Value: big}} }, "entity_manifest,occurrences,parameters"},
		"description": {func(v *weave.PolicyValidation) { v.Policy.Description = big }, "description,entity_manifest,occurrences,parameters"},
		"standards":   {func(v *weave.PolicyValidation) { v.Policy.Standards = []weave.Standard{{ID: big}} }, "entity_manifest,occurrences,parameters,standards"},
		"all": {func(v *weave.PolicyValidation) {
			v.Entity.Manifest["metadata"], v.Entity.Manifest["data"], v.Occurrences, v.Policy.Description, v.Policy.HowToSolve = map[string]any{"name": big, "uid": big}, big, many, big, big
			v.Policy.ID, v.Policy.Name, v.Policy.Tags, v.AccountID, v.ClusterID, v.Policy.Category = big, big, []string{big}, big, big, big
			v.Policy.Parameters, v.Policy.Standards, v.Message = []weave.Parameter{{Name: big}}, []weave.Standard{{ID: big}}, big
			v.Entity.Name, v.Entity.Kind, v.Entity.APIVersion = big, big, big
		}, "account_id,category,cluster_id,description,entity_manifest,how_to_solve,occurrences,parameters,policy_id,policy_name,standards,tags"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := plain()
			r.Validation.Policy.Parameters = []weave.Parameter{{Name: "replica_count", Value: 2}}
			r.Validation.Policy.Standards = []weave.Standard{{ID: "weave.standards.cis"}}
			r.Validation.Occurrences[0].Message = strings.Repeat("long ", 300)
			test.make(&r.Validation)
			event := mustEncode(t, r)
			moveToDefault(event) // which needs room too
			if err := validation.ValidateAnnotationsSize(event.Annotations); err != nil {
				t.Error(err)
			}
			if got := event.Annotations[AnnotationTruncated]; got != test.cut {
				t.Errorf("cut %q, want %q", got, test.cut)
			}
			if len(event.Message) > maxMessage {
				t.Errorf("the message has %d bytes", len(event.Message))
			}
			if text, _ := json.Marshal(event); len(text) > 1<<20 {
				t.Errorf("the event has %d bytes", len(text))
			}
			v, err := Decode(event)
			if err != nil {
				t.Fatal(err)
			}
			if want := r.Validation.Entity.Name; len(want) < 100 && (v.Entity.Name != want || v.Entity.Kind != "Deployment" || v.Entity.Namespace != "team-1" || v.Entity.ID != "uid-1") {
				t.Errorf("the object is not to be known any more: %+v", v.Entity)
			}
			if len(r.Validation.Occurrences) > 1 && len(v.Occurrences) < 500 {
				t.Errorf("only %d occurrences were kept", len(v.Occurrences))
			}
		})
	}
}

func TestWhatIsSecretIsNotInEvents(t *testing.T) {
	r := sinktest.Result(1)
	r.Validation.Entity.Manifest = map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "web-1", "annotations": map[string]any{
			"kubectl.kubernetes.io/last-applied-configuration": "s3cret", "objectset.rio.cattle.io/applied": "s3cret", "note": "shown",
		}},
		"spec": map[string]any{
			"automountServiceAccountToken": false,
			"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{
				"name": "app", "image": "shown:1",
				"env": []any{
					map[string]any{"name": "DSN", "value": "s3cret"},
					map[string]any{"name": "EMPTY", "value": ""},
					map[string]any{"name": "FROM", "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": "shown-ref", "key": "password"}}},
				},
			}}, "volumes": []any{map[string]any{"secret": map[string]any{"secretName": "shown-name"}}}}},
			"values":     map[string]any{"adminPassword": "s3cret", "api_key": "s3cret", "API-Token": json.Number("53"), "tokens": []any{"s3cret", []any{"x"}}},
			"parameters": []any{map[string]any{"name": "db.password", "value": "s3cret"}, map[string]any{"name": "replicas", "value": "shown-two"}},
		},
	}
	before, _ := json.Marshal(r.Validation.Entity.Manifest)
	event := mustEncode(t, r)
	manifest := event.Annotations["entity_manifest"]
	if strings.Contains(manifest, "s3cret") || strings.Contains(manifest, "53") {
		t.Errorf("a secret is in %s", manifest)
	}
	for _, kept := range []string{`"note":"shown"`, "shown:1", "shown-ref", "shown-name", "shown-two", `"automountServiceAccountToken":false`, `"name":"DSN"`, `"value":""`} {
		if !strings.Contains(manifest, kept) {
			t.Errorf("%s is not in %s", kept, manifest)
		}
	}
	if after, _ := json.Marshal(r.Validation.Entity.Manifest); !bytes.Equal(before, after) {
		t.Error("the result was changed, which other sinks use too")
	}
	// What is judged by the Terraform gate may be a plan, and nobody knows what in it is secret.
	r.Gate = sink.Terraform
	if got := mustEncode(t, r).Annotations["entity_manifest"]; got != `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web-1","namespace":"team-1","uid":"uid-1"}}` {
		t.Errorf("the manifest is %s", got)
	}
}

func TestManifestsCanBeLeftOut(t *testing.T) {
	r := sinktest.Result(1)
	event, err := encode(&r, "host", false)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := event.Annotations["entity_manifest"], `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web-1","namespace":"team-1","uid":"uid-1"}}`; got != want {
		t.Errorf("the manifest is %s, want %s", got, want)
	}
}

func TestAnEventIsReadAsItWasWritten(t *testing.T) {
	for i := range 6 {
		r := sinktest.Result(i)
		r.Validation.Policy.Tags = []string{"a", "b"}
		r.Validation.Policy.Parameters = []weave.Parameter{{Name: "p", Type: "integer", Value: json.Number("9007199254740993"), Required: true}}
		r.Validation.Policy.Standards = []weave.Standard{{ID: "s", Controls: []string{}}}
		r.Validation.Policy.Enforce = i%3 == 0 // and Enforced is i%2 == 0
		if i > 2 {
			r.App = nil
		}
		got, err := Decode(mustEncode(t, r))
		if err != nil {
			t.Fatal(err)
		}
		want := r.Validation
		want.Policy.Code, want.Policy.Targets = "", got.Policy.Targets // are not in events
		wantText, _ := json.Marshal(want)
		if gotText, _ := json.Marshal(got); !bytes.Equal(gotText, wantText) {
			t.Errorf("got\n%s\nwant\n%s", gotText, wantText)
		}
		if !got.CreatedAt.Equal(time.Unix(1_700_000_000+int64(i), 0)) {
			t.Errorf("it was at %v", got.CreatedAt)
		}
	}
}

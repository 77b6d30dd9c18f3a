package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
)

// old asks as an old client does.
func (b *bed) old(t *testing.T, token, body string) OldList {
	t.Helper()
	got := b.send(t, http.MethodPost, token, oldPath, body, "Content-Type", "application/json")
	if got.status != http.StatusOK {
		t.Fatalf("%s: %d %s", body, got.status, got.body)
	}
	var list OldList
	if err := json.Unmarshal([]byte(got.body), &list); err != nil {
		t.Fatal(err)
	}
	if list.Errors == nil || list.Violations == nil {
		t.Errorf("a list is null: %s", got.body)
	}
	return list
}

// seedOld adds what the tests ask for: of each the name of the object says what it is.
func (b *bed) seedOld(t *testing.T) {
	t.Helper()
	n := 0
	result := func(name string, changes ...func(*sink.Result)) *sink.Result {
		n++
		return storetest.Result(fmt.Sprint(n), append([]func(*sink.Result){storetest.Object("Deployment", "shop", name), storetest.After(time.Duration(n) * time.Minute)}, changes...)...)
	}
	app := func(kind, namespace, name string) func(*sink.Result) {
		return func(r *sink.Result) { r.App = &sink.App{Kind: kind, Namespace: namespace, Name: name} }
	}
	noApp := func(r *sink.Result) { r.App = nil }
	b.add(t, "here",
		result("refused", storetest.Admission(true), app("Kustomization", "flux-system", "apps")),
		result("warned", storetest.Admission(false), app("HelmRelease", "shop", "apps")),
		result("excepted", storetest.Admission(false), storetest.Accepted("small")),
		result("other", storetest.Admission(true), storetest.Policy("labels", "Labels", "", "low"), noApp, func(r *sink.Result) { r.Validation.Entity.Kind = "StatefulSet" }),
		result("audited", app("Kustomization", "elsewhere", "apps")),
		result("repaired"), result("repaired", storetest.Life(sink.Resolved, "object fixed")),
		result("planned", storetest.Admission(true), func(r *sink.Result) { r.Gate = sink.Terraform }),
		result("hidden", storetest.Admission(true), func(r *sink.Result) { r.Validation.Entity.Namespace = foreign }),
	)
	b.add(t, "far", result("far", storetest.Admission(true)))
}

func TestOldClientsFindWhatTheyAskFor(t *testing.T) {
	b := newBed(t)
	b.seedOld(t)
	for question, want := range map[string]string{
		``:                                   "far hidden other warned refused",
		`{}`:                                 "far hidden other warned refused",
		`{"validationType": ""}`:             "far hidden other warned refused",
		`{"clusterName": "here"}`:            "hidden other warned refused",
		`{"cluster_name": "far"}`:            "far",
		`{"clusterName": "nobody"}`:          "",
		`{"validationType": "Audit"}`:        "audited",
		`{"validation_type": "TFAdmission"}`: "planned",
		`{"policyId": "labels"}`:             "other",
		`{"policy_id": "replicas", "namespace": "` + foreign + `"}`:                                    "hidden",
		`{"application": "apps", "clusterName": "here"}`:                                               "hidden warned refused",
		`{"application": "apps", "kind": "HelmRelease"}`:                                               "warned",
		`{"application": "apps", "namespace": "shop"}`:                                                 "warned",
		`{"kind": "HelmRelease"}`:                                                                      "warned",
		`{"kind": "StatefulSet"}`:                                                                      "other",
		`{"application": "other", "kind": "StatefulSet"}`:                                              "other",
		`{"application": "warned", "kind": "Kustomization"}`:                                           "",
		`{"application": "nobody", "kind": "HelmRelease"}`:                                             "",
		`{"application":"apps","kind":"Kustomization","namespace":"flux-system","clusterName":"here"}`: "hidden refused",
	} {
		list := b.old(t, platform, question)
		var names []string
		for _, v := range list.Violations {
			names = append(names, v.Entity)
		}
		if got := strings.Join(names, " "); got != want || list.Total != len(names) || list.NextPageToken != "" {
			t.Errorf("%s: got %q of %d, want %q", question, got, list.Total, want)
		}
	}
	if list := b.old(t, tenant, `{}`); list.Total != 3 || strings.Contains(fmt.Sprint(list), foreign) {
		t.Errorf("the tenant sees %+v", list)
	}
}

func TestOldClientsPage(t *testing.T) {
	b := newBed(t)
	b.seedOld(t)
	var names []string
	token, pages := "", 0
	for {
		question := fmt.Sprintf(`{"pagination": {"pageSize": 2, "pageToken": %q}}`, token)
		if pages%2 == 1 {
			question = strings.NewReplacer("pageSize", "page_size", "pageToken", "page_token").Replace(question)
		}
		list := b.old(t, platform, question)
		if list.Total != 5 {
			t.Errorf("page %d: %d in all", pages, list.Total)
		}
		for _, v := range list.Violations {
			names = append(names, v.Entity)
		}
		pages++
		if token = list.NextPageToken; token == "" {
			break
		}
	}
	if got := strings.Join(names, " "); got != "far hidden other warned refused" || pages != 3 {
		t.Errorf("got %s on %d pages", got, pages)
	}
}

func TestOldClientsAreToldWhatIsWrong(t *testing.T) {
	b := newBed(t)
	for body, want := range map[string]int{
		`{"validationType": "audit"}`:           http.StatusUnprocessableEntity,
		`{"cluster": "here"}`:                   http.StatusUnprocessableEntity,
		`{"pagination": {"pageSize": -1}}`:      http.StatusUnprocessableEntity,
		`{"pagination": {"pageToken": "x"}}`:    http.StatusBadRequest,
		`{"pagination": {"limit": 1}}`:          http.StatusUnprocessableEntity,
		`[]`:                                    http.StatusUnprocessableEntity,
		`{`:                                     http.StatusBadRequest,
		`"` + strings.Repeat("x", 65<<10) + `"`: http.StatusRequestEntityTooLarge,
	} {
		got := b.send(t, http.MethodPost, platform, oldPath, body, "Content-Type", "application/json")
		if got.status != want {
			t.Errorf("%.60s: %d %s", body, got.status, got.body)
		}
		got.problem(t)
	}
}

func TestOldClientsSeeAViolationAsTheyKnowIt(t *testing.T) {
	b := newBed(t)
	b.add(t, "here", storetest.Result("r1", func(r *sink.Result) {
		r.Validation.Policy.Description, r.Validation.Policy.HowToSolve = "About replicas.", "Have more."
		r.Validation.Policy.Parameters = []weave.Parameter{
			{Name: "text", Type: "string", Value: "x", Required: true, ConfigRef: "config"}, {Name: "yes", Type: "boolean", Value: true},
			{Name: "few", Type: "integer", Value: 3}, {Name: "many", Type: "integer", Value: 5_000_000_000}, {Name: "part", Type: "number", Value: 1.5},
			{Name: "texts", Type: "array", Value: []any{"a", "b"}}, {Name: "mixed", Type: "array", Value: []any{"a", 1.5}},
			{Name: "object", Type: "object", Value: map[string]any{"a": "b"}}, {Name: "nothing", Type: "string"},
		}
	}))
	list := b.old(t, tenant, `{"validationType": "Audit"}`)
	if len(list.Violations) != 1 {
		t.Fatalf("got %+v", list)
	}
	id := list.Violations[0].ID
	got := b.get(t, tenant, oldPath+"/"+id+"?clusterName=here&validationType=Audit")
	var one, want any
	if err := json.Unmarshal([]byte(got.body), &one); err != nil {
		t.Fatal(err)
	}
	const google = "type.googleapis.com/google.protobuf."
	if err := json.Unmarshal([]byte(`{"validation": {
		"id": "`+id+`", "message": "Minimum Replica Count in deployment web (1 occurrences)", "clusterId": "cluster-uid",
		"category": "reliability", "severity": "medium", "createdAt": "2026-03-10T12:00:00Z", "entity": "web", "entityKind": "Deployment", "namespace": "shop",
		"violatingEntity": "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\"}}",
		"description": "About replicas.", "howToSolve": "Have more.", "name": "Minimum Replica Count", "clusterName": "here", "policyId": "replicas",
		"occurrences": [{"message": "too few replicas"}],
		"parameters": [
			{"name": "text", "type": "string", "value": {"@type": "`+google+`StringValue", "value": "x"}, "required": true, "configRef": "config"},
			{"name": "yes", "type": "boolean", "value": {"@type": "`+google+`BoolValue", "value": true}, "required": false, "configRef": ""},
			{"name": "few", "type": "integer", "value": {"@type": "`+google+`Int32Value", "value": 3}, "required": false, "configRef": ""},
			{"name": "many", "type": "integer", "value": {"@type": "`+google+`Int64Value", "value": "5000000000"}, "required": false, "configRef": ""},
			{"name": "part", "type": "number", "value": {"@type": "`+google+`Value", "value": 1.5}, "required": false, "configRef": ""},
			{"name": "texts", "type": "array", "value": {"@type": "type.googleapis.com/gitops_core.v1.PolicyParamRepeatedString", "value": ["a", "b"]}, "required": false, "configRef": ""},
			{"name": "mixed", "type": "array", "value": {"@type": "`+google+`Value", "value": ["a", 1.5]}, "required": false, "configRef": ""},
			{"name": "object", "type": "object", "value": {"@type": "`+google+`Value", "value": {"a": "b"}}, "required": false, "configRef": ""},
			{"name": "nothing", "type": "string", "value": null, "required": false, "configRef": ""}
		]}}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, one); diff != "" {
		t.Error(diff)
	}
	for query, want := range map[string]int{
		"": 200, "?cluster_name=here": 200, "?clusterName=there": 404, "?validation_type=Admission": 404, "?clusterName=": 200, "?validationType=x": 422, "?cluster=x": 400,
	} {
		if got := b.get(t, tenant, oldPath+"/"+id+query); got.status != want {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
}

package elastic_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/elastic"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
	"github.com/assay-gitops/assay/internal/weave"
)

// awkward is a result that the old agent's mapping could not take, in every way that is known.
func awkward(i int) sink.Result {
	r := sinktest.Result(i)
	v := &r.Validation
	v.Policy.Code = strings.Repeat("# ä long policy\n", 4000)
	v.Policy.Description = strings.Repeat("long ", 10_000)
	v.Policy.Parameters = []weave.Parameter{
		{Name: "text", Type: "string", Value: "two"}, {Name: "number", Type: "integer", Value: 2}, {Name: "truth", Type: "boolean", Value: true},
		{Name: "list", Type: "array", Value: []any{"a", "b", 3}}, {Name: "none", Type: "string"},
		{Name: "object", Type: "object", Value: map[string]any{"registry": "ghcr.io", "ports": []any{80}}, ConfigRef: "shop"},
		{Name: "objects", Type: "array", Value: []any{map[string]any{"a": 1}, "b"}},
	}
	v.Policy.Targets.Labels = []map[string]string{{"app": "web", "tier": "front"}, {"kubernetes.io/os": "linux"}}
	v.Policy.Exclude.Labels = map[string]string{"app.kubernetes.io/name": "x", "app.kubernetes.io/name.part": "y"}
	v.Entity.Manifest = map[string]any{"data": map[string]any{".dockerconfigjson": "***", "..": 1, "a.": 2, " ": nil, "a": 1, "a.b": map[string]any{}}}
	v.Occurrences = append(v.Occurrences, weave.Occurrence{Message: "m", RecommendedValue: "text"}, weave.Occurrence{Message: "m", RecommendedValue: map[string]any{"a": 1}})
	return r
}

// oldMapping is that of the Weave Policy Agent 2.6, and oldDocument has the fields that it left to the server's guess.
const oldMapping = `{"mappings": {"properties": {
  "account_id": {"type": "keyword"}, "cluster_id": {"type": "keyword"}, "id": {"type": "keyword"}, "message": {"type": "keyword"},
  "source": {"type": "keyword"}, "status": {"type": "keyword"}, "trigger": {"type": "keyword"},
  "created_at": {"type": "date", "format": "date_optional_time"},
  "entity": {"properties": {
    "apiVersion": {"type": "keyword"}, "id": {"type": "keyword"}, "kind": {"type": "keyword"}, "name": {"type": "keyword"},
    "namespace": {"type": "keyword"}, "resource_version": {"type": "keyword"}, "has_parent": {"type": "boolean"},
    "manifest": {"type": "object", "dynamic": false}}},
  "occurrences": {"type": "nested", "dynamic": false},
  "policy": {"properties": {
    "category": {"type": "keyword"}, "code": {"type": "keyword"}, "description": {"type": "keyword"}, "how_to_solve": {"type": "keyword"},
    "id": {"type": "keyword"}, "name": {"type": "keyword"}, "severity": {"type": "keyword"}, "tags": {"type": "keyword"}, "enabled": {"type": "boolean"},
    "parameters": {"type": "nested", "properties": {"name": {"type": "keyword"}, "required": {"type": "boolean"}, "type": {"type": "keyword"}, "value": {"type": "keyword"}}},
    "standards": {"type": "nested", "properties": {"id": {"type": "keyword"}, "controls": {"type": "keyword"}}},
    "targets": {"properties": {"kinds": {"type": "keyword"}, "labels": {"type": "keyword"}, "namespaces": {"type": "keyword"}}}}}}}}`

const oldDocument = `{"id": "old", "status": "Violation", "enforced": true, "metadata": null, "policy": {"id": "p", "enforce": true, "mutate": false,
  "exclude": {"namespaces": ["kube-system"], "resources": [], "labels": {"team": "a"}}, "parameters": [{"name": "n", "value": "v", "config_ref": "c"}]}}`

// queries find the awkward document, and no other.
var queries = []string{
	`{"nested": {"path": "policy.parameters", "query": {"term": {"policy.parameters.value": "two"}}}}`,
	`{"nested": {"path": "policy.parameters", "query": {"term": {"policy.parameters.value": "2"}}}}`,
	`{"nested": {"path": "policy.parameters", "query": {"term": {"policy.parameters.value": "true"}}}}`,
	`{"nested": {"path": "policy.parameters", "query": {"term": {"policy.parameters.value": "b"}}}}`,
	`{"nested": {"path": "policy.parameters", "query": {"term": {"policy.parameters.value": "{\"ports\":[80],\"registry\":\"ghcr.io\"}"}}}}`,
	`{"term": {"policy.targets.labels": "app=web,tier=front"}}`,
	`{"term": {"policy.severity": "medium"}}`,
	`{"term": {"enforced": false}}`,
	`{"term": {"entity.name": "web-1"}}`,
	`{"term": {"assay.app.revision": "main@sha1:0123456789abcdef0123456789abcdef01234567"}}`,
	`{"term": {"assay.gate": "admission"}}`,
	`{"range": {"created_at": {"gte": "2023-11-14", "lte": "2023-11-15"}}}`,
}

func findsTheAwkward(t *testing.T, address, index string) {
	t.Helper()
	for _, query := range queries {
		found := find(t, address, index, query)
		if len(found) != 1 || found[0].ID != sinktest.ID(1) {
			t.Errorf("%s finds %d documents", query, len(found))
		} else if got := found[0].Source.Policy; got.Code != awkward(1).Validation.Policy.Code || got.Parameters[1].Value != 2.0 {
			t.Errorf("the document is another: %d bytes of code, %v", len(got.Code), got.Parameters)
		}
	}
}

func TestWhatTheOldMappingRefusedIsTaken(t *testing.T) {
	onEach(t, func(t *testing.T, address, index string) {
		send(t, newSink(t, elastic.Options{Address: address, Index: index}), awkward(1))
		findsTheAwkward(t, address, index)
	})
}

func TestAnIndexOfTheOldAgentGoesOnBeingUsed(t *testing.T) {
	onEach(t, func(t *testing.T, address, index string) {
		call(t, http.MethodPut, address+"/"+index, oldMapping, nil)
		call(t, http.MethodPut, address+"/"+index+"/_doc/old", oldDocument, nil)
		before := mapping(t, address, index)
		send(t, newSink(t, elastic.Options{Address: address, Index: index}), awkward(1))
		findsTheAwkward(t, address, index)
		for _, query := range []string{
			`{"match": {"policy.exclude.namespaces": "kube"}}`, // which the server took for text
			`{"term": {"policy.exclude.namespaces.keyword": "kube-system"}}`,
			`{"nested": {"path": "policy.parameters", "query": {"term": {"policy.parameters.value": "v"}}}}`,
		} {
			if found := find(t, address, index, query); len(found) != 1 || found[0].ID != "old" {
				t.Errorf("%s finds %+v", query, found)
			}
		}
		// Fields that were there have the type that they had.
		after := mapping(t, address, index)
		for field, kind := range before {
			if after[field] != kind {
				t.Errorf("%s was of type %s and is %s", field, kind, after[field])
			}
		}
		if after["assay.gate"] != "keyword" || after["policy.git_commit"] != "keyword" {
			t.Errorf("fields are missing: %v", after)
		}
	})
}

// mapping is the types of an index's fields.
func mapping(t *testing.T, address, index string) map[string]string {
	t.Helper()
	var answer map[string]struct{ Mappings map[string]any }
	call(t, http.MethodGet, address+"/"+index+"/_mapping", "", &answer)
	types := map[string]string{}
	for _, of := range answer {
		fieldTypes(of.Mappings, "", types)
	}
	return types
}

// fieldTypes collects the types of the fields below a mapping; objects have none.
func fieldTypes(of map[string]any, prefix string, types map[string]string) {
	fields, _ := of["properties"].(map[string]any)
	for name, field := range fields {
		field := field.(map[string]any)
		if kind, ok := field["type"].(string); ok {
			types[prefix+name] = kind
		}
		fieldTypes(field, prefix+name+".", types)
	}
}

func TestUpsertKeepsTheLatestResultOfADay(t *testing.T) {
	onEach(t, func(t *testing.T, address, index string) {
		s := newSink(t, elastic.Options{Address: address, Index: index, Mode: elastic.Upsert})
		at := func(i int, status string, created time.Time) sink.Result {
			r := sinktest.Result(i)
			r.Validation.Entity.Name, r.Validation.Entity.ID, r.Validation.Status, r.Validation.CreatedAt = "web", "uid-web", status, created
			return r
		}
		noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
		newer, denied, again, other := at(2, "Compliance", noon.Add(time.Nanosecond)), at(4, "Violation", noon), at(5, "Violation", noon.Add(time.Minute)), at(6, "Violation", noon)
		denied.Validation.Entity.ID, again.Validation.Entity.ID, other.Validation.Entity.ID = "", "", ""
		other.Validation.ClusterID = "another"
		send(t, s, at(1, "Violation", noon), newer, at(3, "Violation", noon.Add(24*time.Hour)), denied, again, other)
		// The first is sent again, as if its answer had been lost.
		send(t, s, at(1, "Violation", noon))
		const policy = "weave.policies.containers-minimum-replica-count"
		want := map[string]string{
			policy + "_uid-web_2026-11-24":                       sinktest.ID(2),
			policy + "_uid-web_2026-11-25":                       sinktest.ID(3),
			policy + "_cluster/team-0/Deployment/web_2026-11-24": sinktest.ID(4),
			policy + "_cluster/team-1/Deployment/web_2026-11-24": sinktest.ID(5),
			policy + "_another/team-2/Deployment/web_2026-11-24": sinktest.ID(6),
		}
		found := find(t, address, index, "")
		for _, hit := range found {
			if want[hit.ID] != hit.Source.ID {
				t.Errorf("%s is the result %s", hit.ID, hit.Source.ID)
			}
		}
		if len(found) != len(want) {
			t.Errorf("%d documents", len(found))
		}
	})
}

func TestAnIndexForEachMonthOrDay(t *testing.T) {
	onEach(t, func(t *testing.T, address, _ string) {
		for period, want := range map[elastic.Period][]string{elastic.Monthly: {"-2026.10", "-2026.11"}, elastic.Daily: {"-2026.10.31", "-2026.11.01"}} {
			index := newIndex()
			s := newSink(t, elastic.Options{Address: address, Index: index, Period: period})
			october, november := awkward(1), sinktest.Result(2)
			october.Validation.CreatedAt = time.Date(2026, 10, 31, 23, 59, 59, 0, time.UTC)
			november.Validation.CreatedAt = october.Validation.CreatedAt.Add(time.Second)
			send(t, s, october, november)
			// Another process, to which the indexes are old, sends them again.
			send(t, newSink(t, elastic.Options{Address: address, Index: index, Period: period}), november, october)
			found := map[string]string{}
			for _, hit := range find(t, address, index+"-*", `{"term": {"assay.gate": "admission"}}`) {
				found[hit.Index] += hit.ID
			}
			if len(found) != 2 || found[index+want[0]] != sinktest.ID(1) || found[index+want[1]] != sinktest.ID(2) {
				t.Errorf("%v", found)
			}
			if kind := mapping(t, address, index+want[0])["policy.parameters"]; kind != "nested" {
				t.Errorf("the template had no effect: policy.parameters is %q", kind)
			}
		}
	})
}

func TestAnIndexThatDisappearsIsMadeAgain(t *testing.T) {
	onEach(t, func(t *testing.T, address, index string) {
		s := newSink(t, elastic.Options{Address: address, Index: index})
		send(t, s, awkward(1))
		call(t, http.MethodDelete, address+"/"+index, "", nil)
		send(t, s, awkward(1))
		findsTheAwkward(t, address, index)
	})
}

func TestWhatIsTooLargeForTheServerIsHalved(t *testing.T) {
	onEach(t, func(t *testing.T, address, index string) {
		// A proxy with the limit that those in front of search servers often have.
		const limit = 100_000
		behind := proxy(t, address)
		server := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength > limit {
				http.Error(w, "<html>too large</html>", http.StatusRequestEntityTooLarge)
				return
			}
			behind.ServeHTTP(w, r)
		}))
		var results []sink.Result
		for i := range 100 {
			results = append(results, sinktest.Result(i))
		}
		results[42].Validation.Policy.Code = strings.Repeat("x", limit)
		for i, o := range newSink(t, elastic.Options{Address: server, Index: index}).Send(t.Context(), items(t, results...)) {
			want := sink.Delivered
			if i == 42 {
				want = sink.Refused
			}
			if o.State != want {
				t.Errorf("%d: %+v", i, o)
			}
		}
		everyOne(t, address, index, 0, 100, sinktest.ID(42))
	})
}

func TestTheServerIsKnownAndKnowsTheSink(t *testing.T) {
	onEach(t, func(t *testing.T, address, _ string) {
		dir := t.TempDir()
		write := func(name, content string) string {
			file := dir + "/" + name
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			return file
		}
		wanted := ""
		behind := proxy(t, address)
		server := newTLSServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Authorization"); got != wanted {
				http.Error(w, fmt.Sprintf(`{"error": {"type": "security_exception", "reason": "unable to authenticate [%s]"}, "status": 401}`, "user"), http.StatusUnauthorized)
				return
			}
			r.Header.Del("Authorization")
			behind.ServeHTTP(w, r)
		}))
		ca := write("ca.pem", server.ca)
		basic := "Basic YXNzYXk6aHVudGVyMg==" // assay:hunter2
		for name, test := range map[string]struct {
			o      elastic.Options
			wanted string
			err    string
		}{
			"nobody":                    {elastic.Options{CAFile: ca}, "", ""},
			"a password":                {elastic.Options{CAFile: ca, Username: "assay", Password: "hunter2"}, basic, ""},
			"a file with a password":    {elastic.Options{CAFile: ca, Username: "assay", PasswordFile: write("password", "hunter2\n")}, basic, ""},
			"an API key":                {elastic.Options{CAFile: ca, APIKey: "aWQ6aHVudGVyMg=="}, "ApiKey aWQ6aHVudGVyMg==", ""},
			"a file with an API key":    {elastic.Options{CAFile: ca, APIKeyFile: write("key", "aWQ6aHVudGVyMg==")}, "ApiKey aWQ6aHVudGVyMg==", ""},
			"any certificate":           {elastic.Options{InsecureSkipVerify: true}, "", ""},
			"a wrong password":          {elastic.Options{CAFile: ca, Username: "assay", Password: "hunter22"}, basic, "401 Unauthorized: security_exception: unable to authenticate [user] (it wants a user"},
			"an unknown authority":      {elastic.Options{}, "", "certificate signed by unknown authority"},
			"a certificate for another": {elastic.Options{CAFile: write("other.pem", otherCA(t))}, "", "certificate signed by unknown authority"},
		} {
			t.Run(name, func(t *testing.T) {
				test.o.Address, test.o.Index = server.url, newIndex()
				wanted = test.wanted
				o := newSink(t, test.o).Send(t.Context(), items(t, sinktest.Result(1)))[0]
				switch {
				case test.err == "" && o.State != sink.Delivered, test.err != "" && (o.State != sink.Retry || !strings.Contains(o.Err.Error(), test.err)):
					t.Errorf("%+v", o)
				case o.Err != nil && strings.Contains(o.Err.Error(), "hunter2"):
					t.Error(o.Err)
				}
			})
		}
		t.Run("a file that changes", func(t *testing.T) {
			file, authority := write("changing", "hunter2"), write("changing.pem", otherCA(t))
			s := newSink(t, elastic.Options{Address: server.url, Index: newIndex(), CAFile: authority, Username: "assay", PasswordFile: file})
			wanted = "Basic YXNzYXk6aHVudGVyMw==" // assay:hunter3
			for _, step := range []func(){func() {}, func() { write("changing.pem", server.ca) }, func() { write("changing", "hunter3") }} {
				step()
				if o := s.Send(t.Context(), items(t, sinktest.Result(1)))[0]; (o.State == sink.Delivered) != (readFile(t, file) == "hunter3") {
					t.Errorf("%+v", o)
				}
			}
		})
	})
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestTheTemplateIsTaken(t *testing.T) {
	onEach(t, func(t *testing.T, address, index string) {
		template, err := elastic.IndexTemplate(index)
		if err != nil {
			t.Fatal(err)
		}
		content, err := json.Marshal(template)
		if err != nil {
			t.Fatal(err)
		}
		call(t, http.MethodPut, address+"/_index_template/test-"+index, string(content), nil)
		call(t, http.MethodPut, address+"/"+index+"-2026.11", "", nil)
		if template, err = elastic.IndexTemplate(index + "-audit"); err != nil {
			t.Fatal(err)
		}
		if content, err = json.Marshal(template); err != nil {
			t.Fatal(err)
		}
		call(t, http.MethodPut, address+"/_index_template/test-"+index+"-audit", string(content), nil)
		if got := mapping(t, address, index+"-2026.11"); got["created_at"] != "date" {
			t.Errorf("%v", got)
		}
	})
}

package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/assay-gitops/assay/internal/hub/state"
)

func sum(token string) string {
	s := sha256.Sum256([]byte(token))
	return hex.EncodeToString(s[:])
}

// row of the matrix: an operation, how it is asked, and what each role is answered.
type row struct {
	// path is asked; {own} and {hidden} stand for ids of violations.
	path, body string
	want       map[string]int
}

// Roles of the matrix, by their tokens.
var roles = map[string]string{"anonymous": anonymous, "nobody": nobody, "tenant": tenant, "platform": platform, "agent": agent}

// ways are how each role can say who it is: by its token, and by the session of the same user, which has the same rights.
func ways(role string) []string {
	if role == "anonymous" || role == "agent" {
		return []string{"token"}
	}
	return []string{"token", "session"}
}

func forReaders() map[string]int {
	return map[string]int{"anonymous": 401, "nobody": 403, "tenant": 200, "platform": 200, "agent": 401}
}

// rows are of all operations, by their ids.
func rows() map[string][]row {
	anybody := func(status int) map[string]int {
		all := map[string]int{}
		for role := range roles {
			all[role] = status
		}
		return all
	}
	hidden := forReaders()
	hidden["tenant"] = 404
	// What belongs to no namespace is for those who may see all.
	whole := forReaders()
	whole["tenant"] = 403
	workspace := func(path string) []row {
		return []row{{path: "/v1/workspaces/shop-team" + path, want: forReaders()}, {path: "/v1/workspaces/" + foreign + "-team" + path, want: hidden}}
	}
	credentials := fmt.Sprintf(`{"name": "tenant", "password": %q}`, tenant)
	whoever := anybody(200)
	whoever["agent"] = 401 // its token is not one of a reader
	return map[string][]row{
		"get-session":                     {{path: sessionPath, want: whoever}},
		"begin-session":                   {{path: sessionPath, body: credentials, want: anybody(200)}, {path: sessionPath, body: `{"name": "tenant", "password": ""}`, want: anybody(401)}},
		"end-session":                     {{path: sessionPath, want: anybody(204)}},
		"list-policies":                   {{path: "/v1/policies", want: whole}},
		"get-policy":                      {{path: "/v1/policies/shop.replicas", want: whole}},
		"list-policy-sets":                {{path: "/v1/policy-sets", want: whole}},
		"list-policy-configs":             {{path: "/v1/policy-configs", want: whole}},
		"get-policy-config":               {{path: "/v1/policy-configs/shop", want: whole}},
		"get-parameters":                  {{path: "/v1/parameters?kind=Deployment", want: whole}},
		"list-exceptions":                 {{path: "/v1/exceptions", want: whole}},
		"ask-impact":                      {{path: "/v1/impact", body: `{"without": ["Policy/known"]}`, want: whole}},
		"list-policy-versions":            {{path: "/v1/policy-versions", want: whole}},
		"get-policy-version":              {{path: "/v1/policy-versions/" + knownVersion(), want: whole}},
		"list-audits":                     {{path: "/v1/audits", want: forReaders()}},
		"get-audit":                       {{path: "/v1/audits/here/pass-1", want: whole}},
		"list-standards":                  {{path: "/v1/standards", want: whole}},
		"list-workspaces":                 {{path: "/v1/workspaces", want: forReaders()}},
		"get-workspace":                   workspace(""),
		"list-workspace-service-accounts": workspace("/serviceaccounts"),
		"list-workspace-roles":            workspace("/roles"),
		"list-workspace-role-bindings":    workspace("/rolebindings"),
		"list-workspace-policies":         workspace("/policies"),
		"list-violations":                 {{path: "/v1/violations", want: forReaders()}},
		"follow-violations":               {{path: "/v1/violations/changes", want: forReaders()}},
		"get-violation":                   {{path: "/v1/violations/{own}", want: forReaders()}, {path: "/v1/violations/{hidden}", want: hidden}},
		"get-violation-history":           {{path: "/v1/violations/{own}/history", want: forReaders()}, {path: "/v1/violations/{hidden}/history", want: hidden}},
		"count-violations":                {{path: "/v1/facets", want: forReaders()}},
		"get-timeline":                    {{path: "/v1/timeline", want: forReaders()}},
		"list-applications":               {{path: "/v1/applications", want: forReaders()}},
		"get-summary":                     {{path: "/v1/summary", want: forReaders()}},
		"list-clusters":                   {{path: "/v1/clusters", want: forReaders()}},
		"export-violations":               {{path: "/v1/export?format=csv", want: forReaders()}, {path: "/v1/export?format=ndjson", want: forReaders()}},
		"list-policy-validations": {
			{path: oldPath, body: `{"validationType": "Audit"}`, want: forReaders()},
			{path: oldPath, body: `{"clusterName": "` + foreign + `-cluster", "validation_type": "Audit"}`, want: forReaders()},
		},
		"get-policy-validation": {{path: oldPath + "/{own}", want: forReaders()}, {path: oldPath + "/{hidden}", want: hidden}},
		"send-state": {{path: state.Path, body: `{"version": 1, "at": "2026-03-11T12:00:00Z", "objects": []}`, want: map[string]int{
			"anonymous": 401, "nobody": 401, "tenant": 401, "platform": 401, "agent": 200,
		}}},
		"send-results": {{path: "/v1/intake", body: batchJSON(resultJSON(`2026-11-26`, `2026-03-10`)), want: map[string]int{
			"anonymous": 401, "nobody": 401, "tenant": 401, "platform": 401, "agent": 200,
		}}},
		// What is not in the document and for anybody.
		"GET /openapi.json":  {{path: "/openapi.json", want: anybody(200)}},
		"GET /docs":          {{path: "/docs", want: anybody(200)}},
		"GET /auth/login":    {{path: "/auth/login?return_to=/x", want: anybody(403)}}, // there is no provider here
		"GET /auth/callback": {{path: "/auth/callback?code=x&state=y", want: anybody(403)}},
		"GET /healthz":       {{path: "/healthz", want: anybody(200)}},
		"GET /readyz":        {{path: "/readyz", want: anybody(200)}},
		"GET /metrics":       {{path: "/metrics", want: anybody(200)}},
		"GET /":              {{path: "/", want: anybody(404)}, {path: "/v1/../../etc", want: anybody(307)}, {path: "/etc", want: anybody(404)}},
	}
}

// document is the API's document, as it is served.
type served struct {
	Paths map[string]map[string]struct {
		OperationID string `json:"operationId"`
		Parameters  []struct {
			Name   string
			In     string
			Schema struct{ Enum []string }
		}
		Security  []map[string][]string
		Responses map[string]struct {
			Content map[string]struct{ Schema map[string]any }
		}
	}
}

func TestEveryRoleIsAnsweredWhatItMaySee(t *testing.T) {
	b := newBed(t)
	own, hidden := b.seed(t)
	text := b.get(t, anonymous, documentPath).body
	var document served
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	schemas := compiled(t, text)
	matrix := rows()
	for path, methods := range document.Paths {
		for method, operation := range methods {
			asked, ok := matrix[operation.OperationID]
			if !ok {
				t.Errorf("%s %s (%s) is in the document and not in the matrix", method, path, operation.OperationID)
				continue
			}
			delete(matrix, operation.OperationID)
			if len(operation.Security) == 0 {
				t.Errorf("%s %s: the document says that anybody may", method, path)
			}
			for _, row := range asked {
				for role, want := range row.want {
					for _, way := range ways(role) {
						t.Run(fmt.Sprintf("%s as %s by %s", row.path, role, way), func(t *testing.T) {
							got := b.ask(t, strings.ToUpper(method), role, way, row, own, hidden)
							if got.status != want {
								t.Fatalf("%d, want %d: %s", got.status, want, got.body)
							}
							response, ok := operation.Responses[fmt.Sprint(got.status)]
							if !ok {
								t.Fatalf("the document knows no answer %d", got.status)
							}
							if got.status == http.StatusNoContent {
								return
							}
							media, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
							content, ok := response.Content[media]
							if !ok {
								t.Fatalf("the document knows no %s for %d", media, got.status)
							}
							if ref, _ := content.Schema["$ref"].(string); ref != "" {
								schemas(t, ref, got.body)
							}
							if got.status >= 400 {
								got.problem(t)
							}
							if got.status == 401 && got.header.Get("WWW-Authenticate") == "" {
								t.Error("no WWW-Authenticate")
							}
						})
					}
				}
			}
			if method == "get" && !strings.Contains(path, "{") {
				t.Run(path+" with filters as tenant", func(t *testing.T) {
					for _, p := range operation.Parameters {
						if p.In != "query" || p.Schema.Enum != nil {
							continue
						}
						got := b.get(t, tenant, path+"?"+url.Values{p.Name: {foreign + "-cluster", foreign}}.Encode())
						if got.status == 200 && strings.Contains(got.body, foreign) {
							t.Errorf("%s: %s", p.Name, got.body)
						}
						if got.status >= 500 {
							t.Errorf("%s: %d %s", p.Name, got.status, got.body)
						}
					}
				})
			}
		}
	}
	for id, asked := range matrix {
		method, _, found := strings.Cut(id, " ")
		if !found {
			t.Errorf("%s is in the matrix and not in the document", id)
			continue
		}
		for _, row := range asked {
			for role, want := range row.want {
				if got := b.ask(t, method, role, "token", row, own, hidden); got.status != want {
					t.Errorf("%s as %s: %d, want %d", row.path, role, got.status, want)
				}
			}
		}
	}
	// The check above finds something: the platform sees it everywhere.
	for _, id := range slices.Sorted(maps.Keys(rows())) {
		for _, row := range rows()[id] {
			if row.want["tenant"] == 200 && row.want["nobody"] == 403 && !strings.Contains(row.path, "{own}") && !strings.Contains(row.path, "shop") && !strings.Contains(row.path, "timeline") && !strings.Contains(row.path, "changes") {
				method := "GET"
				if row.body != "" {
					method = "POST"
				}
				if got := b.ask(t, method, "platform", "session", row, own, hidden); !strings.Contains(got.body, foreign) {
					t.Errorf("%s: the platform does not see what is foreign to the tenant: %s", row.path, got.body)
				}
			}
		}
	}
}

// ask sends a row as a role, and looks for what must not be in the answer.
func (b *bed) ask(t *testing.T, method, role, way string, row row, own, hidden string) answer {
	t.Helper()
	path := strings.NewReplacer("{own}", own, "{hidden}", hidden).Replace(row.path)
	var headers []string
	if row.body != "" {
		headers = []string{"Content-Type", "application/json"}
	}
	token := roles[role]
	if way == "session" {
		headers, token = append(headers, "Cookie", b.signIn(t, token)), ""
	}
	got := b.send(t, method, token, path, row.body, headers...)
	if role != "platform" && strings.Contains(got.body+fmt.Sprint(got.header), foreign) {
		t.Errorf("%s as %s tells of what is foreign: %s", path, role, got.body)
	}
	if strings.Contains(b.log.String(), "token-of") {
		t.Error("a token is in the log")
	}
	return got
}

// compiled checks documents against a schema of the API's document.
func compiled(t *testing.T, document string) func(t *testing.T, ref, body string) {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("https://hub/openapi.json", parsed); err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, ref, body string) {
		t.Helper()
		schema, err := compiler.Compile("https://hub/openapi.json" + ref)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("the answer is not what the document says: %v\n%s", err, body)
		}
	}
}

func TestATenantCountsOnlyItsOwn(t *testing.T) {
	b := newBed(t)
	b.seed(t)
	summary := ask[Summary](t, b, tenant, "/v1/summary")
	if summary.Open != 1 || len(summary.Namespaces) != 1 || summary.Clusters[0] != (Count{"here", 1}) {
		t.Errorf("got %+v", summary)
	}
	all := ask[Summary](t, b, platform, "/v1/summary")
	if all.Open != 4 || len(all.Clusters) != 2 {
		t.Errorf("got %+v", all)
	}
	mine := Application{Kind: "Kustomization", Namespace: "flux-system", Name: "apps", Open: 1, Medium: 1}
	if own := ask[Applications](t, b, tenant, "/v1/applications"); len(own.Items) != 1 || own.Items[0] != mine {
		t.Errorf("got %+v", own)
	}
	apps := ask[Applications](t, b, platform, "/v1/applications").Items
	if len(apps) != 2 || apps[0] != (Application{Kind: "Kustomization", Namespace: foreign, Name: foreign, Open: 3, Medium: 3}) || apps[1] != mine {
		t.Errorf("got %+v", apps)
	}
	for _, filter := range []string{"severity=low&severity=high", "namespace=none"} {
		if none := ask[Applications](t, b, platform, "/v1/applications?"+filter); len(none.Items) != 0 {
			t.Errorf("%s: got %+v", filter, none)
		}
	}
	if got := b.get(t, platform, "/v1/applications?status=open&status=open"); got.status != http.StatusOK {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := b.get(t, platform, "/v1/applications?status=resolved"); got.status != http.StatusUnprocessableEntity {
		t.Errorf("got %d %s", got.status, got.body)
	}
	days := ask[Timeline](t, b, tenant, "/v1/timeline")
	var opened, denied, warned, resolved int
	for _, d := range days.Days {
		opened, denied, warned, resolved = opened+d.Opened, denied+d.Denied, warned+d.Warned, resolved+d.Resolved
	}
	if len(days.Days) != defaultDays || opened != 2 || denied != 1 || warned != 0 || resolved != 1 {
		t.Errorf("got %d days, %d opened, %d denied, %d warned, %d resolved", len(days.Days), opened, denied, warned, resolved)
	}
	if clusters := ask[Clusters](t, b, tenant, "/v1/clusters"); len(clusters.Items) != 1 || clusters.Items[0].Name != "here" {
		t.Errorf("got %+v", clusters)
	}
	if got := b.get(t, tenant, "/v1/violations?namespace="); got.status != http.StatusOK || strings.Contains(got.body, "ClusterRole") {
		t.Errorf("a tenant sees what is in no namespace: %s", got.body)
	}
}

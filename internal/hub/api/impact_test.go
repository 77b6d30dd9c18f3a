package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/gate/survey"
	"github.com/assay-gitops/assay/internal/hub/auth/authtest"
	"github.com/assay-gitops/assay/internal/hub/impact"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/policy"
)

// knownImpact stands for a cluster: what a comparison finds in a real one is tried in e2e.
type knownImpact struct{ after func(impact.Change) error }

func (k knownImpact) Impact(_ context.Context, change impact.Change) (*survey.Impact, error) {
	if k.after != nil {
		if err := k.after(change); err != nil {
			return nil, err
		}
	}
	p := &v2.Policy{}
	p.Spec.ID, p.Spec.Severity = "p", v2.SeverityHigh
	at := func(namespace, name string) *policy.Object {
		return &policy.Object{Content: map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"namespace": namespace, "name": name}}}
	}
	return &survey.Impact{
		Objects: 7,
		Changes: []survey.Change{
			{Policy: p, Object: at("shop", "web"), Before: survey.Warned, After: survey.Refused, Occurrences: []policy.Occurrence{{Message: "bad"}}},
			{Policy: p, Object: at(foreign+"-ns", foreign), Before: survey.Complies, After: survey.Warned},
			{Policy: p, Object: at("shop", "api"), Before: survey.Refused, After: survey.Excepted},
		},
		Problems: []policy.Problem{{Message: "may not list secrets"}},
	}, nil
}

func TestAnImpactIsToldAsFarAsItMayBeSeen(t *testing.T) {
	var got impact.Change
	var fails error
	b := newBed(t, func(o *Options) {
		o.Impacts = knownImpact{func(c impact.Change) error { got = c; return fails }}
	})
	post := func(token, body string) answer {
		t.Helper()
		return b.send(t, http.MethodPost, token, "/v1/impact", body, "Content-Type", "application/json")
	}
	const question = `{"objects": [{"apiVersion": "pac.weave.works/v2", "kind": "Policy", "metadata": {"name": "p"}, "spec": {"n": 2}}], "without": ["PolicyException/x"], "namespaces": ["shop"], "mode": "audit"}`
	answered := post(platform, question)
	var all Impact
	if err := json.Unmarshal([]byte(answered.body), &all); err != nil || answered.status != http.StatusOK {
		t.Fatal(answered, err)
	}
	if all.Objects != 7 || len(all.Worse) != 2 || len(all.Better) != 1 || all.Worse[0].Before != "warned" || all.Worse[0].Messages[0] != "bad" || len(all.Errors) != 1 {
		t.Errorf("got %+v", all)
	}
	n, _, err := unstructured.NestedFieldNoCopy(got.Objects[0].Content, "spec", "n")
	if err != nil || n != int64(2) || got.Without[0] != (survey.Ref{Kind: "PolicyException", Name: "x"}) || got.Mode != v2.ModeAudit || got.Namespaces[0] != "shop" {
		t.Errorf("asked %+v, %v", got, err)
	}
	b.cluster.Allow(
		authtest.Grant{Name: "tenant", Resource: "policies", Verbs: []string{"list"}},
		authtest.Grant{Name: "tenant", Verbs: []string{"list"}, Namespaces: []string{"shop"}},
		authtest.Grant{Name: "nobody", Resource: "policies", Verbs: []string{"list"}},
	)
	if answered := post(tenant, question); answered.status != http.StatusOK || strings.Contains(answered.body, foreign) || !strings.Contains(answered.body, "web") {
		t.Errorf("got %d %s", answered.status, answered.body)
	}
	if answered := post(nobody, question); answered.status != http.StatusForbidden || !strings.Contains(answered.problem(t), "violations") {
		t.Errorf("got %d %s", answered.status, answered.body)
	}
	for body, want := range map[string]string{
		`{}`:                                   "give objects or without",
		`{"without": ["x"]}`:                   "body.without[0]",
		`{"objects": [{}]}`:                    "body.objects[0]",
		`{"without": ["a/b"], "mode": "none"}`: "mode",
	} {
		if answered := post(tenant, body); answered.status != http.StatusUnprocessableEntity || !strings.Contains(answered.problem(t), want) {
			t.Errorf("%s: got %d %s", body, answered.status, answered.body)
		}
	}
	fails = &survey.UnknownRefError{Ref: survey.Ref{Kind: "Policy", Name: "none"}}
	if answered := post(tenant, question); answered.status != http.StatusUnprocessableEntity || !strings.Contains(answered.problem(t), "no Policy of the name none") {
		t.Errorf("got %d %s", answered.status, answered.body)
	}
	fails = errors.New("the secret address does not answer")
	if answered := post(tenant, question); answered.status != http.StatusServiceUnavailable || strings.Contains(answered.body, "secret") {
		t.Errorf("got %d %s", answered.status, answered.body)
	}
}

func TestAnImpactIsToldOfWhatWasSentToAdmission(t *testing.T) {
	var got []string
	b := newBed(t, func(o *Options) {
		o.Impacts = knownImpact{func(c impact.Change) error {
			got = nil
			if c.Past == nil {
				return nil
			}
			return c.Past(context.Background(), func(p *survey.PastObject) error {
				replicas, _, err := unstructured.NestedFieldNoCopy(p.Object.Content, "spec", "replicas")
				if _, whole := replicas.(int64); err != nil || replicas != nil && !whole {
					t.Errorf("%v is %T, %v", replicas, replicas, err)
				}
				got = append(got, fmt.Sprint(p.Object.Namespace(), "/", p.Object.Name(), " ", replicas, " ", p.Operation, " ", p.At.Sub(storetest.Start)))
				return nil
			})
		}}
	})
	sent := func(id, namespace, name string, replicas int, after time.Duration, policy string) *sink.Result {
		r := storetest.Result(id, storetest.Object("Deployment", namespace, name), storetest.Admission(true), storetest.After(after))
		r.Validation.Policy.ID, r.Operation = policy, "UPDATE"
		r.Validation.Entity.Manifest = map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"namespace": namespace, "name": name}, "spec": map[string]any{"replicas": replicas},
		}
		return r
	}
	b.add(t, "here",
		sent("1", "shop", "web", 1, time.Hour, "a"), sent("2", "shop", "web", 2, 2*time.Hour, "b"), sent("3", "other", "web", 3, 3*time.Hour, "a"),
		sent("4", "shop", "old", 4, -60*24*time.Hour, "a"), storetest.Result("5", storetest.Object("Deployment", "shop", "audited"), storetest.After(time.Hour)),
	)
	b.add(t, "elsewhere", sent("6", "shop", "far", 6, time.Hour, "a"))
	for question, want := range map[string][]string{
		`{"without": ["a/b"]}`:                                       nil,
		`{"without": ["a/b"], "days": 7}`:                            {"other/web 3 UPDATE 3h0m0s", "shop/web 2 UPDATE 2h0m0s"},
		`{"without": ["a/b"], "days": 7, "namespaces": ["shop"]}`:    {"shop/web 2 UPDATE 2h0m0s"},
		`{"without": ["a/b"], "days": 90, "namespaces": ["shop"]}`:   {"shop/web 2 UPDATE 2h0m0s", "shop/old 4 UPDATE -1440h0m0s"},
		`{"without": ["a/b"], "days": 7, "namespaces": ["nowhere"]}`: nil,
	} {
		answered := b.send(t, http.MethodPost, platform, "/v1/impact", question, "Content-Type", "application/json")
		if answered.status != http.StatusOK || !slices.Equal(got, want) {
			t.Errorf("%s: %d, %q, want %q", question, answered.status, got, want)
		}
	}
	// Whoever may see less is told of less.
	b.cluster.Allow(authtest.Grant{Name: "tenant", Resource: "policies", Verbs: []string{"list"}}, authtest.Grant{Name: "tenant", Verbs: []string{"list"}, Namespaces: []string{"shop"}})
	if answered := b.send(t, http.MethodPost, tenant, "/v1/impact", `{"without": ["a/b"], "days": 7}`, "Content-Type", "application/json"); answered.status != http.StatusOK || len(got) != 1 {
		t.Errorf("%d %s: %q", answered.status, answered.body, got)
	}
	if answered := b.send(t, http.MethodPost, platform, "/v1/impact", `{"without": ["a/b"], "days": 91}`, "Content-Type", "application/json"); answered.status != http.StatusUnprocessableEntity {
		t.Errorf("%d %s", answered.status, answered.body)
	}
}

func FuzzImpactQuestion(f *testing.F) {
	for _, body := range []string{
		`{"without": ["Policy/known"]}`, `{"without": ["/"], "days": 1.0}`, `{"objects": [{"apiVersion": "pac.weave.works/v2", "kind": "Policy", "metadata": {"name": "x"}}]}`,
		`{"objects": [{"apiVersion": "pac.weave.works/v2", "kind": "Policy", "metadata": {"name": ["x"]}}, null, {"metadata": 1e400}]}`, `{"mode": null}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var question ImpactQuestion
		if json.Unmarshal([]byte(body), &question) != nil {
			return
		}
		change, err := question.change()
		if err == nil && len(change.Objects)+len(change.Without) == 0 {
			t.Errorf("nothing would change by %s", body)
		}
		for _, o := range change.Objects {
			if o.Name() == "" {
				t.Errorf("an object without a name in %s", body)
			}
		}
	})
}

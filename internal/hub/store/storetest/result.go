package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/policy"
)

// Start is the time of the results of Result.
var Start = time.Date(2026, 3, 10, 12, 0, 0, 123456789, time.UTC)

// Result is a violation that audit found, of the policy "replicas" by the Deployment "shop/web", changed by what is given.
func Result(id string, changes ...func(*sink.Result)) *sink.Result {
	r := &sink.Result{
		Version: 1, Gate: sink.Audit, Life: sink.Opened, Workspace: "team-shop", Pass: "pass-1",
		App: &sink.App{Kind: "Kustomization", Name: "apps", Namespace: "flux-system", Revision: "main@sha1:1"},
		Validation: weave.PolicyValidation{
			ID: id, AccountID: "account", ClusterID: "cluster-uid", Status: weave.StatusViolation,
			Policy: weave.Policy{
				ID: "replicas", Name: "Minimum Replica Count", Category: "reliability", Severity: "medium", Code: "package replicas",
				Standards: []weave.Standard{{ID: "soc2", Controls: []string{"1.1", "1.2"}}, {ID: "cis", Controls: []string{"5"}}},
			},
			Entity: weave.Entity{
				ID: "uid-1", Name: "web", APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop",
				Manifest: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web", "namespace": "shop"}},
			},
			Message: "Minimum Replica Count in deployment web (1 occurrences)", Source: weave.SourceAudit, Trigger: weave.TriggerPeriodicAudit,
			Occurrences: []weave.Occurrence{{Message: "too few replicas"}}, CreatedAt: Start,
		},
	}
	for _, change := range changes {
		change(r)
	}
	return r
}

// After is a result that much later than Start.
func After(d time.Duration) func(*sink.Result) {
	return func(r *sink.Result) { r.Validation.CreatedAt = Start.Add(d) }
}

// Life is a result of audit with that life. One that is resolved complies.
func Life(life sink.Life, resolution string) func(*sink.Result) {
	return func(r *sink.Result) {
		r.Life, r.Resolution = life, resolution
		if life == sink.Resolved {
			r.Validation.Status, r.Validation.Enforced = weave.StatusCompliance, false
			r.Validation.Message = "resolved (" + resolution + ")"
		}
	}
}

// Admission is a result of admission that refuses or warns.
func Admission(enforced bool) func(*sink.Result) {
	return func(r *sink.Result) {
		r.Gate, r.Life, r.Pass, r.Operation, r.User = sink.Admission, "", "", policy.Update, "jane"
		r.Validation.Enforced, r.Validation.Source, r.Validation.Trigger = enforced, weave.SourceAdmission, "UPDATE"
	}
}

// Status is a result with that status.
func Status(status string) func(*sink.Result) {
	return func(r *sink.Result) { r.Validation.Status = status }
}

// Accepted is a result that an exception accepts.
func Accepted(by string) func(*sink.Result) {
	return func(r *sink.Result) {
		r.Validation.Status, r.Exception = weave.StatusExcepted, &sink.Exception{Name: by, Reason: "it is known"}
	}
}

// Object is a result about another object.
func Object(kind, namespace, name string) func(*sink.Result) {
	return func(r *sink.Result) {
		r.Validation.Entity.Kind, r.Validation.Entity.Namespace, r.Validation.Entity.Name = kind, namespace, name
		r.Validation.Message = fmt.Sprintf("%s in %s %s (1 occurrences)", r.Validation.Policy.Name, kind, name)
	}
}

// Policy is a result of another policy.
func Policy(id, name, category, severity string, standards ...weave.Standard) func(*sink.Result) {
	return func(r *sink.Result) {
		p := &r.Validation.Policy
		p.ID, p.Name, p.Category, p.Severity, p.Standards = id, name, category, severity, standards
		r.Validation.Message = fmt.Sprintf("%s in %s %s (1 occurrences)", name, r.Validation.Entity.Kind, r.Validation.Entity.Name)
	}
}

// IDOf is the ID of the violation that a result of a cluster is about.
func IDOf(cluster string, r *sink.Result) string {
	return store.ID(cluster, r.Gate, r.Validation.Policy.ID, &r.Validation.Entity)
}

var everything = store.Scope{All: true}

// add adds results of a cluster and checks how many were new.
func add(t testing.TB, s store.Store, cluster string, want int, results ...*sink.Result) {
	t.Helper()
	got, err := s.Add(context.Background(), cluster, results)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("%d results were new, want %d", got, want)
	}
}

// violation is the one that a result is about.
func violation(t testing.TB, s store.Store, cluster string, r *sink.Result) *store.Violation {
	t.Helper()
	v, err := s.Violation(context.Background(), everything, IDOf(cluster, r))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// list is all that a query means, by pages.
func list(t testing.TB, s store.Store, q store.Query, page store.Page) []store.Violation {
	t.Helper()
	var all []store.Violation
	for {
		got, err := s.Violations(context.Background(), q, page)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, got.Items...)
		if got.Next == "" {
			return all
		}
		if len(got.Items) != page.Limit {
			t.Fatalf("a page of %d with %d, and one after it", page.Limit, len(got.Items))
		}
		page.Cursor = got.Next
	}
}

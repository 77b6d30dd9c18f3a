package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/assay-gitops/assay/internal/gate/audit"
	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/store"
)

// Audit is a full audit of a cluster: every object of every kind that a policy targets was looked at.
type Audit struct {
	ClusterName string     `json:"clusterName"`
	ID          string     `json:"id" doc:"Results that it found have it as pass."`
	Trigger     string     `json:"trigger" doc:"What it was made for: initial-audit, periodic-audit or requested-audit."`
	Request     string     `json:"request,omitempty" doc:"What was asked for, when it was."`
	Start       time.Time  `json:"start"`
	End         *time.Time `json:"end,omitempty" doc:"Not there while it goes on, or when nobody told of its end."`
	Failures    int        `json:"failures" doc:"How many things it could not look at."`
}

// Audits are the last ones.
type Audits struct {
	Items []Audit `json:"items" nullable:"false" doc:"Those that started last first."`
}

// OneAudit is an audit with what it counted.
type OneAudit struct {
	Audit
	Kinds    []AuditedKind   `json:"kinds" nullable:"false" doc:"By resource."`
	Policies []AuditedPolicy `json:"policies" nullable:"false" doc:"Those with violations or errors, by id."`
	Errors   []string        `json:"errors" nullable:"false" doc:"Why something was not looked at; not all when there are many."`
}

// AuditedKind is what an audit met in a kind.
type AuditedKind struct {
	Resource string `json:"resource" example:"deployments.apps"`
	Objects  int    `json:"objects" doc:"That are there, exempt ones among them."`
	Exempt   int    `json:"exempt" doc:"That are not judged."`
	Judged   int    `json:"judged" doc:"Pairs of an object and a policy that were judged."`
	Known    int    `json:"known" doc:"Pairs that were judged before, with nothing changed since."`
	Open     int    `json:"open" doc:"Findings."`
	Failed   int    `json:"failed" doc:"Pairs that could not be judged."`
}

// AuditedPolicy is what an audit found of a policy.
type AuditedPolicy struct {
	ID     string `json:"id"`
	Open   int    `json:"open"`
	Failed int    `json:"failed"`
}

type auditsInput struct {
	Cluster []string `query:"cluster,explode" maxItems:"100" doc:"Clusters."`
	Limit   int      `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
}

type auditInput struct {
	ClusterName string `path:"cluster" maxLength:"253" doc:"The cluster."`
	ID          string `path:"id" maxLength:"200" doc:"The audit's id."`
}

type (
	auditsOutput struct{ Body Audits }
	auditOutput  struct{ Body OneAudit }
)

func (s *service) registerAudits() {
	huma.Register(s.api, s.forReaders(auth.List, reading("list-audits", "/v1/audits", "Violations", "Lists full audits",
		"The last ones of each cluster of which you may see something.")), s.listAudits)
	one := reading("get-audit", "/v1/audits/{cluster}/{id}", "Violations", "Shows a full audit", "With what it counted, which is for those who may see all of the cluster.")
	huma.Register(s.api, s.forReaders(auth.Get, one), s.oneAudit)
}

func (s *service) listAudits(ctx context.Context, in *auditsInput) (*auditsOutput, error) {
	out := &auditsOutput{Body: Audits{Items: []Audit{}}}
	clusters, scope := in.Cluster, scopeOf(ctx)
	if !scope.All {
		seen := slices.Concat(scope.Clusters, slices.Collect(maps.Keys(scope.Namespaces)))
		clusters = slices.DeleteFunc(seen, func(cluster string) bool { return len(in.Cluster) > 0 && !slices.Contains(in.Cluster, cluster) })
		if len(clusters) == 0 { // none would be all
			return out, nil
		}
	}
	found, err := s.store.Passes(ctx, clusters, in.Limit)
	if err != nil {
		return nil, s.problem(ctx, "listing audits", err)
	}
	for i := range found {
		out.Body.Items = append(out.Body.Items, shownAudit(&found[i]))
	}
	return out, nil
}

func (s *service) oneAudit(ctx context.Context, in *auditInput) (*auditOutput, error) {
	scope := scopeOf(ctx)
	if !scope.All && !slices.Contains(scope.Clusters, in.ClusterName) {
		return nil, huma.Error403Forbidden("what an audit counted is of a whole cluster: it needs the right to get violations in all namespaces")
	}
	found, err := s.store.Pass(ctx, in.ClusterName, in.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, huma.Error404NotFound("the audit is not found; audits are forgotten some time after they started")
	}
	if err != nil {
		return nil, s.problem(ctx, "reading an audit", err)
	}
	out := &auditOutput{Body: OneAudit{Audit: shownAudit(found), Kinds: []AuditedKind{}, Policies: []AuditedPolicy{}}}
	var pass audit.Pass
	if err := json.Unmarshal(found.Detail, &pass); err != nil {
		return nil, s.problem(ctx, "decoding an audit", err)
	}
	out.Body.Errors = orEmpty(pass.Errors)
	for resource, k := range pass.Kinds {
		out.Body.Kinds = append(out.Body.Kinds, AuditedKind{resource, k.Objects, k.Exempt, k.Judged, k.Known, k.Open, k.Failed})
	}
	for id, p := range pass.Policies {
		out.Body.Policies = append(out.Body.Policies, AuditedPolicy{id, p.Open, p.Failed})
	}
	slices.SortFunc(out.Body.Kinds, func(a, b AuditedKind) int { return cmp.Compare(a.Resource, b.Resource) })
	slices.SortFunc(out.Body.Policies, func(a, b AuditedPolicy) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

func shownAudit(p *store.Pass) Audit {
	return Audit{ClusterName: p.Cluster, ID: p.ID, Trigger: p.Trigger, Request: p.Request, Start: p.Start.UTC(), End: orNone(p.End), Failures: p.Failures}
}

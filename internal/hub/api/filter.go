package api

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/sink"
)

// Filter is what all lists and counts take. Each value of a list is a parameter of its own: ?kind=Pod&kind=Job. What huma cannot tell apart,
// a parameter that is empty and one that is not there, Resolve looks for itself.
type Filter struct {
	Cluster   []string  `query:"cluster,explode" maxItems:"100" doc:"Clusters."`
	Namespace []string  `query:"namespace,explode" maxItems:"100" doc:"Namespaces. An empty one means objects that are in none."`
	Workspace []string  `query:"workspace,explode" maxItems:"100" doc:"Workspaces: the tenants that namespaces belong to."`
	App       []string  `query:"app,explode" maxItems:"100" doc:"Flux objects that apply the objects." example:"Kustomization/flux-system/shop"`
	Kind      []string  `query:"kind,explode" maxItems:"100" doc:"Kinds of objects." example:"Deployment"`
	Name      []string  `query:"name,explode" maxItems:"100" doc:"Names of objects."`
	Policy    []string  `query:"policy,explode" maxItems:"100" doc:"Ids of policies." example:"weave.policies.minimum-replicas"`
	Category  []string  `query:"category,explode" maxItems:"100" doc:"Categories of policies."`
	Severity  []string  `query:"severity,explode" maxItems:"100" enum:"low,medium,high" doc:"Severities of policies."`
	Standard  []string  `query:"standard,explode" maxItems:"100" doc:"Ids of standards."`
	Control   []string  `query:"control,explode" maxItems:"100" doc:"Controls, with the id of their standard." example:"weave.standards.soc2/weave.controls.soc2.1"`
	Gate      []string  `query:"gate,explode" maxItems:"100" enum:"admission,audit,terraform" doc:"Gates that found it."`
	Status    []string  `query:"status,explode" maxItems:"100" enum:"open,resolved,excepted" doc:"Statuses of violations."`
	Exception []string  `query:"exception,explode" maxItems:"100" doc:"Names of the PolicyExceptions that accept them. An empty one means those that none accepts."`
	Enforced  string    `query:"enforced" enum:"true,false" doc:"Whether the policy refuses rather than warns."`
	From      time.Time `query:"from" doc:"Last seen at this time or later." example:"2026-11-01T00:00:00Z"`
	To        time.Time `query:"to" doc:"Last seen before this time."`
	FirstFrom time.Time `query:"firstFrom" doc:"First seen at this time or later." example:"2026-11-01T00:00:00Z"`
	FirstTo   time.Time `query:"firstTo" doc:"First seen before this time."`
	Text      string    `query:"text" maxLength:"200" doc:"Found, in any case, in the message, the names of object and policy, or the policy's id."`
}

// Resolve looks at what the fields' tags cannot say.
func (f *Filter) Resolve(ctx huma.Context) []error {
	asked := ctx.URL()
	values := asked.Query()
	if values.Has("namespace") {
		f.Namespace = values["namespace"]
	}
	if values.Has("exception") {
		f.Exception = values["exception"]
	}
	var faults []error
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		faults = append(faults, &huma.ErrorDetail{Location: "query.to", Message: "it is not after from", Value: f.To})
	}
	if !f.FirstFrom.IsZero() && !f.FirstTo.IsZero() && !f.FirstFrom.Before(f.FirstTo) {
		faults = append(faults, &huma.ErrorDetail{Location: "query.firstTo", Message: "it is not after firstFrom", Value: f.FirstTo})
	}
	return faults
}

// query is what the filter means to who may see the scope.
func (f *Filter) query(scope store.Scope) store.Query {
	q := store.Query{
		Scope:    scope,
		Clusters: f.Cluster, Namespaces: f.Namespace, Workspaces: f.Workspace, Apps: f.App, Kinds: f.Kind, Names: f.Name,
		Policies: f.Policy, Categories: f.Category, Severities: f.Severity, Standards: f.Standard, Controls: f.Control,
		Exceptions: f.Exception, From: f.From, To: f.To, FirstFrom: f.FirstFrom, FirstTo: f.FirstTo, Text: f.Text,
	}
	for _, gate := range f.Gate {
		q.Gates = append(q.Gates, sink.Gate(gate))
	}
	for _, status := range f.Status {
		q.Statuses = append(q.Statuses, store.Status(status))
	}
	if f.Enforced != "" {
		enforced := f.Enforced == "true"
		q.Enforced = &enforced
	}
	return q
}

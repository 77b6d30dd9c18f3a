package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/sink"
)

const violationsPath = "/v1/violations"

// Violation is what is known of an object that violates a policy.
type Violation struct {
	ID         string    `json:"id" doc:"Follows from cluster, gate, policy and object."`
	Cluster    string    `json:"cluster"`
	Gate       string    `json:"gate" enum:"admission,audit,terraform" doc:"What judged."`
	Status     string    `json:"status" enum:"open,resolved,excepted"`
	Resolution string    `json:"resolution,omitempty" doc:"Why it is resolved, or which exception accepts it."`
	Enforced   bool      `json:"enforced" doc:"Whether the policy refuses rather than warns."`
	Policy     Policy    `json:"policy"`
	Object     Object    `json:"object"`
	Workspace  string    `json:"workspace,omitempty" doc:"The tenant that the object's namespace belongs to."`
	App        *Flux     `json:"app,omitempty" doc:"The Flux object that applies the object."`
	Message    string    `json:"message"`
	FirstSeen  time.Time `json:"firstSeen"`
	LastSeen   time.Time `json:"lastSeen"`
	Count      int       `json:"count" doc:"Results about it, without those that say that nothing changed."`
}

// Policy that is violated.
type Policy struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Category  string     `json:"category"`
	Severity  string     `json:"severity"`
	Standards []Standard `json:"standards" nullable:"false"`
}

// Standard that a policy helps to fulfil.
type Standard struct {
	ID       string   `json:"id"`
	Controls []string `json:"controls" nullable:"false"`
}

// Object that violates a policy.
type Object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace" doc:"Empty for objects that are in none."`
	Name       string `json:"name"`
}

// Flux object.
type Flux struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Revision  string `json:"revision,omitempty" doc:"The source revision that was applied, as far as it is known."`
}

// Violations is a page of a list.
type Violations struct {
	Items []Violation `json:"items" nullable:"false"`
	Next  string      `json:"next,omitempty" doc:"The cursor of the next page; not there on the last one."`
}

// OneViolation is a violation with its newest result.
type OneViolation struct {
	Violation
	Occurrences []Occurrence   `json:"occurrences" nullable:"false" doc:"What is wrong with the object, one by one."`
	Parameters  []Parameter    `json:"parameters" nullable:"false" doc:"The policy's parameters as they were."`
	Manifest    map[string]any `json:"manifest" doc:"The object as it was judged. Of a Secret the values are hidden."`
	Document    *sink.Result   `json:"document" doc:"The newest result, as sinks send it."`
}

// Occurrence is one thing that is wrong with an object.
type Occurrence struct {
	Message          string `json:"message"`
	ViolatingKey     string `json:"violating_key,omitempty" doc:"The path of the field."`
	RecommendedValue any    `json:"recommended_value,omitempty"`
}

// Parameter of a policy.
type Parameter struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	Value     any    `json:"value"`
	Required  bool   `json:"required"`
	ConfigRef string `json:"config_ref,omitempty" doc:"The PolicyConfig that set the value."`
}

// Event is one result in the history of a violation.
type Event struct {
	ResultID   string    `json:"resultId"`
	Time       time.Time `json:"time"`
	Life       string    `json:"life,omitempty" enum:"opened,unchanged,changed,resolved" doc:"What became of the finding, of audit."`
	Status     string    `json:"status" enum:"open,resolved,excepted"`
	Resolution string    `json:"resolution,omitempty"`
	Enforced   bool      `json:"enforced"`
	Operation  string    `json:"operation,omitempty" doc:"The request at admission, such as CREATE."`
	User       string    `json:"user,omitempty" doc:"Who sent the request, at admission."`
	Message    string    `json:"message"`
	Revision   string    `json:"revision,omitempty" doc:"The source revision that Flux applied."`
	Pass       string    `json:"pass,omitempty" doc:"The full audit that the result belongs to."`
}

// History of a violation.
type History struct {
	Items []Event `json:"items" nullable:"false" doc:"The newest first."`
}

type listInput struct {
	Filter
	Order     string `query:"order" enum:"lastSeen,firstSeen,severity,policy,object" default:"lastSeen" doc:"What the list is sorted by: the newest and the most severe first, names from A to Z."`
	Ascending string `query:"ascending" enum:"true,false" default:"false" doc:"Turns the order around: the oldest and the least severe first, names from Z to A."`
	Limit     int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
	Cursor    string `query:"cursor" maxLength:"2000" doc:"next of the page before. Filters and order must be the same."`

	// asked is the query of this page, which that of the next one is made from.
	asked url.URL
}

// Resolve keeps what was asked.
func (i *listInput) Resolve(ctx huma.Context) []error {
	i.asked = ctx.URL()
	return i.Filter.Resolve(ctx)
}

type listOutput struct {
	Link string `header:"Link" doc:"The next page, as rel=next."`
	Body Violations
}

type oneInput struct {
	ID string `path:"id" maxLength:"200" doc:"The violation's id."`
}

type historyInput struct {
	ID    string `path:"id" maxLength:"200" doc:"The violation's id."`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
}

func (s *service) registerViolations() {
	huma.Register(s.api, s.forReaders(auth.List, huma.Operation{
		OperationID: "list-violations", Method: http.MethodGet, Path: violationsPath, Tags: []string{"Violations"},
		Summary: "Lists violations", Description: "A page of those that you may see and the filters mean. More than one value of a filter means any of them.",
	}), s.list)
	huma.Register(s.api, s.forReaders(auth.Get, huma.Operation{
		OperationID: "get-violation", Method: http.MethodGet, Path: violationsPath + "/{id}", Tags: []string{"Violations"},
		Summary: "Shows a violation", Description: "With its newest result: what exactly is wrong, the parameters, and the object.",
		Errors: []int{http.StatusNotFound},
	}), s.one)
	huma.Register(s.api, s.forReaders(auth.Get, huma.Operation{
		OperationID: "get-violation-history", Method: http.MethodGet, Path: violationsPath + "/{id}/history", Tags: []string{"Violations"},
		Summary: "Tells the history of a violation", Description: "Its results, the newest first.",
		Errors: []int{http.StatusNotFound},
	}), s.history)
}

func (s *service) list(ctx context.Context, in *listInput) (*listOutput, error) {
	found, err := s.store.Violations(ctx, in.query(scopeOf(ctx)), store.Page{
		Order: store.Order(in.Order), Ascending: in.Ascending == "true", Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, s.problem(ctx, "listing violations", err)
	}
	out := &listOutput{Body: Violations{Items: make([]Violation, 0, len(found.Items)), Next: found.Next}}
	for i := range found.Items {
		out.Body.Items = append(out.Body.Items, shown(&found.Items[i]))
	}
	if found.Next != "" {
		query := in.asked.Query()
		query.Set("cursor", found.Next)
		out.Link = "<" + violationsPath + "?" + query.Encode() + `>; rel="next"`
	}
	return out, nil
}

type oneOutput struct{ Body OneViolation }

func (s *service) one(ctx context.Context, in *oneInput) (*oneOutput, error) {
	found, err := s.store.Violation(ctx, scopeOf(ctx), in.ID)
	if err != nil {
		return nil, s.problem(ctx, "reading a violation", err)
	}
	out := &oneOutput{Body: OneViolation{
		Violation: shown(found), Occurrences: []Occurrence{}, Parameters: []Parameter{}, Manifest: map[string]any{}, Document: found.Document,
	}}
	if found.Document == nil {
		return out, nil
	}
	document := &found.Document.Validation
	for _, o := range document.Occurrences {
		occurrence := Occurrence{Message: o.Message, RecommendedValue: o.RecommendedValue}
		if o.ViolatingKey != nil {
			occurrence.ViolatingKey = *o.ViolatingKey
		}
		out.Body.Occurrences = append(out.Body.Occurrences, occurrence)
	}
	for _, p := range document.Policy.Parameters {
		out.Body.Parameters = append(out.Body.Parameters, Parameter(p))
	}
	if document.Entity.Manifest != nil {
		out.Body.Manifest = document.Entity.Manifest
	}
	return out, nil
}

type historyOutput struct{ Body History }

func (s *service) history(ctx context.Context, in *historyInput) (*historyOutput, error) {
	events, err := s.store.History(ctx, scopeOf(ctx), in.ID, in.Limit)
	if err != nil {
		return nil, s.problem(ctx, "reading the history of a violation", err)
	}
	out := &historyOutput{Body: History{Items: make([]Event, 0, len(events))}}
	for _, e := range events {
		out.Body.Items = append(out.Body.Items, Event{
			ResultID: e.ResultID, Time: e.Time.UTC(), Life: string(e.Life), Status: string(e.Status), Resolution: e.Resolution, Enforced: e.Enforced,
			Operation: e.Operation, User: e.User, Message: e.Message, Revision: e.Revision, Pass: e.Pass,
		})
	}
	return out, nil
}

// shown is a violation as the API shows it.
func shown(v *store.Violation) Violation {
	standards := make([]Standard, 0, len(v.Standards))
	for _, standard := range v.Standards {
		standards = append(standards, Standard{standard.ID, append([]string{}, standard.Controls...)})
	}
	out := Violation{
		ID: v.ID, Cluster: v.Cluster, Gate: string(v.Gate), Status: string(v.Status), Resolution: v.Resolution, Enforced: v.Enforced,
		Policy:    Policy{v.PolicyID, v.PolicyName, v.Category, v.Severity, standards},
		Object:    Object{v.APIVersion, v.Kind, v.Namespace, v.Name},
		Workspace: v.Workspace, Message: v.Message, FirstSeen: v.FirstSeen.UTC(), LastSeen: v.LastSeen.UTC(), Count: v.Count,
	}
	if v.App != nil {
		out.App = &Flux{v.App.Kind, v.App.Namespace, v.App.Name, v.App.Revision}
	}
	return out
}

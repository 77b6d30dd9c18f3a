package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
)

const (
	oldPath = "/v1/policyvalidations"
	// oldPage is how many violations there are on a page when a client does not say, and at most. The service that was there before gave all.
	oldPage = 1000
	// maxOldBody bounds a question, which is a few names.
	maxOldBody = 64 << 10
	// maxApps is how many applications of one name are looked through.
	maxApps = 1000
)

// OldQuestion is what clients of Weave GitOps' core service ask for. Each name may be written either way, as in that service.
type OldQuestion struct {
	ClusterName     string   `json:"clusterName,omitempty" maxLength:"253" doc:"All clusters when it is not given."`
	ClusterName2    string   `json:"cluster_name,omitempty" maxLength:"253"`
	Pagination      *OldPage `json:"pagination,omitempty"`
	Application     string   `json:"application,omitempty" maxLength:"253" doc:"Name of the Flux object that applies the objects, or of the object, as kind says."`
	Namespace       string   `json:"namespace,omitempty" maxLength:"253" doc:"Of the application when there is one, of the object otherwise."`
	Kind            string   `json:"kind,omitempty" maxLength:"253" doc:"Of the application or the object."`
	PolicyID        string   `json:"policyId,omitempty" maxLength:"253"`
	PolicyID2       string   `json:"policy_id,omitempty" maxLength:"253"`
	ValidationType  string   `json:"validationType,omitempty" enum:"Admission,Audit,TFAdmission," doc:"Admission when it is not given."`
	ValidationType2 string   `json:"validation_type,omitempty" enum:"Admission,Audit,TFAdmission,"`
	_               struct{} `additionalProperties:"false"`
}

// OldPage is which part of a list is wanted.
type OldPage struct {
	PageSize   wholeNumber `json:"pageSize,omitempty" minimum:"0" maximum:"2147483647" doc:"1000 at most, and when it is not given."`
	PageSize2  wholeNumber `json:"page_size,omitempty" minimum:"0" maximum:"2147483647"`
	PageToken  string      `json:"pageToken,omitempty" maxLength:"2000" doc:"nextPageToken of the page before."`
	PageToken2 string      `json:"page_token,omitempty" maxLength:"2000"`
	_          struct{}    `additionalProperties:"false"`
}

// wholeNumber is a number that some write as 5.0.
type wholeNumber int32

// UnmarshalJSON takes any number that is a whole one: it was checked that it is.
func (s *wholeNumber) UnmarshalJSON(text []byte) error {
	var number float64
	if err := json.Unmarshal(text, &number); err != nil {
		return fmt.Errorf("reading a whole number: %w", err)
	}
	*s = wholeNumber(number)
	return nil
}

// OldViolation is a violation as those clients know it. In a list, what takes the whole result is empty.
type OldViolation struct {
	ID              string          `json:"id" doc:"Of the violation; it stays the same when it is seen again."`
	Message         string          `json:"message"`
	ClusterID       string          `json:"clusterId" doc:"Not in lists."`
	Category        string          `json:"category"`
	Severity        string          `json:"severity"`
	CreatedAt       string          `json:"createdAt" format:"date-time" doc:"When it was last seen."`
	Entity          string          `json:"entity" doc:"Name of the object."`
	EntityKind      string          `json:"entityKind"`
	Namespace       string          `json:"namespace"`
	ViolatingEntity string          `json:"violatingEntity" doc:"The object, as JSON. Not in lists."`
	Description     string          `json:"description" doc:"Not in lists."`
	HowToSolve      string          `json:"howToSolve" doc:"Not in lists."`
	Name            string          `json:"name" doc:"Of the policy."`
	ClusterName     string          `json:"clusterName"`
	Occurrences     []OldOccurrence `json:"occurrences" nullable:"false" doc:"Not in lists."`
	PolicyID        string          `json:"policyId"`
	Parameters      []OldParameter  `json:"parameters" nullable:"false" doc:"Not in lists."`
}

// OldOccurrence is one thing that is wrong with an object.
type OldOccurrence struct {
	Message string `json:"message"`
}

// OldParameter is a parameter of a policy.
type OldParameter struct {
	Name      string  `json:"name"`
	Type      string  `json:"type"`
	Value     *OldAny `json:"value" doc:"null when there is none."`
	Required  bool    `json:"required"`
	ConfigRef string  `json:"configRef"`
}

// OldAny is a value with the name of its type.
type OldAny struct {
	Type  string `json:"@type"`
	Value any    `json:"value"`
}

// OldList is a page of violations.
type OldList struct {
	Violations    []OldViolation `json:"violations" nullable:"false" doc:"The last seen first."`
	Total         int            `json:"total" doc:"How many there are on all pages."`
	NextPageToken string         `json:"nextPageToken" doc:"Empty on the last page."`
	Errors        []ListError    `json:"errors" nullable:"false" doc:"Always empty: what the hub has it can read, or the answer is a problem."`
}

// OldOne is a violation.
type OldOne struct {
	Validation OldViolation `json:"validation"`
}

type oldListInput struct {
	// Body may be left out, as it may be of the service before.
	Body *OldQuestion
}

type oldOneInput struct {
	ID              string `path:"id" maxLength:"200" doc:"The violation's id."`
	ClusterName     string `query:"clusterName" maxLength:"253" doc:"Its cluster; it need not be given."`
	ClusterName2    string `query:"cluster_name" maxLength:"253" doc:"The same."`
	ValidationType  string `query:"validationType" enum:"Admission,Audit,TFAdmission," doc:"Its gate; it need not be given."`
	ValidationType2 string `query:"validation_type" enum:"Admission,Audit,TFAdmission," doc:"The same."`
}

type (
	oldListOutput struct{ Body OldList }
	oldOneOutput  struct{ Body OldOne }
)

// registerOld serves the paths of Weave GitOps' core service for violations.
func (s *service) registerOld() {
	huma.Register(s.api, s.forReaders(auth.List, huma.Operation{
		OperationID: "list-policy-validations", Method: http.MethodPost, Path: oldPath, Tags: []string{"Old clients"}, Deprecated: true,
		Summary: "Lists violations for old clients", Description: "As Weave GitOps' core service did. What is new should ask " + violationsPath + ".",
		MaxBodyBytes: maxOldBody, Errors: []int{http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType},
	}), s.listOld)
	huma.Register(s.api, s.forReaders(auth.Get, huma.Operation{
		OperationID: "get-policy-validation", Method: http.MethodGet, Path: oldPath + "/{id}", Tags: []string{"Old clients"}, Deprecated: true,
		Summary: "Shows a violation to old clients", Description: "As Weave GitOps' core service did. What is new should ask " + violationsPath + "/{id}.",
		Errors: []int{http.StatusNotFound},
	}), s.oneOld)
}

func (s *service) listOld(ctx context.Context, in *oldListInput) (*oldListOutput, error) {
	asked := in.Body
	if asked == nil {
		asked = &OldQuestion{}
	}
	out := &oldListOutput{Body: OldList{Violations: []OldViolation{}, Errors: []ListError{}}}
	query, any, err := s.oldQuery(ctx, asked)
	if err != nil || !any {
		return out, err
	}
	page := store.Page{Order: store.ByLastSeen, Limit: oldPage}
	if p := asked.Pagination; p != nil {
		if size := cmp.Or(p.PageSize, p.PageSize2); size > 0 {
			page.Limit = min(int(size), oldPage)
		}
		page.Cursor = cmp.Or(p.PageToken, p.PageToken2)
	}
	found, err := s.store.Violations(ctx, query, page)
	if err != nil {
		return nil, s.problem(ctx, "listing violations", err)
	}
	// Each violation has one gate.
	counts, err := s.store.Facets(ctx, query, []store.Dimension{store.Gates}, 1)
	if err != nil {
		return nil, s.problem(ctx, "counting violations", err)
	}
	for _, count := range counts[store.Gates] {
		out.Body.Total += count.Count
	}
	for i := range found.Items {
		out.Body.Violations = append(out.Body.Violations, shownOld(&found.Items[i]))
	}
	out.Body.NextPageToken = found.Next
	return out, nil
}

// oldQuery is what a question means. Any is false when nothing can be meant.
func (s *service) oldQuery(ctx context.Context, asked *OldQuestion) (query store.Query, any bool, err error) {
	gate := oldGate(cmp.Or(asked.ValidationType, asked.ValidationType2, weave.SourceAdmission))
	query = store.Query{
		Scope: scopeOf(ctx), Clusters: oldValues(asked.ClusterName, asked.ClusterName2), Policies: oldValues(asked.PolicyID, asked.PolicyID2), Gates: []sink.Gate{gate},
		// What gates refused never came to be, and is resolved from its beginning.
		Statuses: []store.Status{store.Open, store.Resolved},
	}
	if gate == sink.Audit {
		query.Statuses = []store.Status{store.Open}
	}
	// An event of the old agent was about the Flux object when there was one.
	flux := asked.Kind == "Kustomization" || asked.Kind == "HelmRelease"
	if asked.Application == "" && !flux || asked.Kind != "" && !flux {
		query.Names, query.Namespaces, query.Kinds = oldValues(asked.Application), oldValues(asked.Namespace), oldValues(asked.Kind)
		return query, true, nil
	}
	if asked.Application != "" && asked.Namespace != "" && asked.Kind != "" {
		query.Apps = []string{asked.Kind + "/" + asked.Namespace + "/" + asked.Application}
		return query, true, nil
	}
	counts, err := s.store.Facets(ctx, query, []store.Dimension{store.Apps}, maxApps)
	if err != nil {
		return query, false, s.problem(ctx, "looking for the application", err)
	}
	for _, count := range counts[store.Apps] {
		app := strings.SplitN(count.Value, "/", 3)
		if len(app) == 3 && (asked.Kind == "" || asked.Kind == app[0]) && (asked.Namespace == "" || asked.Namespace == app[1]) && (asked.Application == "" || asked.Application == app[2]) {
			query.Apps = append(query.Apps, count.Value)
		}
	}
	if len(counts[store.Apps]) == maxApps {
		return query, false, huma.Error422UnprocessableEntity("there are too many applications to look through: give application, kind and namespace")
	}
	return query, len(query.Apps) > 0, nil
}

func oldGate(validationType string) sink.Gate {
	switch validationType {
	case weave.SourceAudit:
		return sink.Audit
	case weave.SourceTFAdmission:
		return sink.Terraform
	}
	return sink.Admission
}

// oldValues are the values of a filter: the first that is given, if any.
func oldValues(spellings ...string) []string {
	if value := cmp.Or(spellings...); value != "" {
		return []string{value}
	}
	return nil
}

func (s *service) oneOld(ctx context.Context, in *oldOneInput) (*oldOneOutput, error) {
	found, err := s.store.Violation(ctx, scopeOf(ctx), in.ID)
	if err == nil {
		cluster, validationType := cmp.Or(in.ClusterName, in.ClusterName2), cmp.Or(in.ValidationType, in.ValidationType2)
		if cluster != "" && cluster != found.Cluster || validationType != "" && oldGate(validationType) != found.Gate {
			err = store.ErrNotFound
		}
	}
	if err != nil {
		return nil, s.problem(ctx, "reading a violation", err)
	}
	out := &oldOneOutput{Body: OldOne{shownOld(found)}}
	if found.Document == nil {
		return out, nil
	}
	shown, document := &out.Body.Validation, &found.Document.Validation
	shown.ClusterID, shown.Description, shown.HowToSolve = document.ClusterID, document.Policy.Description, document.Policy.HowToSolve
	if document.Entity.Manifest != nil {
		manifest, err := json.Marshal(document.Entity.Manifest)
		if err != nil {
			return nil, s.problem(ctx, "writing the object of a violation", err)
		}
		shown.ViolatingEntity = string(manifest)
	}
	for _, o := range document.Occurrences {
		shown.Occurrences = append(shown.Occurrences, OldOccurrence{o.Message})
	}
	for _, p := range document.Policy.Parameters {
		shown.Parameters = append(shown.Parameters, OldParameter{p.Name, p.Type, oldAny(p.Value), p.Required, p.ConfigRef})
	}
	return out, nil
}

func shownOld(v *store.Violation) OldViolation {
	return OldViolation{
		ID: v.ID, Message: v.Message, Category: v.Category, Severity: v.Severity, CreatedAt: v.LastSeen.UTC().Format(time.RFC3339),
		Entity: v.Name, EntityKind: v.Kind, Namespace: v.Namespace, Name: v.PolicyName, ClusterName: v.Cluster, PolicyID: v.PolicyID,
		Occurrences: []OldOccurrence{}, Parameters: []OldParameter{},
	}
}

// oldAny is a value of any type, as it is: what it was declared to be does not make an answer fail, as it did in the service before.
func oldAny(value any) *OldAny {
	const google = "type.googleapis.com/google.protobuf."
	switch v := value.(type) {
	case nil:
		return nil
	case string:
		return &OldAny{google + "StringValue", v}
	case bool:
		return &OldAny{google + "BoolValue", v}
	case []any:
		texts := make([]string, 0, len(v))
		for _, one := range v {
			text, is := one.(string)
			if !is {
				return &OldAny{google + "Value", v}
			}
			texts = append(texts, text)
		}
		return &OldAny{"type.googleapis.com/gitops_core.v1.PolicyParamRepeatedString", texts}
	}
	if number, is := oldInteger(value); is {
		if number < math.MinInt32 || number > math.MaxInt32 {
			return &OldAny{google + "Int64Value", fmt.Sprint(number)}
		}
		return &OldAny{google + "Int32Value", number}
	}
	return &OldAny{google + "Value", value}
}

// oldInteger is a number that is one, however it was read.
func oldInteger(value any) (int64, bool) {
	switch v := value.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	case json.Number:
		n, err := v.Int64()
		return n, err == nil
	}
	return 0, false
}

package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/live"
	"github.com/assay-gitops/assay/internal/hub/state"
)

// PolicyObject is a policy of the cluster. The names of its fields are those of the service that was there before, as far as that had them.
type PolicyObject struct {
	Name          string            `json:"name" doc:"What people call it."`
	ID            string            `json:"id" doc:"What results, sets, configs and exceptions call it."`
	ObjectName    string            `json:"objectName" doc:"What the API server calls it: by convention the same."`
	ClusterName   string            `json:"clusterName"`
	Description   string            `json:"description" doc:"In Markdown."`
	HowToSolve    string            `json:"howToSolve" doc:"In Markdown."`
	Category      string            `json:"category"`
	Severity      string            `json:"severity" enum:"low,medium,high"`
	Tags          []string          `json:"tags" nullable:"false"`
	Standards     []Standard        `json:"standards" nullable:"false"`
	Provider      string            `json:"provider" enum:"kubernetes,terraform"`
	Enforce       bool              `json:"enforce" doc:"Whether a violation is refused rather than warned about."`
	FailurePolicy string            `json:"failurePolicy" enum:"Fail,Ignore" doc:"What an error of the policy means at admission."`
	Mutate        bool              `json:"mutate" doc:"Whether admission repairs what is wrong."`
	Modes         []string          `json:"modes" nullable:"false" enum:"audit,admission,tf-admission" doc:"In which the policy acts."`
	Tenant        string            `json:"tenant,omitempty" doc:"The workspace that the policy belongs to."`
	Parameters    []PolicyParameter `json:"parameters" nullable:"false"`
	Targets       PolicyTargets     `json:"targets"`
	Exclude       PolicyExclusions  `json:"exclude"`
	Code          string            `json:"code,omitempty" doc:"The rule in Rego; not in lists."`
	CEL           *v2.CELRule       `json:"cel,omitempty" doc:"The rule in CEL; not in lists."`
	Language      string            `json:"language" enum:"rego,cel"`
	CreatedAt     time.Time         `json:"createdAt"`
	State         State             `json:"state"`
}

// PolicyParameter is a value that a policy works with, unless a PolicyConfig sets another.
type PolicyParameter struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Value       any    `json:"value"`
	Required    bool   `json:"required"`
	Description string `json:"description,omitempty"`
}

// LabelValues are labels of which one is enough.
type LabelValues struct {
	Values map[string]string `json:"values"`
}

// PolicyTargets say what a policy is about.
type PolicyTargets struct {
	Kinds             []string              `json:"kinds" nullable:"false" doc:"All when there are none."`
	APIGroups         []string              `json:"apiGroups,omitempty"`
	Labels            []LabelValues         `json:"labels" nullable:"false"`
	Namespaces        []string              `json:"namespaces" nullable:"false"`
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	Operations        []string              `json:"operations,omitempty"`
	Subresources      []string              `json:"subresources,omitempty"`
}

// PolicyExclusions say what a policy is never about.
type PolicyExclusions struct {
	Namespaces []string          `json:"namespaces,omitempty"`
	Resources  []string          `json:"resources,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
}

// Policies is a page of a list.
type Policies struct {
	Policies []PolicyObject `json:"policies" nullable:"false" doc:"By name, without their rules."`
	Listed
}

// OnePolicy is a policy with its rule.
type OnePolicy struct {
	Policy PolicyObject `json:"policy"`
}

type policiesInput struct {
	AsOf
	Paging
	Severity  []string `query:"severity,explode" maxItems:"100" enum:"low,medium,high" doc:"Severities."`
	Category  []string `query:"category,explode" maxItems:"100" doc:"Categories."`
	Standard  []string `query:"standard,explode" maxItems:"100" doc:"Ids of standards."`
	Tag       []string `query:"tag,explode" maxItems:"100" doc:"Tags."`
	Kind      []string `query:"kind,explode" maxItems:"100" doc:"Kinds that are targeted; a policy for all kinds is found by any."`
	Mode      []string `query:"mode,explode" maxItems:"100" enum:"audit,admission,tf-admission" doc:"Modes in which they act."`
	Workspace []string `query:"workspace,explode" maxItems:"100" doc:"Workspaces that they belong to."`
	Enforced  string   `query:"enforced" enum:"true,false" doc:"Whether they refuse rather than warn."`
	Text      string   `query:"text" maxLength:"200" doc:"Found, in any case, in name, id or description."`
}

type policyInput struct {
	AsOf
	Name string `path:"name" maxLength:"253" doc:"Name of the object, or the policy's id."`
}

type (
	policiesOutput struct{ Body Policies }
	policyOutput   struct{ Body OnePolicy }
)

func (s *service) registerPolicies() {
	huma.Register(s.api, s.forReadersOf(auth.Policies, auth.List, reading("list-policies", "/v1/policies", "Policies", "Lists the policies of a cluster",
		"By name. It needs the right to list policies.")), s.listPolicies)
	one := reading("get-policy", "/v1/policies/{name}", "Policies", "Shows a policy", "With its rule.")
	huma.Register(s.api, s.forReadersOf(auth.Policies, auth.Get, one), s.onePolicy)
}

func (s *service) listPolicies(ctx context.Context, in *policiesInput) (*policiesOutput, error) {
	found, faults, err := readPolicies(ctx, s, &in.AsOf, state.Policy, s.live.Policies)
	if err != nil {
		return nil, err
	}
	matching := make([]*v2.Policy, 0, len(found))
	for i := range found {
		if in.means(&found[i]) {
			matching = append(matching, &found[i])
		}
	}
	part, next, err := page(matching, in.Paging, func(p **v2.Policy) string { return (*p).Name })
	if err != nil {
		return nil, s.problem(ctx, "paging", err)
	}
	out := &policiesOutput{Body: Policies{Policies: make([]PolicyObject, 0, len(part)), Listed: Listed{len(matching), next, faults}}}
	for _, p := range part {
		shown := policyObject(in.cluster(s), p)
		shown.Code, shown.CEL = "", nil
		out.Body.Policies = append(out.Body.Policies, shown)
	}
	return out, nil
}

// means tells whether the filters mean the policy.
func (in *policiesInput) means(p *v2.Policy) bool {
	standards := make([]string, 0, len(p.Spec.Standards))
	for _, standard := range p.Spec.Standards {
		standards = append(standards, standard.ID)
	}
	text := strings.ToLower(in.Text)
	found := text == "" || slices.ContainsFunc([]string{p.Name, p.Spec.Name, p.Spec.ID, p.Spec.Description}, func(s string) bool {
		return strings.Contains(strings.ToLower(s), text)
	})
	return found && has(in.Severity, p.Spec.Severity) && has(in.Category, p.Spec.Category) && has(in.Standard, standards...) && has(in.Tag, p.Spec.Tags...) &&
		(len(p.Spec.Targets.Kinds) == 0 || has(in.Kind, p.Spec.Targets.Kinds...)) && has(in.Mode, p.Status.Modes...) &&
		has(in.Workspace, live.Workspace(p)) && (in.Enforced == "" || (in.Enforced == "true") == p.Spec.IsEnforced())
}

func (s *service) onePolicy(ctx context.Context, in *policyInput) (*policyOutput, error) {
	found, _, err := readPolicies(ctx, s, &in.AsOf, state.Policy, s.live.Policies)
	if err != nil {
		return nil, err
	}
	named := func(p v2.Policy) bool { return p.Name == in.Name }
	called := func(p v2.Policy) bool { return p.Spec.ID == in.Name }
	if i := cmp.Or(slices.IndexFunc(found, named)+1, slices.IndexFunc(found, called)+1); i > 0 {
		return &policyOutput{Body: OnePolicy{policyObject(in.cluster(s), &found[i-1])}}, nil
	}
	return nil, huma.Error404NotFound(fmt.Sprintf("policy %s not found in cluster %s", in.Name, in.cluster(s)))
}

func policyObject(cluster string, p *v2.Policy) PolicyObject {
	spec := &p.Spec
	shown := PolicyObject{
		Name: spec.Name, ID: spec.ID, ObjectName: p.Name, ClusterName: cluster, Description: spec.Description, HowToSolve: spec.HowToSolve,
		Category: spec.Category, Severity: string(spec.Severity), Tags: orEmpty(spec.Tags), Standards: standardsOf(spec.Standards),
		Provider: string(spec.ProviderOrDefault()), Enforce: spec.IsEnforced(), FailurePolicy: string(cmp.Or(spec.FailurePolicy, v2.FailurePolicyFail)),
		Mutate: spec.Mutate, Modes: orEmpty(p.Status.Modes), Tenant: live.Workspace(p), Parameters: make([]PolicyParameter, 0, len(spec.Parameters)),
		Targets: PolicyTargets{
			Kinds: orEmpty(spec.Targets.Kinds), APIGroups: spec.Targets.APIGroups, Labels: make([]LabelValues, 0, len(spec.Targets.Labels)),
			Namespaces: orEmpty(spec.Targets.Namespaces), NamespaceSelector: spec.Targets.NamespaceSelector,
			Operations: spec.Targets.Operations, Subresources: spec.Targets.Subresources,
		},
		Exclude: PolicyExclusions(spec.Exclude),
		Code:    spec.Code, CEL: spec.CEL, Language: "rego", CreatedAt: p.CreationTimestamp.UTC(), State: stateOf(p.Status.Conditions),
	}
	if spec.CEL != nil {
		shown.Language = "cel"
	}
	for _, labels := range spec.Targets.Labels {
		shown.Targets.Labels = append(shown.Targets.Labels, LabelValues{labels})
	}
	for _, parameter := range spec.Parameters {
		var value any
		if parameter.Value != nil {
			value = json.RawMessage(parameter.Value.Raw)
		}
		shown.Parameters = append(shown.Parameters, PolicyParameter{parameter.Name, parameter.Type, value, parameter.Required, parameter.Description})
	}
	return shown
}

func standardsOf(standards []v2.PolicyStandard) []Standard {
	shown := make([]Standard, 0, len(standards))
	for _, standard := range standards {
		shown = append(shown, Standard{standard.ID, orEmpty(standard.Controls)})
	}
	return shown
}

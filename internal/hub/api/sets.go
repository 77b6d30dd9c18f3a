package api

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/state"
)

// PolicySet chooses the policies that act in a mode.
type PolicySet struct {
	Name        string              `json:"name"`
	ClusterName string              `json:"clusterName"`
	Title       string              `json:"title,omitempty" doc:"What people call it."`
	Mode        string              `json:"mode" enum:"audit,admission,tf-admission," doc:"A set without one has no effect."`
	Filters     v2.PolicySetFilters `json:"filters" doc:"A policy that matches any entry of any list is chosen."`
	Policies    int                 `json:"policies" doc:"How many the set chooses."`
	CreatedAt   time.Time           `json:"createdAt"`
	State       State               `json:"state"`
}

// PolicySets is a page of a list.
type PolicySets struct {
	PolicySets []PolicySet `json:"policySets" nullable:"false" doc:"By name."`
	Listed
}

// AboutPolicyConfig is what a PolicyConfig is shown with everywhere.
type AboutPolicyConfig struct {
	Name          string `json:"name"`
	ClusterName   string `json:"clusterName"`
	TotalPolicies int    `json:"totalPolicies" doc:"How many policies it sets parameters of."`
	Status        string `json:"status" enum:"OK,Warning" doc:"Warning when it names policies or parameters that there are not."`
	Age           string `json:"age" format:"date-time" doc:"When it was made."`
	State         State  `json:"state"`
}

// PolicyConfigItem is a PolicyConfig as lists show it.
type PolicyConfigItem struct {
	AboutPolicyConfig
	Match string `json:"match" enum:"apps,namespaces,resources,workspaces,Unknown match target" doc:"What it matches by."`
}

// PolicyConfigs is a page of a list.
type PolicyConfigs struct {
	PolicyConfigs []PolicyConfigItem `json:"policyConfigs" nullable:"false" doc:"By name."`
	Listed
}

// PolicyConfigMatch is what a PolicyConfig matches.
type PolicyConfigMatch struct {
	Workspaces []string                     `json:"workspaces,omitempty"`
	Namespaces []string                     `json:"namespaces,omitempty"`
	Apps       []v2.PolicyTargetApplication `json:"apps,omitempty"`
	Resources  []v2.PolicyTargetResource    `json:"resources,omitempty"`
}

// ConfiguredPolicy is a policy whose parameters a PolicyConfig sets.
type ConfiguredPolicy struct {
	ID          string         `json:"id"`
	Name        string         `json:"name,omitempty"`
	Description string         `json:"description,omitempty"`
	Parameters  map[string]any `json:"parameters" doc:"The values that it sets."`
	Defaults    map[string]any `json:"defaults" doc:"The values that the same parameters have without it, as far as the policy has any."`
	Status      string         `json:"status" enum:"OK,Warning" doc:"Warning when there is no such policy."`
}

// OnePolicyConfig is a PolicyConfig with what it sets.
type OnePolicyConfig struct {
	AboutPolicyConfig
	MatchType string             `json:"matchType" enum:"apps,namespaces,resources,workspaces,Unknown match target" doc:"match, as the list has it."`
	Match     PolicyConfigMatch  `json:"match"`
	Policies  []ConfiguredPolicy `json:"policies" nullable:"false" doc:"By id."`
}

// Exception accepts violations of policies for a reason and a time.
type Exception struct {
	Name        string                  `json:"name"`
	ClusterName string                  `json:"clusterName"`
	Policies    []string                `json:"policies" nullable:"false" doc:"Ids; * stands for all but those of tenancy."`
	Match       v2.PolicyExceptionMatch `json:"match" doc:"All that is given must hold."`
	Reason      string                  `json:"reason"`
	Expires     *time.Time              `json:"expires,omitempty" doc:"Never when it is not there."`
	Expired     bool                    `json:"expired"`
	CreatedAt   time.Time               `json:"createdAt"`
	State       State                   `json:"state"`
}

// Exceptions is a page of a list.
type Exceptions struct {
	Exceptions []Exception `json:"exceptions" nullable:"false" doc:"By name."`
	Listed
}

type objectsInput struct {
	AsOf
	Paging
}

type configInput struct {
	AsOf
	Name string `path:"name" maxLength:"253" doc:"Name of the object."`
}

type (
	setsOutput       struct{ Body PolicySets }
	configsOutput    struct{ Body PolicyConfigs }
	configOutput     struct{ Body OnePolicyConfig }
	exceptionsOutput struct{ Body Exceptions }
)

func (s *service) registerSets() {
	huma.Register(s.api, s.forReadersOf(auth.PolicySets, auth.List, reading("list-policy-sets", "/v1/policy-sets", "Policies", "Lists the policy sets",
		"They choose which policies act in which mode. It needs the right to list policysets.")), s.listSets)
	huma.Register(s.api, s.forReadersOf(auth.PolicyConfigs, auth.List, reading("list-policy-configs", "/v1/policy-configs", "Policies", "Lists the policy configs",
		"They set parameters of policies for what they match. It needs the right to list policyconfigs.")), s.listConfigs)
	one := reading("get-policy-config", "/v1/policy-configs/{name}", "Policies", "Shows a policy config", "With what it matches and sets.")
	huma.Register(s.api, s.forReadersOf(auth.PolicyConfigs, auth.Get, one), s.oneConfig)
	huma.Register(s.api, s.forReadersOf(auth.PolicyExceptions, auth.List, reading("list-exceptions", "/v1/exceptions", "Policies", "Lists the exceptions",
		"They accept violations for a reason and a time. It needs the right to list policyexceptions.")), s.listExceptions)
}

// objects makes a page of what was read of the cluster.
func objects[T, Shown any](ctx context.Context, s *service, in *objectsInput, kind string, read func(context.Context) ([]T, error), name func(*T) string, show func(*T) Shown) ([]Shown, Listed, error) {
	found, faults, err := readPolicies(ctx, s, &in.AsOf, kind, read)
	if err != nil {
		return nil, Listed{}, err
	}
	part, next, err := page(found, in.Paging, name)
	if err != nil {
		return nil, Listed{}, s.problem(ctx, "paging", err)
	}
	shown := make([]Shown, 0, len(part))
	for i := range part {
		shown = append(shown, show(&part[i]))
	}
	return shown, Listed{len(found), next, faults}, nil
}

func (s *service) listSets(ctx context.Context, in *objectsInput) (*setsOutput, error) {
	shown, listed, err := objects(ctx, s, in, state.Set, s.live.Sets, func(o *v2.PolicySet) string { return o.Name }, func(o *v2.PolicySet) PolicySet {
		return PolicySet{
			Name: o.Name, ClusterName: in.cluster(s), Title: o.Spec.Name, Mode: string(o.Spec.Mode), Filters: o.Spec.Filters,
			Policies: int(o.Status.Policies), CreatedAt: o.CreationTimestamp.UTC(), State: stateOf(o.Status.Conditions),
		}
	})
	if err != nil {
		return nil, err
	}
	return &setsOutput{Body: PolicySets{shown, listed}}, nil
}

func (s *service) listConfigs(ctx context.Context, in *objectsInput) (*configsOutput, error) {
	shown, listed, err := objects(ctx, s, in, state.Config, s.live.Configs, func(o *v2.PolicyConfig) string { return o.Name }, func(o *v2.PolicyConfig) PolicyConfigItem {
		return PolicyConfigItem{aboutConfig(in.cluster(s), o), matchType(&o.Spec.Match)}
	})
	if err != nil {
		return nil, err
	}
	return &configsOutput{Body: PolicyConfigs{shown, listed}}, nil
}

func aboutConfig(cluster string, c *v2.PolicyConfig) AboutPolicyConfig {
	about := AboutPolicyConfig{
		Name: c.Name, ClusterName: cluster, TotalPolicies: len(c.Spec.Config), Status: "OK",
		Age: c.CreationTimestamp.UTC().Format(time.RFC3339), State: stateOf(c.Status.Conditions),
	}
	if c.Status.Status == "Warning" || len(c.Status.MissingPolicies) > 0 || about.State.Ready == "False" {
		about.Status = "Warning"
	}
	return about
}

func matchType(m *v2.PolicyConfigTarget) string {
	switch {
	case len(m.Workspaces) > 0:
		return "workspaces"
	case len(m.Namespaces) > 0:
		return "namespaces"
	case len(m.Applications) > 0:
		return "apps"
	case len(m.Resources) > 0:
		return "resources"
	}
	return "Unknown match target"
}

func (s *service) oneConfig(ctx context.Context, in *configInput) (*configOutput, error) {
	found, _, err := readPolicies(ctx, s, &in.AsOf, state.Config, s.live.Configs)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(found, func(c v2.PolicyConfig) bool { return c.Name == in.Name })
	if i < 0 {
		return nil, huma.Error404NotFound(fmt.Sprintf("policy config %s not found in cluster %s", in.Name, in.cluster(s)))
	}
	policies, _, err := readPolicies(ctx, s, &in.AsOf, state.Policy, s.live.Policies)
	if err != nil {
		return nil, err
	}
	c := &found[i]
	out := &configOutput{Body: OnePolicyConfig{
		AboutPolicyConfig: aboutConfig(in.cluster(s), c), MatchType: matchType(&c.Spec.Match),
		Match:    PolicyConfigMatch{c.Spec.Match.Workspaces, c.Spec.Match.Namespaces, c.Spec.Match.Applications, c.Spec.Match.Resources},
		Policies: make([]ConfiguredPolicy, 0, len(c.Spec.Config)),
	}}
	for _, id := range slices.Sorted(maps.Keys(c.Spec.Config)) {
		shown := ConfiguredPolicy{ID: id, Status: "Warning", Parameters: map[string]any{}, Defaults: map[string]any{}}
		if i := slices.IndexFunc(policies, func(p v2.Policy) bool { return p.Spec.ID == id }); i >= 0 {
			shown.Status, shown.Name, shown.Description = "OK", policies[i].Spec.Name, policies[i].Spec.Description
			for _, parameter := range policies[i].Spec.Parameters {
				if _, set := c.Spec.Config[id].Parameters[parameter.Name]; set && parameter.Value != nil {
					shown.Defaults[parameter.Name] = json.RawMessage(parameter.Value.Raw)
				}
			}
		}
		for name, value := range c.Spec.Config[id].Parameters {
			shown.Parameters[name] = json.RawMessage(value.Raw)
		}
		out.Body.Policies = append(out.Body.Policies, shown)
	}
	return out, nil
}

func (s *service) listExceptions(ctx context.Context, in *objectsInput) (*exceptionsOutput, error) {
	shown, listed, err := objects(ctx, s, in, state.Exception, s.live.Exceptions, func(o *v2.PolicyException) string { return o.Name }, func(o *v2.PolicyException) Exception {
		shown := Exception{
			Name: o.Name, ClusterName: in.cluster(s), Policies: orEmpty(o.Spec.Policies), Match: o.Spec.Match, Reason: o.Spec.Reason,
			CreatedAt: o.CreationTimestamp.UTC(), State: stateOf(o.Status.Conditions),
		}
		if o.Spec.Expires != nil {
			at := o.Spec.Expires.UTC()
			shown.Expires, shown.Expired = &at, !s.now().Before(at)
		}
		return shown
	})
	if err != nil {
		return nil, err
	}
	return &exceptionsOutput{Body: Exceptions{shown, listed}}, nil
}

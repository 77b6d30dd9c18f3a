package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/state"
	"github.com/assay-gitops/assay/policy"
)

// EffectiveParameters are the parameters of policies that are in effect for an object, and why.
type EffectiveParameters struct {
	Object      Object            `json:"object" doc:"What was asked about; it need not exist."`
	ClusterName string            `json:"clusterName"`
	Workspace   string            `json:"workspace,omitempty" doc:"That the object's namespace belongs to."`
	App         string            `json:"app,omitempty" doc:"The Flux object that applies it." example:"Kustomization/flux-system/shop"`
	Exists      *bool             `json:"exists,omitempty" doc:"Whether the object is in the cluster; not there when it was not looked up."`
	Configs     []MatchingConfig  `json:"configs" nullable:"false" doc:"The policy configs that match the object: each wins over those before it."`
	Policies    []EffectivePolicy `json:"policies" nullable:"false" doc:"By id: those that were asked for, or those that target the kind."`
	Listed
}

// MatchingConfig is a PolicyConfig that matches an object.
type MatchingConfig struct {
	Name  string `json:"name"`
	Level string `json:"level" enum:"workspace,namespace,app,appInNamespace,resource,resourceInNamespace" doc:"How precisely it matches, low to high: the higher one wins, and at the same level the later name. One that matches at several is there for each."`
}

// EffectivePolicy is a policy with what is in effect of it.
type EffectivePolicy struct {
	ID         string               `json:"id"`
	Name       string               `json:"name"`
	Targeted   bool                 `json:"targeted" doc:"Whether the policy targets objects of that kind."`
	Parameters []EffectiveParameter `json:"parameters" nullable:"false" doc:"In the order in which the policy declares them."`
}

// EffectiveParameter is a parameter with the value that is in effect.
type EffectiveParameter struct {
	Name      string             `json:"name"`
	Type      string             `json:"type"`
	Required  bool               `json:"required"`
	Value     any                `json:"value"`
	ConfigRef string             `json:"configRef,omitempty" doc:"The policy config that set it; not there when the value is the policy's own."`
	Default   any                `json:"default" doc:"The policy's own value."`
	SetBy     []ParameterSetting `json:"setBy" nullable:"false" doc:"The policy configs that set it, in the order of configs: the last one is in effect."`
}

// ParameterSetting is the value that a PolicyConfig gives a parameter.
type ParameterSetting struct {
	Config string `json:"config"`
	Level  string `json:"level" enum:"workspace,namespace,app,appInNamespace,resource,resourceInNamespace"`
	Value  any    `json:"value"`
}

type parametersInput struct {
	AsOf
	Paging
	APIVersion string   `query:"apiVersion" maxLength:"300" doc:"Of the object; without one it is not looked up, and policies of any group are meant." example:"apps/v1"`
	Kind       string   `query:"kind" maxLength:"100" doc:"Of the object. Without one no policy is left out for its targets." example:"Deployment"`
	Namespace  string   `query:"namespace" maxLength:"253" doc:"Of the object."`
	Name       string   `query:"name" maxLength:"253" doc:"Of the object."`
	Workspace  string   `query:"workspace" maxLength:"253" doc:"The workspace of its namespace, where it is not as the cluster has it."`
	App        string   `query:"app" maxLength:"600" pattern:"^((Kustomization|HelmRelease)/[^/]+/[^/]+)?$" doc:"The Flux object that applies it, where it is not as the cluster has it." example:"Kustomization/flux-system/shop"`
	Policy     []string `query:"policy,explode" maxItems:"100" doc:"Ids of policies; those that target the kind when there are none."`
}

type parametersOutput struct{ Body EffectiveParameters }

func (s *service) registerParameters() {
	huma.Register(s.api, s.forReadersOf(auth.PolicyConfigs, auth.List, reading("get-parameters", "/v1/parameters", "Policies", "Tells which parameters are in effect for an object",
		"And which policy configs set them. In the hub's own cluster, as it is now, its namespace's workspace is looked up, and, for who may get violations there, the labels that Flux put on it. "+
			"It needs the rights to list policyconfigs and policies.")), s.parameters)
}

func (s *service) parameters(ctx context.Context, in *parametersInput) (*parametersOutput, error) {
	if _, ok := s.alsoSees(ctx, auth.Policies); !ok {
		return nil, huma.Error403Forbidden("parameters are those of policies: it needs the right to list policies as well")
	}
	policies, faults, err := readPolicies(ctx, s, &in.AsOf, state.Policy, s.live.Policies)
	if err != nil {
		return nil, err
	}
	configs, more, err := readPolicies(ctx, s, &in.AsOf, state.Config, s.live.Configs)
	if err != nil {
		return nil, err
	}
	out := &parametersOutput{Body: EffectiveParameters{
		ClusterName: in.cluster(s), Object: Object{in.APIVersion, in.Kind, in.Namespace, in.Name}, Workspace: in.Workspace, App: in.App,
		Configs: []MatchingConfig{}, Policies: []EffectivePolicy{}, Listed: Listed{Errors: append(faults, more...)},
	}}
	if err := s.lookUp(ctx, in, &out.Body); err != nil {
		return nil, err
	}
	settings, problems := engine.NewSettings(pointers(policies), pointers(configs))
	effective := settings.Of(out.Body.request())
	for i := range effective.Matches {
		m := &effective.Matches[i]
		out.Body.Configs = append(out.Body.Configs, MatchingConfig{m.Config.Name, string(m.Level)})
	}
	shown, err := in.meant(settings, problems)
	if err != nil {
		return nil, err
	}
	part, next, err := page(shown, in.Paging, func(p **v2.Policy) string { return (*p).Spec.ID })
	if err != nil {
		return nil, s.problem(ctx, "paging", err)
	}
	out.Body.Total, out.Body.NextPageToken = len(shown), next
	none := settings.Of(&policy.Request{Object: &policy.Object{}})
	for _, p := range part {
		out.Body.Policies = append(out.Body.Policies, effectivePolicy(p, in.targets(p), &effective, none.Parameters(p.Spec.ID)))
	}
	return out, nil
}

// effectivePolicy shows what is in effect of a policy; own are its parameters without any config.
func effectivePolicy(p *v2.Policy, targeted bool, effective *engine.Effective, own []policy.Parameter) EffectivePolicy {
	shown := EffectivePolicy{ID: p.Spec.ID, Name: p.Spec.Name, Targeted: targeted, Parameters: []EffectiveParameter{}}
	for i, parameter := range effective.Parameters(p.Spec.ID) {
		one := EffectiveParameter{parameter.Name, parameter.Type, parameter.Required, parameter.Value, parameter.ConfigRef, own[i].Value, []ParameterSetting{}}
		for i := range effective.Matches {
			m := &effective.Matches[i]
			if value, ok := m.Value(p.Spec.ID, parameter.Name); ok {
				one.SetBy = append(one.SetBy, ParameterSetting{m.Config.Name, string(m.Level), value})
			}
		}
		shown.Parameters = append(shown.Parameters, one)
	}
	return shown
}

// meant are the policies that are asked about, by id. The error is a problem.
func (in *parametersInput) meant(settings *engine.Settings, problems []engine.Problem) ([]*v2.Policy, error) {
	var found []*v2.Policy
	for _, p := range settings.Policies() {
		if slices.Contains(in.Policy, p.Spec.ID) || len(in.Policy) == 0 && in.targets(p) {
			found = append(found, p)
		}
	}
	for _, id := range in.Policy {
		if slices.ContainsFunc(found, func(p *v2.Policy) bool { return p.Spec.ID == id }) {
			continue
		}
		for i := range problems {
			if p, ok := problems[i].Source.(*v2.Policy); ok && p.Spec.ID == id {
				return nil, huma.Error404NotFound(fmt.Sprintf("policy %s has no parameters that can be read: %s", id, problems[i].Message))
			}
		}
		return nil, huma.Error404NotFound("there is no policy " + id)
	}
	return found, nil
}

// targets tells whether a policy targets the kind, as agents have it without workloads of their own.
func (in *parametersInput) targets(p *v2.Policy) bool {
	if in.Kind == "" {
		return true
	}
	workloads := policy.KnownWorkloads()
	if in.APIVersion != "" {
		o := policy.Object{Content: map[string]any{"apiVersion": in.APIVersion, "kind": in.Kind}}
		return workloads.Target(&p.Spec.Targets, o.GroupKind())
	}
	anyGroup := &v2.PolicyTargets{Kinds: p.Spec.Targets.Kinds}
	for kind := range workloads {
		if kind.Kind == in.Kind && workloads.Target(anyGroup, kind) {
			return true
		}
	}
	return policy.TargetKind(anyGroup, policy.GroupKind{Kind: in.Kind})
}

// lookUp finds out of the object what the question does not say.
func (s *service) lookUp(ctx context.Context, in *parametersInput, found *EffectiveParameters) error {
	note := func(message string) {
		found.Errors = append(found.Errors, ListError{found.ClusterName, message})
	}
	if found.ClusterName != s.live.Name || !in.At.IsZero() {
		if in.Namespace != "" && in.Workspace == "" || in.Name != "" && in.App == "" {
			note("the hub looks objects up in its own cluster, as it is now: elsewhere give workspace and app, or policy configs that match by them are left out")
		}
		return nil
	}
	if in.Namespace != "" && in.Workspace == "" {
		namespaces, err := s.live.Namespaces(ctx)
		faults, err := s.unread(ctx, "reading the namespaces of workspaces", namespaces != nil, err)
		if err != nil {
			return err
		}
		found.Errors = append(found.Errors, faults...)
		for _, n := range namespaces {
			if n.Name == in.Namespace {
				found.Workspace = n.Workspace
			}
		}
	}
	if in.Name == "" || in.Kind == "" {
		return nil
	}
	group, err := schema.ParseGroupVersion(in.APIVersion)
	switch {
	case err != nil:
		return huma.Error422UnprocessableEntity("the query cannot be answered", &huma.ErrorDetail{Location: "query.apiVersion", Message: "it is not VERSION or GROUP/VERSION"})
	case in.App != "" && in.APIVersion == "":
		return nil
	case in.APIVersion == "":
		note("the object was not looked up: give its apiVersion, or app, or policy configs that match by the Flux application are left out")
		return nil
	}
	scope, ok := s.alsoMay(ctx, auth.Get, auth.Violations)
	if !ok || !scope.All && !slices.Contains(scope.Namespaces[s.live.Name], in.Namespace) {
		if in.App == "" {
			note("the object was not looked up, since you may not get violations there: give app, or policy configs that match by the Flux application are left out")
		}
		return nil
	}
	labels, err := s.live.Labels(ctx, group.WithKind(in.Kind), in.Namespace, in.Name)
	switch {
	case meta.IsNoMatchError(err):
		note(fmt.Sprintf("the cluster knows no %s of %s", in.Kind, in.APIVersion))
		return nil
	case apierrors.IsForbidden(err):
		note(fmt.Sprintf("the hub may not read objects of kind %s: give app, or policy configs that match by the Flux application are left out", in.Kind))
		return nil
	case err != nil && ctx.Err() != nil:
		return s.problem(ctx, "looking up an object", ctx.Err())
	case err != nil:
		s.logger.ErrorContext(ctx, "the hub's cluster could not be read", "doing", "looking up an object", "error", err, "request", requestID(ctx))
		note("the object could not be read: give app, or policy configs that match by the Flux application are left out")
		return nil
	}
	exists := labels != nil
	found.Exists = &exists
	if in.App == "" {
		content := make(map[string]any, len(labels))
		for name, value := range labels {
			content[name] = value
		}
		o := policy.Object{Content: map[string]any{"metadata": map[string]any{"labels": content}}}
		if app, ok := o.App(); ok {
			found.App = app.Kind + "/" + app.Namespace + "/" + app.Name
		}
	}
	return nil
}

// request is one about the object, as far as configs look at it.
func (p *EffectiveParameters) request() *policy.Request {
	metadata := map[string]any{"name": p.Object.Name}
	if p.Object.Namespace != "" {
		metadata["namespace"] = p.Object.Namespace
	}
	if kind, rest, ok := strings.Cut(p.App, "/"); ok {
		namespace, name, _ := strings.Cut(rest, "/")
		group := "kustomize.toolkit.fluxcd.io"
		if kind == "HelmRelease" {
			group = "helm.toolkit.fluxcd.io"
		}
		metadata["labels"] = map[string]any{group + "/name": name, group + "/namespace": namespace}
	}
	return &policy.Request{
		Object:    &policy.Object{Content: map[string]any{"apiVersion": p.Object.APIVersion, "kind": p.Object.Kind, "metadata": metadata}},
		Namespace: map[string]any{"metadata": map[string]any{"labels": map[string]any{policy.TenantLabel: p.Workspace}}},
	}
}

// pointers to what a list has.
func pointers[T any](list []T) []*T {
	all := make([]*T, len(list))
	for i := range list {
		all[i] = &list[i]
	}
	return all
}

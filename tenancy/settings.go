package tenancy

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
)

// settings makes the PolicyConfig and the PolicyExceptions of the workspace.
func (g *generator) settings() {
	t := g.tenant
	version := v2.GroupVersion.String()
	if len(t.Policies) > 0 {
		config := map[string]any{}
		for id, settings := range t.Policies {
			parameters := settings.Parameters
			if parameters == nil {
				parameters = map[string]any{}
			}
			config[id] = map[string]any{"parameters": parameters}
		}
		g.add(gvk(version, "PolicyConfig"), "", "workspace-"+t.Name, map[string]any{"spec": map[string]any{
			"match":  map[string]any{"workspaces": []string{t.Name}},
			"config": config,
		}})
	}
	for _, e := range t.Exceptions {
		g.add(gvk(version, "PolicyException"), "", "workspace-"+t.Name+"-"+e.Name, map[string]any{"spec": v2.PolicyExceptionSpec{
			Policies: e.Policies,
			Reason:   e.Reason,
			Expires:  timeOf(e.Expires),
			Match: v2.PolicyExceptionMatch{
				Workspaces: []string{t.Name}, Namespaces: e.Namespaces, Applications: e.Apps, Resources: e.Resources, Labels: e.Labels,
			},
		}})
	}
}

// Sources are the policies, configs and exceptions of workspaces, as the engine takes them.
func Sources(workspaces []Workspace) (engine.Sources, error) {
	var sources engine.Sources
	for _, w := range workspaces {
		for _, o := range w.Objects {
			var err error
			switch o.GetKind() {
			case v2.PolicyKind:
				sources.Policies, err = appendTyped(sources.Policies, o)
			case v2.PolicyConfigKind:
				sources.Configs, err = appendTyped(sources.Configs, o)
			case v2.PolicyExceptionKind:
				sources.Exceptions, err = appendTyped(sources.Exceptions, o)
			}
			if err != nil {
				return engine.Sources{}, fmt.Errorf("read the %s %s: %w", o.GetKind(), o.GetName(), err)
			}
		}
	}
	return sources, nil
}

func appendTyped[T any](list []*T, o *unstructured.Unstructured) ([]*T, error) {
	typed := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, typed); err != nil {
		return nil, err
	}
	return append(list, typed), nil
}

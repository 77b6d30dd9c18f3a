package workspaces

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Lockdown is a recommended flag of a Flux controller, https://fluxcd.io/flux/installation/configuration/multitenancy/.
type Lockdown struct {
	Controller string `json:"controller"`
	Flag       string `json:"flag"`
	Why        string `json:"why"`
	Set        bool   `json:"set"`
}

// lockdownFlags by controller. A flag that ends with = needs any value.
var lockdownFlags = []Lockdown{
	{"kustomize-controller", "--no-cross-namespace-refs=true", "sources of other namespaces are refused by Flux itself", false},
	{"kustomize-controller", "--no-remote-bases=true", "a kustomization.yaml in a repository cannot take its resources from elsewhere, which no admission policy can see", false},
	{"kustomize-controller", "--default-service-account=", "a Kustomization without a service account never has the permissions of Flux", false},
	{"helm-controller", "--no-cross-namespace-refs=true", "charts of other namespaces are refused by Flux itself", false},
	{"helm-controller", "--default-service-account=", "a HelmRelease without a service account never has the permissions of Flux", false},
	{"notification-controller", "--no-cross-namespace-refs=true", "alerts and receivers of other namespaces' objects are refused by Flux itself", false},
	{"image-reflector-controller", "--no-cross-namespace-refs=true", "image repositories of other namespaces are refused by Flux itself", false},
	{"image-automation-controller", "--no-cross-namespace-refs=true", "sources of other namespaces are refused by Flux itself", false},
}

// Lockdown tells which of the recommended flags the Flux controllers of the cluster have. It is empty where there are none.
func (c *Cluster) Lockdown(ctx context.Context) ([]Lockdown, error) {
	deployments := &appsv1.DeploymentList{}
	if err := c.client.List(ctx, deployments, client.MatchingLabels{"app.kubernetes.io/part-of": "flux"}); err != nil {
		return nil, fmt.Errorf("look for the controllers of Flux: %w", err)
	}
	var found []Lockdown
	for _, wanted := range lockdownFlags {
		for i := range deployments.Items {
			d := &deployments.Items[i]
			if d.Name != wanted.Controller {
				continue
			}
			wanted.Set = false
			for _, container := range d.Spec.Template.Spec.Containers {
				wanted.Set = wanted.Set || hasFlag(slices.Concat(container.Command, container.Args), wanted.Flag)
			}
			found = append(found, wanted)
		}
	}
	return found, nil
}

// hasFlag tells whether arguments set a flag: the last of a name counts, and a boolean may be written without =true.
func hasFlag(arguments []string, flag string) bool {
	name, value, _ := strings.Cut(flag, "=")
	set := false
	for i, argument := range arguments {
		given, is, hasValue := strings.Cut(argument, "=")
		if given != name && "-"+given != name {
			continue
		}
		if !hasValue && value == "" && i+1 < len(arguments) {
			is = arguments[i+1]
		}
		if value == "" {
			set = is != ""
		} else {
			set = !hasValue || is == value
		}
	}
	return set
}

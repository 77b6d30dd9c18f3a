package objects

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/kube"
	"github.com/assay-gitops/assay/policy"
)

// Resource is a resource of a cluster whose objects can be listed.
type Resource struct {
	schema.GroupVersionResource
	Kind       string
	Namespaced bool
	// Watchable says that changes can be followed.
	Watchable bool
}

// String is the name that kubectl takes, such as deployments.apps.
func (r Resource) String() string { return r.GroupResource().String() }

// Catalogue is what a cluster has.
type Catalogue struct {
	// resources are sorted by group and name, each in the version that the API server prefers.
	resources []Resource
	// Failed are the groups that could not be discovered, since their API server does not answer, and why. What was known of
	// them before may still be there.
	Failed map[schema.GroupVersion]error
}

// Discover asks the API server what there is. Groups that cannot be discovered are in Failed; the error is for when nothing can.
func Discover(ctx context.Context, client discovery.DiscoveryInterface) (Catalogue, error) {
	lists, err := discovery.ToServerResourcesInterfaceWithContext(client).ServerPreferredResourcesWithContext(ctx)
	failed, partly := discovery.GroupDiscoveryFailedErrorGroups(err)
	if err != nil && !partly {
		return Catalogue{}, fmt.Errorf("discovering the resources of the cluster: %w", err)
	}
	return newCatalogue(lists, failed), nil
}

func newCatalogue(lists []*metav1.APIResourceList, failed map[schema.GroupVersion]error) Catalogue {
	c := Catalogue{Failed: failed}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue // an API server that says so is broken beyond what we could mend
		}
		for i := range list.APIResources {
			r := &list.APIResources[i]
			if strings.Contains(r.Name, "/") || !slices.Contains(r.Verbs, "list") {
				continue
			}
			c.resources = append(c.resources, Resource{
				GroupVersionResource: gv.WithResource(r.Name), Kind: r.Kind, Namespaced: r.Namespaced, Watchable: slices.Contains(r.Verbs, "watch"),
			})
		}
	}
	slices.SortFunc(c.resources, func(a, b Resource) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Version, b.Version))
	})
	c.resources = slices.CompactFunc(c.resources, func(a, b Resource) bool { return a.GroupResource() == b.GroupResource() })
	return c
}

// Targeted are the resources that some of the policies target, sorted by group and name. What always passes admission is not
// among them. Policies that target every kind do not mean what changes all the time and that nobody writes: see isChurn.
func (c Catalogue) Targeted(policies []*v2.Policy, workloads policy.Workloads) []Resource {
	var found []Resource
	for _, r := range c.resources {
		if !kube.ExemptResource(r.GroupResource()) && slices.ContainsFunc(policies, func(p *v2.Policy) bool { return Targets(p, r, workloads) }) {
			found = append(found, r)
		}
	}
	return found
}

// Targets tells whether a policy is about objects of a resource.
func Targets(p *v2.Policy, r Resource, workloads policy.Workloads) bool {
	if len(p.Spec.Targets.Kinds) == 0 && isChurn(r.GroupResource()) {
		return false
	}
	return workloads.Target(&p.Spec.Targets, policy.GroupKind{Group: r.Group, Kind: r.Kind})
}

// isChurn tells of resources that controllers derive from others again and again, or that are made up when they are read.
func isChurn(r schema.GroupResource) bool {
	switch r.Group {
	case "":
		return r.Resource == "endpoints" || r.Resource == "componentstatuses"
	case "discovery.k8s.io":
		return r.Resource == "endpointslices"
	case "metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io":
		return true
	case "wgpolicyk8s.io", "openreports.io", "reports.kyverno.io":
		return true // reports of verdicts, ours among them
	}
	return false
}

// Find is the resource whose objects are of a kind.
func (c Catalogue) Find(kind policy.GroupKind) (Resource, bool) {
	for _, r := range c.resources {
		if r.Kind == kind.Kind && r.Group == kind.Group {
			return r, true
		}
	}
	return Resource{}, false
}

// Has tells whether a resource is there.
func (c Catalogue) Has(r Resource) bool {
	return slices.ContainsFunc(c.resources, func(other Resource) bool { return other.GroupResource() == r.GroupResource() })
}

// Empty tells that nothing was discovered.
func (c Catalogue) Empty() bool { return len(c.resources) == 0 }

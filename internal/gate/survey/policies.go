package survey

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/kube/objects"
	"github.com/assay-gitops/assay/policy"
)

// sources are the resources that a snapshot is compiled from. Old clusters do not have all of them.
var sources = []string{"policies", "policysets", "policyconfigs", "policyexceptions"}

// Policies reads the policies of a cluster, with what belongs to them, in the version that it prefers. Those that were there
// first come first. There are none where the API is not installed.
func Policies(ctx context.Context, client dynamic.Interface, discover discovery.DiscoveryInterface) ([]*policy.Object, error) {
	version, err := servedVersion(ctx, discover)
	if err != nil || version == "" {
		return nil, err
	}
	gv, err := schema.ParseGroupVersion(version)
	if err != nil {
		return nil, fmt.Errorf("discovering %s: %w", v2.Group, err)
	}
	served, err := discovery.ToServerResourcesInterfaceWithContext(discover).ServerResourcesForGroupVersionWithContext(ctx, version)
	if err != nil {
		return nil, fmt.Errorf("discovering %s: %w", version, err)
	}
	type placed struct {
		*unstructured.Unstructured
		at origin
	}
	var found []placed
	reader := objects.Reader{Client: client}
	for _, r := range served.APIResources {
		if !slices.Contains(sources, r.Name) {
			continue
		}
		resource := objects.Resource{GroupVersionResource: gv.WithResource(r.Name), Kind: r.Kind, Namespaced: r.Namespaced}
		if err := reader.List(ctx, resource, "", func(o *unstructured.Unstructured) error {
			found = append(found, placed{o, originOf(resource.GroupResource(), o)})
			return nil
		}); err != nil {
			return nil, readError(err)
		}
	}
	slices.SortStableFunc(found, func(a, b placed) int {
		return a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time)
	})
	all := make([]*policy.Object, 0, len(found))
	for _, o := range found {
		o.SetManagedFields(nil)
		all = append(all, &policy.Object{Content: o.Object, Origin: o.at})
	}
	return all, nil
}

func readError(err error) error {
	if apierrors.IsForbidden(err) {
		return &forbiddenError{err}
	}
	return err
}

// forbiddenError says that the policies of the cluster may not be read.
type forbiddenError struct{ error }

func (e *forbiddenError) Unwrap() error { return e.error }

func (e *forbiddenError) Hint() string {
	return "ask for the right to read the policies, or name policies in files by --policies"
}

// servedVersion is the version of the API that the cluster prefers; empty when it has none.
func servedVersion(ctx context.Context, discover discovery.DiscoveryInterface) (string, error) {
	groups, err := discovery.ToDiscoveryInterfaceWithContext(discover).ServerGroupsWithContext(ctx)
	if err != nil {
		return "", fmt.Errorf("discovering the APIs of the cluster: %w", err)
	}
	i := slices.IndexFunc(groups.Groups, func(g metav1.APIGroup) bool { return g.Name == v2.Group })
	if i < 0 {
		return "", nil
	}
	return groups.Groups[i].PreferredVersion.GroupVersion, nil
}

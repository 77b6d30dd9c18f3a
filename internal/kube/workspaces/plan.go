package workspaces

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/assay-gitops/assay/policy"
)

const (
	// FieldManager owns the fields that are applied.
	FieldManager = "assay-tenants"
	// InventoryLabel is on every object that was applied, with FieldManager as its value, so that they can be listed.
	InventoryLabel = "pac.weave.works/inventory"
	// InventoryAnnotation names the tenant. An object is removed only if it has both.
	InventoryAnnotation = "pac.weave.works/workspace"
)

// concurrency of requests to the API server.
const concurrency = 16

// Action says what happens to an object.
type Action string

// The actions, in the past as they are told after they were taken.
const (
	Created   Action = "created"
	Updated   Action = "updated"
	Recreated Action = "recreated"
	Deleted   Action = "deleted"
	// Kept objects would be deleted, had that been asked for.
	Kept Action = "kept"
)

// Change is what has to be done to one object.
type Change struct {
	Action Action
	// ID is [<namespace>/]<kind>[.<group>]/<name>.
	ID string
	// Tenant of the object.
	Tenant string
	// Fields that change, sorted by path; of updates only.
	Fields []FieldChange

	desired *unstructured.Unstructured // nil for what is deleted or kept
	live    *unstructured.Unstructured // nil for what is created
}

// FieldChange is one field of an object: as it is and as it will be; nil where it is not.
type FieldChange struct {
	Path string `json:"path"`
	From any    `json:"from"`
	To   any    `json:"to"`
}

// Plan is everything that has to be done, in order: what is made and changed, then what is removed.
type Plan struct {
	Changes []Change
	// Foreign are objects with a tenant's label that neither the tenants file has nor this tool has made, sorted by ID.
	Foreign []string
}

// Pruning says what may be removed.
type Pruning struct {
	// Objects that this tool made and the tenants no longer have are removed.
	Objects bool
	// Namespaces among them are removed too, with everything in them.
	Namespaces bool
}

// Cluster is where workspaces live.
type Cluster struct {
	client client.Client
}

// New is a cluster that is reached by a client.
func New(c client.Client) *Cluster { return &Cluster{client: c} }

// kinds are those that tenancy generates. Those that a cluster does not know it has no objects of.
func kinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{
		{Version: "v1", Kind: "Namespace"},
		{Version: "v1", Kind: "ServiceAccount"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "Role"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"},
		{Version: "v1", Kind: "ResourceQuota"},
		{Version: "v1", Kind: "LimitRange"},
		{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
		{Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: "GitRepository"},
		{Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: "OCIRepository"},
		{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"},
		{Group: "pac.weave.works", Version: "v2", Kind: "Policy"},
		{Group: "pac.weave.works", Version: "v2", Kind: "PolicyConfig"},
		{Group: "pac.weave.works", Version: "v2", Kind: "PolicyException"},
	}
}

// ID names an object as the old tool did: [<namespace>/]<kind>[.<group>]/<name>.
func ID(o *unstructured.Unstructured) string {
	kind := strings.ToLower(o.GetKind())
	if group := o.GroupVersionKind().Group; group != "" {
		kind += "." + group
	}
	name := kind + "/" + o.GetName()
	if o.GetNamespace() != "" {
		return o.GetNamespace() + "/" + name
	}
	return name
}

// Plan compares the desired objects with the cluster, by reading and by dry runs.
func (c *Cluster) Plan(ctx context.Context, desired []*unstructured.Unstructured, pruning Pruning) (*Plan, error) {
	live, err := c.live(ctx)
	if err != nil {
		return nil, err
	}
	changes := make([]*Change, len(desired))
	wanted := map[string]int{} // the index of the last, which has a namespace that tenants share, as it always was
	for i, o := range desired {
		wanted[ID(o)] = i
	}
	group, ctx2 := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, o := range desired {
		o = inventoried(o)
		key := ID(o)
		if wanted[key] != i {
			continue
		}
		group.Go(func() error {
			change, err := c.compare(ctx2, o, live[key])
			if err != nil {
				return fmt.Errorf("compare %s: %w", key, err)
			}
			changes[i] = change
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	plan := &Plan{}
	for _, change := range changes {
		if change != nil {
			plan.Changes = append(plan.Changes, *change)
		}
	}
	c.orphans(plan, live, wanted, pruning)
	return plan, nil
}

// orphans adds what is no longer wanted: of this tool's objects to the changes, of others to the foreign ones. Namespaces
// come last, and what is in a namespace that is removed goes with it.
func (c *Cluster) orphans(plan *Plan, live map[string]*unstructured.Unstructured, wanted map[string]int, pruning Pruning) {
	var namespaces []Change
	for _, key := range slices.Sorted(maps.Keys(live)) {
		o := live[key]
		if _, isWanted := wanted[key]; isWanted {
			continue
		}
		if !isOurs(o) {
			if _, tenant := o.GetLabels()[policy.TenantLabel]; tenant {
				plan.Foreign = append(plan.Foreign, key)
			}
			continue
		}
		if o.GetDeletionTimestamp() != nil {
			continue // it is being removed
		}
		change := Change{Action: Kept, ID: key, Tenant: o.GetAnnotations()[InventoryAnnotation], live: o}
		isNamespace := o.GetKind() == "Namespace"
		if pruning.Objects && (!isNamespace || pruning.Namespaces) {
			change.Action = Deleted
		}
		if isNamespace {
			namespaces = append(namespaces, change)
		} else {
			plan.Changes = append(plan.Changes, change)
		}
	}
	plan.Changes = append(plan.Changes, namespaces...)
}

func isOurs(o *unstructured.Unstructured) bool {
	return o.GetLabels()[InventoryLabel] == FieldManager && o.GetAnnotations()[InventoryAnnotation] != ""
}

// inventoried is the object as it is applied. Only its metadata is a copy: the rest is shared by the objects of all tenants.
func inventoried(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = &unstructured.Unstructured{Object: maps.Clone(o.Object)}
	if metadata, isMap := o.Object["metadata"].(map[string]any); isMap {
		o.Object["metadata"] = maps.Clone(metadata)
	}
	labels, annotations := o.GetLabels(), o.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	labels[InventoryLabel] = FieldManager
	annotations[InventoryAnnotation] = labels[policy.TenantLabel]
	o.SetLabels(labels)
	o.SetAnnotations(annotations)
	return o
}

// pageSize of lists.
const pageSize = 500

// live are the objects of the cluster that belong to tenants, by id.
func (c *Cluster) live(ctx context.Context) (map[string]*unstructured.Unstructured, error) {
	live := map[string]*unstructured.Unstructured{}
	var lock sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for _, kind := range kinds() {
		group.Go(func() error {
			for token := ""; ; {
				list := &unstructured.UnstructuredList{} // a new one each time: what is kept points into it
				list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
				err := c.client.List(ctx, list, client.HasLabels{policy.TenantLabel}, client.Limit(pageSize), client.Continue(token))
				if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
					return nil
				}
				if err != nil {
					return fmt.Errorf("list the %s objects of tenants: %w", kind.Kind, err)
				}
				lock.Lock()
				for i := range list.Items {
					live[ID(&list.Items[i])] = &list.Items[i]
				}
				lock.Unlock()
				if token = list.GetContinue(); token == "" {
					return nil
				}
			}
		})
	}
	return live, group.Wait()
}

// compare tells how the cluster's object has to change; nil when it has not.
func (c *Cluster) compare(ctx context.Context, desired, live *unstructured.Unstructured) (*Change, error) {
	change := &Change{ID: ID(desired), Tenant: desired.GetLabels()[policy.TenantLabel], desired: desired}
	if live == nil {
		// It may be there without the label of a tenant.
		found := &unstructured.Unstructured{}
		found.SetGroupVersionKind(desired.GroupVersionKind())
		err := c.client.Get(ctx, client.ObjectKeyFromObject(desired), found)
		switch {
		case apierrors.IsNotFound(err):
			change.Action = Created
			return change, nil
		case meta.IsNoMatchError(err):
			return nil, fmt.Errorf("the cluster does not know the kind %s: install what defines it first: %w", desired.GroupVersionKind(), err)
		case err != nil:
			return nil, err
		}
		live = found
	}
	change.live = live
	if isApplied(desired, live) {
		return nil, nil
	}
	if desired.GetKind() == "RoleBinding" {
		from, to := live.Object["roleRef"], desired.Object["roleRef"]
		if fields := differences("roleRef", from, to); len(fields) > 0 {
			change.Action = Recreated
			change.Fields = append(fields, differences("subjects", live.Object["subjects"], desired.Object["subjects"])...)
			return change, nil
		}
	}
	applied := desired.DeepCopy()
	if err := c.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner(FieldManager), client.ForceOwnership, client.DryRunAll); err != nil {
		return nil, fmt.Errorf("try to apply it: %w", err)
	}
	change.Action = Updated
	change.Fields = differences("", written(live), written(applied))
	slices.SortFunc(change.Fields, func(a, b FieldChange) int { return cmp.Compare(a.Path, b.Path) })
	if len(change.Fields) == 0 {
		return nil, nil
	}
	return change, nil
}

// written is what people have written of an object.
func written(o *unstructured.Unstructured) map[string]any {
	content := o.DeepCopy().Object
	delete(content, "status")
	metadata, _ := content["metadata"].(map[string]any)
	for _, field := range []string{"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid"} {
		delete(metadata, field)
	}
	return content
}

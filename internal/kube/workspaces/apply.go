package workspaces

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// policiesDefinition is the CustomResourceDefinition without which no workspace has walls.
const policiesDefinition = "policies.pac.weave.works"

// Preflight tells why workspaces cannot be made in the cluster.
func (c *Cluster) Preflight(ctx context.Context) error {
	definition := &metav1.PartialObjectMetadata{}
	definition.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	if err := c.client.Get(ctx, client.ObjectKey{Name: policiesDefinition}, definition); err != nil {
		return fmt.Errorf("preflight check failed with error: %w", err)
	}
	return nil
}

// What is removed one after the other: permissions while the walls still stand, then the rest, and the namespaces last.
const (
	permission = iota
	other
	namespace
)

func (change *Change) isRemovalOf(what int) bool {
	if change.Action != Deleted {
		return false
	}
	switch change.live.GetKind() {
	case "RoleBinding", "ServiceAccount", "Kustomization":
		return what == permission
	case "Namespace":
		return what == namespace
	}
	return what == other
}

// Apply makes the changes of a plan: Namespaces first, then what is in them, then the removals. It goes on after an error,
// so that one object does not keep the others from what they should be, and returns all of them. Done is told of every
// change that was made, in the order of the plan.
func (c *Cluster) Apply(ctx context.Context, plan *Plan, done func(Change)) error {
	var errs []error
	for _, phase := range []func(*Change) bool{
		func(change *Change) bool { return change.desired != nil && change.desired.GetKind() == "Namespace" },
		func(change *Change) bool { return change.desired != nil && change.desired.GetKind() != "Namespace" },
		func(change *Change) bool { return change.isRemovalOf(permission) },
		func(change *Change) bool { return change.isRemovalOf(other) },
		func(change *Change) bool { return change.isRemovalOf(namespace) },
	} {
		var chosen []*Change
		for i := range plan.Changes {
			if phase(&plan.Changes[i]) {
				chosen = append(chosen, &plan.Changes[i])
			}
		}
		results := make([]error, len(chosen))
		var group errgroup.Group
		group.SetLimit(concurrency)
		for i, change := range chosen {
			group.Go(func() error {
				results[i] = c.carryOut(ctx, change)
				return nil
			})
		}
		_ = group.Wait() // the goroutines return none
		for i, change := range chosen {
			if results[i] != nil {
				errs = append(errs, results[i])
				continue
			}
			done(*change)
		}
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
	}
	return errors.Join(errs...)
}

func (c *Cluster) carryOut(ctx context.Context, change *Change) error {
	var err error
	switch change.Action {
	case Created, Updated:
		err = c.apply(ctx, change.desired)
	case Recreated:
		err = c.replaceBinding(ctx, change)
	case Deleted:
		err = c.remove(ctx, change.live)
	}
	if err != nil {
		verb := map[Action]string{Created: "create", Updated: "update", Recreated: "recreate", Deleted: "delete"}[change.Action]
		return fmt.Errorf("failed to %s resource %s: %w", verb, change.ID, err)
	}
	return nil
}

func (c *Cluster) apply(ctx context.Context, o *unstructured.Unstructured) error {
	return c.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(o.DeepCopy()), client.FieldOwner(FieldManager), client.ForceOwnership)
}

// remove deletes exactly the object that was looked at: not one that took its name since.
func (c *Cluster) remove(ctx context.Context, o *unstructured.Unstructured) error {
	uid := o.GetUID()
	err := c.client.Delete(ctx, o.DeepCopy(), client.Preconditions{UID: &uid})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// standIn is added to the name of the RoleBinding that gives the permissions while another is replaced.
const standIn = "-replacing"

// replaceBinding gives a RoleBinding another role. The API server does not change one, so a second one stands in while the
// first is made anew: what both roles allow is allowed at every moment.
func (c *Cluster) replaceBinding(ctx context.Context, change *Change) error {
	temporary := change.desired.DeepCopy()
	temporary.SetName(change.desired.GetName() + standIn)
	if err := c.apply(ctx, temporary); err != nil {
		return fmt.Errorf("make the binding that stands in: %w", err)
	}
	if err := c.remove(ctx, change.live); err != nil {
		return fmt.Errorf("remove the old binding: %w", err)
	}
	if err := c.apply(ctx, change.desired); err != nil {
		return fmt.Errorf("make the new binding; until then %s has its permissions: %w", temporary.GetName(), err)
	}
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(temporary.GroupVersionKind())
	if err := c.client.Get(ctx, client.ObjectKeyFromObject(temporary), found); err != nil {
		return client.IgnoreNotFound(err)
	}
	return c.remove(ctx, found)
}

package live

import (
	"cmp"
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"golang.org/x/sync/errgroup"

	"github.com/assay-gitops/assay/policy"
)

// parallelReadings bounds the lists that are read of a workspace at a time.
const parallelReadings = 8

// Namespace of a workspace.
type Namespace struct {
	Name, Workspace string
	Created         time.Time
}

// Namespaces are those of all workspaces, by name. As with Policies, an error can come with a list.
func (c *Cluster) Namespaces(ctx context.Context) ([]Namespace, error) { return c.namespaces.get(ctx) }

func (c *Cluster) readNamespaces(ctx context.Context) ([]Namespace, error) {
	found, err := all(ctx, c.reader, &corev1.NamespaceList{}, func(l *corev1.NamespaceList) []corev1.Namespace { return l.Items }, client.HasLabels{policy.TenantLabel})
	if err != nil {
		return nil, err
	}
	var namespaces []Namespace
	for i := range found {
		if workspace := Workspace(&found[i]); workspace != "" {
			namespaces = append(namespaces, Namespace{found[i].Name, workspace, found[i].CreationTimestamp.Time})
		}
	}
	slices.SortFunc(namespaces, func(a, b Namespace) int { return cmp.Compare(a.Name, b.Name) })
	return namespaces, nil
}

// ServiceAccounts in namespaces.
func (c *Cluster) ServiceAccounts(ctx context.Context, namespaces []string) ([]corev1.ServiceAccount, error) {
	return in(ctx, c.reader, namespaces, &corev1.ServiceAccountList{}, func(l *corev1.ServiceAccountList) []corev1.ServiceAccount { return l.Items })
}

// Roles in namespaces.
func (c *Cluster) Roles(ctx context.Context, namespaces []string) ([]rbacv1.Role, error) {
	return in(ctx, c.reader, namespaces, &rbacv1.RoleList{}, func(l *rbacv1.RoleList) []rbacv1.Role { return l.Items })
}

// RoleBindings in namespaces.
func (c *Cluster) RoleBindings(ctx context.Context, namespaces []string) ([]rbacv1.RoleBinding, error) {
	return in(ctx, c.reader, namespaces, &rbacv1.RoleBindingList{}, func(l *rbacv1.RoleBindingList) []rbacv1.RoleBinding { return l.Items })
}

// Quotas in namespaces.
func (c *Cluster) Quotas(ctx context.Context, namespaces []string) ([]corev1.ResourceQuota, error) {
	return in(ctx, c.reader, namespaces, &corev1.ResourceQuotaList{}, func(l *corev1.ResourceQuotaList) []corev1.ResourceQuota { return l.Items })
}

// in reads a list in each of the namespaces, in their order.
func in[L client.ObjectList, T any](ctx context.Context, reader client.Reader, namespaces []string, list L, items func(L) []T) ([]T, error) {
	found := make([][]T, len(namespaces))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReadings)
	for i, namespace := range namespaces {
		group.Go(func() (err error) {
			found[i], err = all(ctx, reader, list.DeepCopyObject().(L), items, client.InNamespace(namespace))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err //nolint:wrapcheck // it says what was read
	}
	return slices.Concat(found...), nil
}

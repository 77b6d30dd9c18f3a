package live

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

const (
	// fresh is how long what was read is shown without reading it again.
	fresh = 5 * time.Second
	// readTimeout bounds one reading, however long who asked first would wait.
	readTimeout = 15 * time.Second
	// pageSize is how many objects are read at once.
	pageSize = 500
)

// ErrNotInstalled is a cluster that does not know the kinds of policies.
var ErrNotInstalled = errors.New("the cluster has no policies: Assay's CRDs are not installed in it")

// Cluster is the hub's own. It is safe for concurrent use.
type Cluster struct {
	// Name of the cluster.
	Name       string
	reader     client.Reader
	policies   kept[v2.Policy]
	sets       kept[v2.PolicySet]
	configs    kept[v2.PolicyConfig]
	exceptions kept[v2.PolicyException]
	namespaces kept[Namespace]
}

// Reader makes one that New takes. It needs the rights to list what is read: see the documentation of the hub.
func Reader(config *rest.Config) (client.Reader, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v2.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("registering the kinds that are read: %w", err)
	}
	reader, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("making a client of the cluster: %w", err)
	}
	return reader, nil
}

// New reads with the reader; now is the clock.
func New(name string, reader client.Reader, now func() time.Time) *Cluster {
	c := &Cluster{Name: name, reader: reader}
	c.policies = kept[v2.Policy]{now: now, read: func(ctx context.Context) ([]v2.Policy, error) {
		return all(ctx, reader, &v2.PolicyList{}, func(l *v2.PolicyList) []v2.Policy { return l.Items })
	}}
	c.sets = kept[v2.PolicySet]{now: now, read: func(ctx context.Context) ([]v2.PolicySet, error) {
		return all(ctx, reader, &v2.PolicySetList{}, func(l *v2.PolicySetList) []v2.PolicySet { return l.Items })
	}}
	c.configs = kept[v2.PolicyConfig]{now: now, read: func(ctx context.Context) ([]v2.PolicyConfig, error) {
		return all(ctx, reader, &v2.PolicyConfigList{}, func(l *v2.PolicyConfigList) []v2.PolicyConfig { return l.Items })
	}}
	c.exceptions = kept[v2.PolicyException]{now: now, read: func(ctx context.Context) ([]v2.PolicyException, error) {
		return all(ctx, reader, &v2.PolicyExceptionList{}, func(l *v2.PolicyExceptionList) []v2.PolicyException { return l.Items })
	}}
	c.namespaces = kept[Namespace]{now: now, read: c.readNamespaces}
	return c
}

// Policies of the cluster, by name. What is listed is shared, and not to be changed. An error can come with a list: that is then what there was
// when it could be read last.
func (c *Cluster) Policies(ctx context.Context) ([]v2.Policy, error) { return c.policies.get(ctx) }

// Sets are the PolicySets, as Policies are.
func (c *Cluster) Sets(ctx context.Context) ([]v2.PolicySet, error) { return c.sets.get(ctx) }

// Configs are the PolicyConfigs, as Policies are.
func (c *Cluster) Configs(ctx context.Context) ([]v2.PolicyConfig, error) { return c.configs.get(ctx) }

// Exceptions are the PolicyExceptions, as Policies are.
func (c *Cluster) Exceptions(ctx context.Context) ([]v2.PolicyException, error) {
	return c.exceptions.get(ctx)
}

// Workspace names the workspace that something with labels belongs to, empty for none.
func Workspace(object client.Object) string { return object.GetLabels()[policy.TenantLabel] }

// kept is a list that is read again when it is not fresh any more.
type kept[T any] struct {
	read func(ctx context.Context) ([]T, error)
	now  func() time.Time

	mu    sync.Mutex
	until time.Time
	items []T
	err   error
}

// get is the list. Who comes while it is read waits for the same reading.
func (k *kept[T]) get(ctx context.Context) ([]T, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if k.now().Before(k.until) {
		return k.items, k.err
	}
	reading, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	items, err := k.read(reading)
	// A cluster that fails is not asked by everybody at once either.
	k.until, k.err = k.now().Add(fresh), err
	if err == nil {
		k.items = items
	}
	return k.items, k.err
}

// all reads a list in pages, without what only the API server needs.
func all[L client.ObjectList, T any](ctx context.Context, reader client.Reader, list L, items func(L) []T, options ...client.ListOption) ([]T, error) {
	var found []T
	for {
		page := list.DeepCopyObject().(L)
		err := reader.List(ctx, page, append([]client.ListOption{client.Limit(pageSize), client.Continue(list.GetContinue())}, options...)...)
		switch {
		case meta.IsNoMatchError(err):
			return nil, ErrNotInstalled
		case err != nil:
			return nil, fmt.Errorf("reading %T of the cluster: %w", list, err)
		}
		if err := meta.EachListItem(page, func(o runtime.Object) error {
			if object, ok := o.(client.Object); ok {
				object.SetManagedFields(nil)
			}
			return nil
		}); err != nil {
			return nil, fmt.Errorf("reading %T of the cluster: %w", list, err)
		}
		found = append(found, items(page)...)
		if page.GetContinue() == "" {
			return found, nil
		}
		list.SetContinue(page.GetContinue())
	}
}

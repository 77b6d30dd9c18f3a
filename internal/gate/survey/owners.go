package survey

import (
	"context"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"

	"github.com/assay-gitops/assay/internal/kube"
	"github.com/assay-gitops/assay/internal/kube/objects"
	"github.com/assay-gitops/assay/policy"
)

var namespaces = objects.Resource{GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, Kind: "Namespace"}

var getOptions = metav1.GetOptions{}

// owners knows the workloads that are there, by their UIDs: what they made is judged as they are. They are listed,
// names only, when the first object says that it was made by one of their kind.
type owners struct {
	client metadata.Interface
	// workloads are those besides the built-in ones.
	workloads policy.Workloads
	catalogue objects.Catalogue
	// everywhere: those of all namespaces are listed at once.
	everywhere bool

	mu    sync.Mutex
	known map[place]map[types.UID]bool
}

// place is where owners of a kind are; in all namespaces when that is empty.
type place struct {
	resource  schema.GroupVersionResource
	namespace string
}

// controller is the workload that made an object, if it did. Anybody can write so; but if what is named is there, its
// controller would have disowned or deleted an object that it did not make. Where that may not be looked up, the object is
// judged by itself.
func (o *owners) controller(ctx context.Context, object *policy.Object) policy.GroupKind {
	c, known := kube.ControllerOf(object.Content)
	if _, declared := o.workloads[c.GroupKind()]; !known && !declared || c.UID == "" {
		return policy.GroupKind{}
	}
	resource, found := o.catalogue.Find(c.GroupKind())
	if !found {
		return policy.GroupKind{}
	}
	at := place{resource: resource.GroupVersionResource}
	if !o.everywhere {
		at.namespace = object.Namespace()
	}
	if !o.has(ctx, at, types.UID(c.UID)) {
		return policy.GroupKind{}
	}
	return c.GroupKind()
}

func (o *owners) has(ctx context.Context, at place, uid types.UID) bool {
	o.mu.Lock()
	defer o.mu.Unlock() // others wait for the list that they need too
	found, listed := o.known[at]
	if !listed {
		found = o.list(ctx, at)
		if o.known == nil {
			o.known = map[place]map[types.UID]bool{}
		}
		o.known[at] = found
	}
	return found[uid]
}

// list returns those that may be listed.
func (o *owners) list(ctx context.Context, at place) map[types.UID]bool {
	found := map[types.UID]bool{}
	options := metav1.ListOptions{Limit: 500}
	for {
		page, err := o.client.Resource(at.resource).Namespace(at.namespace).List(ctx, options)
		if err != nil {
			return found
		}
		for i := range page.Items {
			found[page.Items[i].UID] = true
		}
		if options.Continue = page.Continue; options.Continue == "" {
			return found
		}
	}
}

package agent

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// namespaces finds Namespace objects: in the cache, and where that has not heard of one yet, at the API server. A namespace
// made a moment ago is as good as any other.
type namespaces struct {
	cached, live client.Reader
}

func newNamespace() *unstructured.Unstructured {
	n := &unstructured.Unstructured{}
	n.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"})
	return n
}

// get returns the content of a Namespace, nil when there is none of that name. Nobody may change it.
func (n *namespaces) get(ctx context.Context, name string) (map[string]any, error) {
	for _, reader := range []client.Reader{n.cached, n.live} {
		namespace := newNamespace()
		err := reader.Get(ctx, client.ObjectKey{Name: name}, namespace)
		switch {
		case err == nil:
			return namespace.Object, nil
		case !apierrors.IsNotFound(err):
			return nil, fmt.Errorf("reading namespace %s: %w", name, err)
		}
	}
	return nil, nil
}

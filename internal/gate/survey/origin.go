package survey

import (
	"path"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/assay-gitops/assay/policy"
)

// origin is an object in a cluster. Reports are about files, so it stands for one: namespace/resource.group/name.
type origin string

func originOf(resource schema.GroupResource, o *unstructured.Unstructured) origin {
	return origin(path.Join(o.GetNamespace(), resource.String(), o.GetName()))
}

// Root is the object itself.
func (o origin) Root() string { return string(o) }

// Object has no line.
func (o origin) Object() policy.Location { return policy.Location{File: string(o)} }

// Field is in the object.
func (o origin) Field(policy.Path) []policy.Location { return []policy.Location{o.Object()} }

package check

import (
	"testing"

	"github.com/assay-gitops/assay/policy"
)

// rooted is an origin below a unit.
type rooted struct{ root, file string }

func (o rooted) Root() string                        { return o.root }
func (o rooted) Object() policy.Location             { return policy.Location{File: o.file, Line: 1, Column: 1} }
func (o rooted) Field(policy.Path) []policy.Location { return []policy.Location{o.Object()} }

func namespaceOf(tenant, root, file string) *policy.Object {
	return &policy.Object{Origin: rooted{root, file}, Content: map[string]any{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": "shop", "labels": map[string]any{policy.TenantLabel: tenant}},
	}}
}

func TestTheNearestNamespaceCounts(t *testing.T) {
	inTree := []*policy.Object{
		namespaceOf("staging", "clusters/staging/ns.yaml", "clusters/staging/ns.yaml"),
		namespaceOf("production", "clusters/production/ns.yaml", "clusters/production/ns.yaml"),
		namespaceOf("overlay", "overlays/shop", "base/ns.yaml"),
	}
	beside := []*policy.Object{namespaceOf("policies", "policies/ns.yaml", "policies/ns.yaml")}
	for _, test := range []struct{ name, root, file, want string }{
		{"the one of the same cluster's folder", "clusters/production/apps/web.yaml", "clusters/production/apps/web.yaml", "production"},
		{"the one built by the same kustomization", "overlays/shop", "clusters/production/apps/web.yaml", "overlay"},
		{"the first where none is near", "elsewhere/web.yaml", "elsewhere/web.yaml", "staging"},
		{"the one beside the policies where it is the nearest", "policies/x.yaml", "policies/x.yaml", "policies"},
	} {
		t.Run(test.name, func(t *testing.T) {
			object := named("Service", "web", rooted{test.root, test.file})
			request := policy.Request{Object: object, Namespace: indexNamespaces(inTree, beside).of(object)}
			if got := request.Workspace(); got != test.want {
				t.Errorf("workspace %q, want %q", got, test.want)
			}
		})
	}
	t.Run("an unknown namespace is nil", func(t *testing.T) {
		if got := indexNamespaces(nil, nil).of(named("Service", "web", nil)); got != nil {
			t.Errorf("got %v", got)
		}
	})
}

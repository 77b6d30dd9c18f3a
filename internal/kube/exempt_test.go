package kube

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestNamespacesThatAlwaysPass(t *testing.T) {
	tests := map[string]struct {
		own      string
		excluded []string
		want     []string
	}{
		"those of the control plane":            {want: []string{"kube-node-lease", "kube-public", "kube-system"}},
		"the agent's own, whatever is excluded": {"policy-system", []string{"flux-system"}, []string{"flux-system", "kube-node-lease", "kube-public", "kube-system", "policy-system"}},
		"each of them once":                     {"kube-system", []string{"b", "kube-public", "b"}, []string{"b", "kube-node-lease", "kube-public", "kube-system"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := ExemptNamespaces(test.own, test.excluded...); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestResourcesThatAlwaysPass(t *testing.T) {
	tests := map[schema.GroupResource]bool{
		{Group: "coordination.k8s.io", Resource: "leases"}:                                   true,
		{Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions"}:               true,
		{Group: "admissionregistration.k8s.io", Resource: "validatingwebhookconfigurations"}: true,
		{Group: "apiregistration.k8s.io", Resource: "apiservices"}:                           true,
		{Group: "pac.weave.works", Resource: "policies"}:                                     true,
		{Group: "", Resource: "events"}:                                                      true,
		{Group: "events.k8s.io", Resource: "events"}:                                         true,
		{Group: "authorization.k8s.io", Resource: "subjectaccessreviews"}:                    true,
		{Group: "authentication.k8s.io", Resource: "tokenreviews"}:                           true,
		{Group: "certificates.k8s.io", Resource: "certificatesigningrequests"}:               true,
		{Group: "apps", Resource: "deployments"}:                                             false,
		{Group: "", Resource: "leases"}:                                                      false,
		{Group: "rbac.authorization.k8s.io", Resource: "clusterroles"}:                       false,
		{Group: "example.com", Resource: "events"}:                                           false,
		{Group: "", Resource: "nodes"}:                                                       false,
		{Group: "certificates.k8s.io", Resource: "clustertrustbundles"}:                      false,
	}
	for resource, want := range tests {
		if got := ExemptResource(resource); got != want {
			t.Errorf("%s: got %t, want %t", resource, got, want)
		}
	}
}

func TestTheListIsSorted(t *testing.T) {
	key := func(r schema.GroupResource) string { return r.Group + "/" + r.Resource }
	if !slices.IsSortedFunc(ExemptResources(), func(a, b schema.GroupResource) int {
		if key(a) < key(b) {
			return -1
		}
		return 1
	}) {
		t.Error("not sorted: the registration would change when the list is reordered")
	}
}

func TestRequestsThatAlwaysPass(t *testing.T) {
	namespaces := ExemptNamespaces("assay-system", "flux-system")
	for _, test := range []struct {
		name                                            string
		group, resource, subresource, namespace, object string
		want                                            bool
	}{
		{"a deployment", "apps", "deployments", "", "shop", "web", false},
		{"a deployment of kube-system", "apps", "deployments", "", "kube-system", "dns", true},
		{"a deployment of kube-node-lease", "apps", "deployments", "", "kube-node-lease", "x", true},
		{"a deployment beside the agent", "apps", "deployments", "", "assay-system", "assay", true},
		{"a deployment of a namespace that is configured", "apps", "deployments", "", "flux-system", "x", true},
		{"a namespace whose name only begins like an exempt one", "apps", "deployments", "", "kube-system-2", "x", false},
		{"an object that is called like an exempt namespace", "apps", "deployments", "", "shop", "kube-system", false},
		{"a cluster role", "rbac.authorization.k8s.io", "clusterroles", "", "", "kube-system", false},
		{"the Namespace kube-public", "", "namespaces", "", "", "kube-public", true},
		{"the Namespace kube-public as the API server says it", "", "namespaces", "", "kube-public", "kube-public", true},
		{"another Namespace", "", "namespaces", "", "shop", "shop", false},
		{"a Namespace that pretends to be in an exempt one", "", "namespaces", "", "kube-system", "shop", false},
		{"the finalizers of a Namespace", "", "namespaces", "finalize", "shop", "shop", true},
		{"something else called namespaces", "example.org", "namespaces", "", "shop", "kube-system", false},
		{"a lease", "coordination.k8s.io", "leases", "", "shop", "x", true},
		{"the status of an API service", "apiregistration.k8s.io", "apiservices", "status", "", "x", true},
		{"an event", "", "events", "", "shop", "x", true},
		{"a node", "", "nodes", "", "", "n1", false},
		{"the status of a node", "", "nodes", "status", "", "n1", true},
		{"the status of a pod", "", "pods", "status", "shop", "x", true},
		{"the status of a service", "", "services", "status", "shop", "x", false},
		{"an exec into a pod", "", "pods", "exec", "shop", "x", false},
		{"a token", "", "serviceaccounts", "token", "shop", "x", true},
		{"a service account", "", "serviceaccounts", "", "shop", "x", false},
		{"an access review", "authorization.k8s.io", "selfsubjectaccessreviews", "", "", "", true},
	} {
		resource := schema.GroupResource{Group: test.group, Resource: test.resource}
		if got := Exempt(namespaces, resource, test.subresource, test.namespace, test.object); got != test.want {
			t.Errorf("%s: exempt is %t, want %t", test.name, got, test.want)
		}
	}
}

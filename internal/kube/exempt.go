package kube

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// allResources of a group.
const allResources = "*"

// ExemptNamespaces are the namespaces whose objects always pass admission, sorted: those the control plane lives in, the
// agent's own (or a policy could keep the agent from being repaired) and those that the configuration excludes. A Namespace
// object counts as in itself.
func ExemptNamespaces(own string, excluded ...string) []string {
	all := append([]string{"kube-node-lease", "kube-public", "kube-system"}, excluded...)
	if own != "" {
		all = append(all, own)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// ExemptResources are the resources whose objects always pass admission, sorted; the resource * stands for all of a group.
// They are what a cluster needs to keep running and to repair itself while the agent is away: leader election, the
// registration of webhooks and of APIs, the definitions of kinds, the policies themselves (another webhook judges
// those), how nodes join, and requests that ask a question and store nothing. Events are exempt because the verdicts
// themselves make events.
func ExemptResources() []schema.GroupResource {
	return []schema.GroupResource{
		{Group: "", Resource: "events"},
		{Group: "admissionregistration.k8s.io", Resource: allResources},
		{Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions"},
		{Group: "apiregistration.k8s.io", Resource: "apiservices"},
		{Group: "authentication.k8s.io", Resource: allResources},
		{Group: "authorization.k8s.io", Resource: allResources},
		{Group: "certificates.k8s.io", Resource: "certificatesigningrequests"},
		{Group: "coordination.k8s.io", Resource: allResources},
		{Group: "events.k8s.io", Resource: "events"},
		{Group: "pac.weave.works", Resource: allResources},
	}
}

// ExemptResource tells whether objects of a resource (without a subresource) always pass admission.
func ExemptResource(resource schema.GroupResource) bool {
	return slices.ContainsFunc(ExemptResources(), func(exempt schema.GroupResource) bool {
		return exempt.Group == resource.Group && (exempt.Resource == allResources || exempt.Resource == resource.Resource)
	})
}

// ExemptSubresources are subresources of the core group that always pass although their resources do not, as
// resource/subresource, sorted: what kubelets and the namespace controller report, and tokens. Other statuses are judged when
// a policy asks for them; that of a Service, for one, moves traffic.
func ExemptSubresources() []string {
	return []string{"namespaces/finalize", "namespaces/status", "nodes/status", "pods/status", "serviceaccounts/token"}
}

func exemptSubresource(resource schema.GroupResource, subresource string) bool {
	return resource.Group == "" && subresource != "" && slices.Contains(ExemptSubresources(), resource.Resource+"/"+subresource)
}

// Exempt tells whether a request always passes admission: because of its namespace (exempt are those of ExemptNamespaces),
// or because of what it is about. Namespace is that of the request, name that of the object. A Namespace object counts as
// in itself, whatever the request says: else one could be made that nothing can be put into, or the agent's own be lost.
func Exempt(exempt []string, resource schema.GroupResource, subresource, namespace, name string) bool {
	if resource.Group == "" && resource.Resource == "namespaces" {
		namespace = name
	}
	return namespace != "" && slices.Contains(exempt, namespace) ||
		ExemptResource(resource) || exemptSubresource(resource, subresource)
}

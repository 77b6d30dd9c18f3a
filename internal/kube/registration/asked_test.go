package registration

import (
	"context"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/webhook"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/namespace"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
	clientset "k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// request is one that the API server decides about.
type request struct {
	resource, subresource string // group/resource
	namespace, name       string
	operation             admission.Operation
	user                  string
	groups                []string
}

// askedFor says whether the API server calls the webhook about the request: with its own code for rules, selectors and
// conditions.
func askedFor(t *testing.T, w *admissionregistrationv1.ValidatingWebhook, r request) bool {
	t.Helper()
	group, resource, _ := strings.Cut(r.resource, "/")
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetName(r.name)
	object.SetNamespace(r.namespace)
	inNamespace := r.namespace
	if resource == "namespaces" {
		object.SetLabels(map[string]string{corev1.LabelMetadataName: r.name}) // as the API server's defaults do
		inNamespace = r.name
	}
	if r.operation == "" {
		r.operation = admission.Update
	}
	kind := schema.GroupVersionKind{Group: group, Version: "v1", Kind: "Thing"}
	info := &user.DefaultInfo{Name: r.user, Groups: r.groups}
	attributes := admission.NewAttributesRecord(object, object, kind, inNamespace, r.name,
		schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}, r.subresource, r.operation, nil, false, info)

	matched := false
	for _, rule := range w.Rules {
		matcher := rules.Matcher{Rule: rule, Attr: attributes}
		matched = matched || matcher.Matches()
	}
	if !matched {
		return false
	}
	accessor := webhook.NewValidatingWebhookAccessor("uid", "policy-agent", w)
	namespaces := namespace.Matcher{NamespaceLister: namespaceLister(inNamespace), Client: clientset.New(nil)}
	selected, status := namespaces.MatchNamespaceSelector(accessor, attributes)
	if status != nil {
		t.Fatal(status)
	}
	if !selected {
		return false
	}
	compiler := cel.NewConditionCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	versioned := &admission.VersionedAttributes{Attributes: attributes, VersionedKind: kind, VersionedObject: admission.NewLazyObject(object), VersionedOldObject: admission.NewLazyObject(object)}
	result := accessor.GetCompiledMatcher(compiler).Match(context.Background(), versioned, nil, nil)
	if result.Error != nil {
		t.Fatalf("a condition fails, and with it the request: %v", result.Error)
	}
	return result.Matches
}

func namespaceLister(name string) corelisters.NamespaceLister {
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	_ = indexer.Add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}}})
	return corelisters.NewNamespaceLister(indexer)
}

func TestWhatAPolicyForEverythingIsAskedAbout(t *testing.T) {
	everything := target("a", v2.PolicyTargets{Operations: []string{"CREATE", "UPDATE", "DELETE", "CONNECT"}, Subresources: []string{"*"}})
	validating, _, _ := Build([]*v2.Policy{everything}, cluster, options())
	w := &validating.Webhooks[0]
	if w.Name != webhookFail {
		t.Fatalf("the first webhook is %s", w.Name)
	}
	const node, garbageCollector = "system:node:worker-1", "system:serviceaccount:kube-system:generic-garbage-collector"
	tests := map[string]struct {
		request request
		want    bool
	}{
		"a Deployment":                    {request{resource: "apps/deployments", namespace: "shop", name: "web"}, true},
		"one without a name yet":          {request{resource: "apps/deployments", namespace: "shop", operation: admission.Create}, true},
		"its scale":                       {request{resource: "apps/deployments", subresource: "scale", namespace: "shop", name: "web"}, true},
		"its status":                      {request{resource: "apps/deployments", subresource: "status", namespace: "shop", name: "web"}, true},
		"a kind that came just now":       {request{resource: "example.com/widgets", namespace: "shop", name: "w"}, true},
		"cluster-scoped":                  {request{resource: "rbac.authorization.k8s.io/clusterroles", name: "admin"}, true},
		"a Namespace":                     {request{resource: "/namespaces", name: "shop"}, true},
		"by an administrator":             {request{resource: "/nodes", name: "worker-1", user: "kubernetes-admin", groups: []string{"system:masters"}}, true},
		"by the deployment controller":    {request{resource: "/pods", namespace: "shop", name: "web", user: "system:serviceaccount:kube-system:replicaset-controller"}, true},
		"a pod by a scheduler":            {request{resource: "/pods", namespace: "shop", name: "web", user: "system:kube-scheduler"}, true},
		"a role named like the agent":     {request{resource: "rbac.authorization.k8s.io/roles", namespace: "shop", name: "policy-agent"}, true},
		"deletion by a person":            {request{resource: "/pods", namespace: "shop", name: "web", operation: admission.Delete, user: "jane"}, true},
		"change by the garbage collector": {request{resource: "/pods", namespace: "shop", name: "web", user: garbageCollector}, true},

		"in the agent's namespace":           {request{resource: "apps/deployments", namespace: "policy-system", name: "policy-agent"}, false},
		"that namespace":                     {request{resource: "/namespaces", name: "policy-system"}, false},
		"its deletion":                       {request{resource: "/namespaces", name: "policy-system", operation: admission.Delete}, false},
		"in kube-system":                     {request{resource: "apps/daemonsets", namespace: "kube-system", name: "cni"}, false},
		"in an excluded namespace":           {request{resource: "apps/deployments", namespace: "flux-system", name: "source-controller"}, false},
		"leader election":                    {request{resource: "coordination.k8s.io/leases", namespace: "shop", name: "leader"}, false},
		"a CRD":                              {request{resource: "apiextensions.k8s.io/customresourcedefinitions", name: "policies.pac.weave.works"}, false},
		"a CRD's status":                     {request{resource: "apiextensions.k8s.io/customresourcedefinitions", subresource: "status", name: "x"}, false},
		"an APIService":                      {request{resource: "apiregistration.k8s.io/apiservices", name: "v1.x"}, false},
		"a policy":                           {request{resource: "pac.weave.works/policies", name: "p"}, false},
		"an event":                           {request{resource: "/events", namespace: "shop", name: "e"}, false},
		"a question about rights":            {request{resource: "authorization.k8s.io/selfsubjectaccessreviews", operation: admission.Create}, false},
		"a token":                            {request{resource: "/serviceaccounts", subresource: "token", namespace: "shop", name: "default", operation: admission.Create}, false},
		"a node's status":                    {request{resource: "/nodes", subresource: "status", name: "worker-1", user: "system:serviceaccount:kube-system:node-controller"}, false},
		"a node that registers":              {request{resource: "/nodes", name: "worker-1", operation: admission.Create, user: node, groups: []string{"system:nodes"}}, false},
		"what a kubelet writes":              {request{resource: "storage.k8s.io/csinodes", name: "worker-1", user: node, groups: []string{"system:nodes", "system:authenticated"}}, false},
		"a node that joins":                  {request{resource: "certificates.k8s.io/certificatesigningrequests", operation: admission.Create, user: "system:bootstrap:abcdef"}, false},
		"the taint of a node that is ready":  {request{resource: "/nodes", name: "worker-1", user: "system:serviceaccount:kube-system:node-controller"}, false},
		"a node by its cloud":                {request{resource: "/nodes", name: "worker-1", user: "system:cloud-controller-manager"}, false},
		"roles of an API server that starts": {request{resource: "rbac.authorization.k8s.io/clusterroles", name: "admin", user: "system:apiserver", groups: []string{"system:masters"}}, false},
		"the agent's rights":                 {request{resource: "rbac.authorization.k8s.io/clusterrolebindings", name: "policy-agent", user: "jane"}, false},
		"its rights to register":             {request{resource: "rbac.authorization.k8s.io/clusterroles", name: "policy-agent-registration", user: "jane"}, false},
		"garbage collection":                 {request{resource: "/pods", namespace: "shop", name: "web", operation: admission.Delete, user: garbageCollector}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := askedFor(t, w, test.request); got != test.want {
				t.Errorf("asked %t, want %t", got, test.want)
			}
		})
	}
}

func TestWhoPretendsToBeExemptIsJudged(t *testing.T) {
	validating, _, _ := Build([]*v2.Policy{target("a", v2.PolicyTargets{})}, cluster, options())
	for name, r := range map[string]request{
		"a group that only sounds like nodes":      {resource: "apps/deployments", namespace: "shop", name: "web", groups: []string{"system:nodesmiths"}},
		"a user that only sounds like kube-system": {resource: "/nodes", name: "n", user: "system:serviceaccount:kube-systems:x"},
		"a role binding that sounds like ours":     {resource: "rbac.authorization.k8s.io/clusterrolebindings", name: "policy-agent-2"},
		"a namespace that sounds like the system":  {resource: "/namespaces", name: "kube-system-2"},
		"a group that sounds like ours":            {resource: "pac.weave.works.example.com/policies", name: "p"},
	} {
		t.Run(name, func(t *testing.T) {
			if !askedFor(t, &validating.Webhooks[0], r) {
				t.Error("passes without being judged")
			}
		})
	}
}

func TestConditionsQuoteNames(t *testing.T) {
	o := options()
	o.Name = `a'b\`
	validating, _, _ := Build([]*v2.Policy{target("a", v2.PolicyTargets{})}, cluster, o)
	if askedFor(t, &validating.Webhooks[0], request{resource: "rbac.authorization.k8s.io/clusterroles", name: o.Name}) {
		t.Error("the name is not found")
	}
}

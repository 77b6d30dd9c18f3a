package policy

import (
	"strings"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// TenantLabel on a Namespace (and on what a tenant owns) names the tenant, which is also called workspace.
const TenantLabel = "toolkit.fluxcd.io/tenant"

// Object is one Kubernetes object as a gate found it.
type Object struct {
	// Content is the object as JSON values: map[string]any, []any, string, bool, nil and the numbers int64 and
	// float64. Nobody changes it once the Object exists.
	Content map[string]any
	// Origin tells where the object was written; nil where nobody can say, as in a cluster.
	Origin Origin
}

// APIVersion of the object, such as apps/v1.
func (o *Object) APIVersion() string { return text(o.Content, "apiVersion") }

// Kind of the object.
func (o *Object) Kind() string { return text(o.Content, "kind") }

// Group is the API group of the object; "" is the core group.
func (o *Object) Group() string {
	group, _, found := strings.Cut(o.APIVersion(), "/")
	if !found {
		return ""
	}
	return group
}

// GroupKind is the group and the kind of the object.
func (o *Object) GroupKind() GroupKind { return GroupKind{Group: o.Group(), Kind: o.Kind()} }

// Version is the API version without the group.
func (o *Object) Version() string {
	group, version, found := strings.Cut(o.APIVersion(), "/")
	if !found {
		return group
	}
	return version
}

// Name is metadata.name.
func (o *Object) Name() string { return text(o.metadata(), "name") }

// Namespace is metadata.namespace; "" for cluster-scoped objects.
func (o *Object) Namespace() string { return text(o.metadata(), "namespace") }

// Label returns a label of the object.
func (o *Object) Label(key string) (string, bool) {
	labels, _ := o.metadata()["labels"].(map[string]any)
	value, ok := labels[key].(string)
	return value, ok
}

func (o *Object) metadata() map[string]any {
	metadata, _ := o.Content["metadata"].(map[string]any)
	return metadata
}

func text(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

// String is kind/name, with the namespace where there is one: deployment/web in namespace: shop.
func (o *Object) String() string {
	s := strings.ToLower(o.Kind()) + "/" + o.Name()
	if ns := o.Namespace(); ns != "" {
		s += " in namespace: " + ns
	}
	return s
}

// App is the Flux object that applies an object.
type App struct {
	// Kind is HelmRelease or Kustomization.
	Kind, Name, Namespace string
}

// App returns the Flux object that applies the object, read from the labels that Flux puts on what it applies. When an
// object carries both pairs of labels, HelmRelease wins: a Kustomization that applies a HelmRelease never labels the
// release's objects itself, so where both are present the release is the nearer owner.
func (o *Object) App() (App, bool) {
	for _, owner := range [...]struct{ kind, group string }{
		{"HelmRelease", "helm.toolkit.fluxcd.io"},
		{"Kustomization", "kustomize.toolkit.fluxcd.io"},
	} {
		name, hasName := o.Label(owner.group + "/name")
		namespace, hasNamespace := o.Label(owner.group + "/namespace")
		if hasName && hasNamespace {
			return App{owner.kind, name, namespace}, true
		}
	}
	return App{}, false
}

// Operation is what a request does to an object; empty where a gate has none.
type Operation string

// The operations of the Kubernetes API.
const (
	Create  Operation = "CREATE"
	Update  Operation = "UPDATE"
	Delete  Operation = "DELETE"
	Connect Operation = "CONNECT"
)

// UserInfo is who makes a request.
type UserInfo struct {
	Username string
	UID      string
	Groups   []string
	Extra    map[string][]string
}

// Request is an object together with what the gate knows about how it came. Everything but Object is optional.
type Request struct {
	Object *Object
	// Mode chooses the policies that act; admission when empty.
	Mode v2.Mode
	// Operation at admission.
	Operation Operation
	// Subresource at admission, such as scale.
	Subresource string
	// OldObject is the object before an update or delete.
	OldObject map[string]any
	// UserInfo is who asks, at admission.
	UserInfo *UserInfo
	// Namespace is the Namespace object that the object lives in.
	Namespace map[string]any
	// DryRun says that nothing will be stored.
	DryRun bool
	// FailurePolicy, when set, limits the policies to those that fail closed (Fail) or to the others (Ignore), as
	// PolicySpec.FailsClosed tells: the API server asks one webhook for each of them.
	FailurePolicy v2.FailurePolicy
	// Controller is the controller that made the object and that is judged itself; the zero value where there is none, or
	// where the gate cannot be sure that it was the controller (anybody can write an ownerReference). Policies that
	// target the controller's kind leave the object out.
	Controller GroupKind
	// Only, when not nil, limits the policies to those whose ids it holds: the others are known already.
	Only map[string]bool
	// Compliance asks for results of status compliance too.
	Compliance bool
}

// GroupKind is an API group ("" is the core group) and a kind in it.
type GroupKind struct{ Group, Kind string }

// Workspace is the tenant that the object's namespace belongs to; "" when it belongs to none.
func (r *Request) Workspace() string {
	namespace := Object{Content: r.Namespace}
	tenant, _ := namespace.Label(TenantLabel)
	return tenant
}

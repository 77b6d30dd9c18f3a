// Package v2 holds the Kubernetes API types of group pac.weave.works: Policy, PolicySet, PolicyConfig and
// PolicyException, all cluster-scoped.
//
// The Go types live once, here. The generated CRDs serve them as v2beta1, v2beta2, v2beta3 and v2 with one structural
// schema, a superset of everything the Weave Policy Agent ever served, so that existing manifests apply unchanged
// without a conversion webhook.
//
// +kubebuilder:object:generate=true
// +groupName=pac.weave.works
package v2

//go:generate go tool -modfile=../../tools/go.mod controller-gen object paths=.
//go:generate go run ../../hack/crds -types . -out crds,../../charts/policy-agent/crds

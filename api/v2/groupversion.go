package v2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group is the API group of all kinds in this package.
const Group = "pac.weave.works"

// GroupVersion is the storage version.
var GroupVersion = schema.GroupVersion{Group: Group, Version: "v2"}

// Versions are the version names under which the one schema is served, oldest first.
func Versions() []string { return []string{"v2beta1", "v2beta2", "v2beta3", "v2"} }

// The kinds of the group.
const (
	PolicyKind          = "Policy"
	PolicySetKind       = "PolicySet"
	PolicyConfigKind    = "PolicyConfig"
	PolicyExceptionKind = "PolicyException"
)

// AddToScheme registers the kinds under the storage version, which every API server that has our CRDs serves.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&Policy{}, &PolicyList{},
		&PolicySet{}, &PolicySetList{},
		&PolicyConfig{}, &PolicyConfigList{},
		&PolicyException{}, &PolicyExceptionList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}

package engine

import (
	"bytes"
	"maps"
	"reflect"
	"slices"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// sameRule tells whether a policy that changed still has all that was compiled of it. It is asked for every policy whenever
// one changes, and so does without reflection where it can.
func sameRule(before, after *v2.Policy) bool {
	if before == after {
		return true
	}
	a, b := &before.Spec, &after.Spec
	return a.Code == b.Code && a.FailsClosed() == b.FailsClosed() &&
		(a.CEL == nil && b.CEL == nil || reflect.DeepEqual(a.CEL, b.CEL)) &&
		slices.EqualFunc(a.Parameters, b.Parameters, sameParameter) && sameTargets(&a.Targets, &b.Targets) && sameExclusions(&a.Exclude, &b.Exclude)
}

func sameParameter(a, b v2.PolicyParameter) bool {
	sameValue := a.Value == b.Value || a.Value != nil && b.Value != nil && bytes.Equal(a.Value.Raw, b.Value.Raw)
	return sameValue && a.Name == b.Name && a.Type == b.Type && a.Required == b.Required
}

func sameTargets(a, b *v2.PolicyTargets) bool {
	return slices.Equal(a.Kinds, b.Kinds) && slices.Equal(a.APIGroups, b.APIGroups) && slices.Equal(a.Namespaces, b.Namespaces) &&
		slices.Equal(a.Operations, b.Operations) && slices.Equal(a.Subresources, b.Subresources) &&
		slices.EqualFunc(a.Labels, b.Labels, maps.Equal[map[string]string, map[string]string]) &&
		(a.NamespaceSelector == nil && b.NamespaceSelector == nil || reflect.DeepEqual(a.NamespaceSelector, b.NamespaceSelector))
}

func sameExclusions(a, b *v2.PolicyExclusions) bool {
	return slices.Equal(a.Namespaces, b.Namespaces) && slices.Equal(a.Resources, b.Resources) && maps.Equal(a.Labels, b.Labels)
}

package kustomize

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/assay-gitops/assay/policy"
)

// identity is what an object is and was known by on its way through the layers. Kustomize selects by any of it.
type identity struct {
	// names from the base's up, the last one is the built object's.
	names []string
	// namespaces, in no order; "default" is "".
	namespaces []string
	// namespace that the layers give it.
	namespace string
}

// identify follows a name from the base up to the top.
func (o *Origin) identify(name, namespace string) identity {
	built := policy.Object{Content: o.content}
	id := identity{names: []string{name}, namespace: namespace, namespaces: []string{effective(namespace), effective(built.Namespace())}}
	for _, l := range slices.Backward(o.chain) {
		id.pass(o.tree, l, !isNeverRenamed(&built))
	}
	return id
}

// pass takes the identity through a layer and its components.
func (id *identity) pass(t *tree, l *layer, renamed bool) {
	for _, component := range l.components(t) {
		id.pass(t, component, renamed)
	}
	if renamed && (l.spec.NamePrefix != "" || l.spec.NameSuffix != "") {
		id.names = append(id.names, l.spec.NamePrefix+id.name()+l.spec.NameSuffix)
	}
	if l.spec.Namespace != "" {
		id.namespace = l.spec.Namespace
		id.namespaces = append(id.namespaces, effective(l.spec.Namespace))
	}
}

// name is the last one.
func (id *identity) name() string { return id.names[len(id.names)-1] }

// isNeverRenamed tells whether prefixes and suffixes pass an object by.
func isNeverRenamed(o *policy.Object) bool {
	switch o.Kind() {
	case "CustomResourceDefinition", "Namespace":
		return true
	case "APIService":
		return o.Group() == "apiregistration.k8s.io"
	}
	return false
}

func effective(namespace string) string {
	if namespace == "default" {
		return ""
	}
	return namespace
}

// isHashed tells whether a name is another one with the hash that kustomize appends to what it generates.
func isHashed(name, plain string) bool {
	const hash = 11 // with the dash
	return len(name) == len(plain)+hash && name[:len(plain)] == plain && name[len(plain)] == '-'
}

// isFor tells whether a patch to merge is for the object.
func (o *Origin) isFor(patched policy.Object) bool {
	built := policy.Object{Content: o.content}
	return patched.Kind() == built.Kind() && patched.Group() == built.Group() &&
		slices.Contains(o.known.names, patched.Name()) && slices.Contains(o.known.namespaces, effective(patched.Namespace()))
}

// isSelected tells whether a selector of a patch or a replacement chooses the object.
func (o *Origin) isSelected(s *types.Selector) bool {
	built := policy.Object{Content: o.content}
	return matches(s.Kind, built.Kind()) && matches(s.Group, built.Group()) && matches(s.Version, built.Version()) &&
		matchesAny(s.Name, o.known.names) && matchesAny(s.Namespace, o.known.namespaces) &&
		o.hasPairs(s.LabelSelector, "labels") && o.hasPairs(s.AnnotationSelector, "annotations")
}

func matchesAny(expression string, values []string) bool {
	return slices.ContainsFunc(values, func(value string) bool {
		return matches(expression, value) || value == "" && matches(expression, "default")
	})
}

// hasPairs tells whether the labels or annotations of the object or of its base satisfy a selector.
func (o *Origin) hasPairs(expression, field string) bool {
	if expression == "" {
		return true
	}
	selector, err := labels.Parse(expression)
	if err != nil {
		return false
	}
	path := policy.Path{policy.Key("metadata"), policy.Key(field)}
	satisfies := func(content any) bool {
		set := labels.Set{}
		pairs, _ := at(content, path).(map[string]any)
		for key, value := range pairs {
			set[key], _ = value.(string)
		}
		return selector.Matches(set)
	}
	return satisfies(o.content) || o.base != nil && satisfies(o.base.Content)
}

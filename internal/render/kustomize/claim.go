package kustomize

import (
	"iter"
	"slices"
	"strings"

	"github.com/assay-gitops/assay/policy"
)

// claim is a place in some layer that sets a field of the object.
type claim struct {
	at policy.Location
	// value that it sets, as far as that is written there.
	value   any
	isKnown bool
}

// agrees tells whether a value can have come of the claim. Maps and lists are merged into, and need not be equal.
func (c claim) agrees(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return true
	}
	return !c.isKnown || same(c.value, value)
}

// set finds the last thing that set a field. One that set another value than the object has was overruled in a way that
// nobody sees, or was meant for another element of a list; it counts only if nothing explains the value better.
func (o *Origin) set(path policy.Path) (policy.Location, bool) {
	value := at(o.content, path)
	before := o.inBase(path)
	var fallback *claim
	for c := range o.claims(path) {
		if c.agrees(value) {
			return c.at, true
		}
		if fallback == nil {
			fallback = &c
		}
	}
	switch {
	case o.base != nil && same(before, value):
		return policy.Location{}, false
	case fallback != nil:
		return fallback.at, true
	case o.base != nil && !isRenamed(before, value):
		return o.transformed()
	}
	return policy.Location{}, false
}

// isRenamed tells whether a value refers to an object by a name that kustomize has changed, or is no scalar.
func isRenamed(before, value any) bool {
	name, ok := value.(string)
	if !ok {
		_, isMap := value.(map[string]any)
		_, isList := value.([]any)
		return isMap || isList
	}
	plain, ok := before.(string)
	return ok && plain != "" && strings.Contains(name, plain)
}

// transformed is where a layer names transformers, of which nobody knows what they do.
func (o *Origin) transformed() (policy.Location, bool) {
	for _, l := range o.chain {
		if n := len(l.spec.Transformers); n > 0 {
			return l.at("", policy.Key("transformers"), policy.Index(n-1)), true
		}
	}
	return policy.Location{}, false
}

// claims go from the top layer down, and in each layer against the order in which kustomize works.
func (o *Origin) claims(path policy.Path) iter.Seq[claim] {
	return func(yield func(claim) bool) {
		for _, l := range o.chain {
			if !o.claimsOf(l, path, yield) {
				return
			}
		}
	}
}

func (o *Origin) claimsOf(l *layer, path policy.Path, yield func(claim) bool) bool {
	if at, ok := l.setsField(o, path); ok && !yield(claim{at: at}) {
		return false
	}
	for _, p := range slices.Backward(l.patches()) {
		for _, d := range slices.Backward(p.documents()) {
			if p.appliesTo(d, o) && !d.claims(o, path, yield) {
				return false
			}
		}
	}
	// Patches come before the namespace and the prefixes, but set neither unless they are meant to.
	if at, ok := l.setsIdentity(o, path); ok && !yield(claim{at: at}) {
		return false
	}
	for _, component := range slices.Backward(l.components(o.tree)) {
		if !o.claimsOf(component, path, yield) {
			return false
		}
	}
	return true
}

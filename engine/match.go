package engine

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// matcher decides which objects a policy judges, apart from their kind, which the index knows.
type matcher struct {
	targets           *v2.PolicyTargets
	exclude           *v2.PolicyExclusions
	namespaceSelector labels.Selector
	failurePolicy     v2.FailurePolicy
}

// anySubresource in targets stands for every subresource.
const anySubresource = "*"

func newMatcher(p *v2.Policy) (matcher, error) {
	m := matcher{targets: &p.Spec.Targets, exclude: &p.Spec.Exclude, failurePolicy: v2.FailurePolicyIgnore}
	if p.Spec.FailsClosed() {
		m.failurePolicy = v2.FailurePolicyFail
	}
	if selector := p.Spec.Targets.NamespaceSelector; selector != nil {
		var err error
		if m.namespaceSelector, err = metav1.LabelSelectorAsSelector(selector); err != nil {
			return m, fmt.Errorf("reading the selector: %w", err)
		}
	}
	return m, nil
}

// defaultOperations are those of a policy that names none.
var defaultOperations = []string{string(policy.Create), string(policy.Update)}

func (m *matcher) matches(r *policy.Request) bool {
	t := m.targets
	if r.FailurePolicy != "" && r.FailurePolicy != m.failurePolicy {
		return false
	}
	if r.Subresource != "" && !slices.Contains(t.Subresources, r.Subresource) && !slices.Contains(t.Subresources, anySubresource) {
		return false
	}
	if len(t.APIGroups) > 0 && !slices.Contains(t.APIGroups, r.Object.Group()) {
		return false
	}
	if len(t.Namespaces) > 0 && !slices.Contains(t.Namespaces, r.Object.Namespace()) {
		return false
	}
	if len(t.Labels) > 0 && !slices.ContainsFunc(t.Labels, func(some map[string]string) bool { return hasAny(r.Object, some) }) {
		return false
	}
	if r.Operation != "" {
		operations := t.Operations
		if len(operations) == 0 {
			operations = defaultOperations
		}
		if !slices.Contains(operations, string(r.Operation)) {
			return false
		}
	}
	return m.selectsNamespace(r) && !m.excludes(r.Object)
}

// targetsAny tells whether the policy judges objects of one of the kinds, which are those of the controller that made an
// object: what it made is then not judged again.
func (m *matcher) targetsAny(kinds *[2]policy.GroupKind) bool {
	for _, kind := range kinds {
		if kind.Kind != "" && m.targetsKind(kind) {
			return true
		}
	}
	return false
}

func (m *matcher) targetsKind(kind policy.GroupKind) bool { return policy.TargetKind(m.targets, kind) }

func (m *matcher) selectsNamespace(r *policy.Request) bool {
	if m.namespaceSelector == nil {
		return true
	}
	namespace := r.Namespace
	if r.Object.Namespace() == "" {
		if r.Object.Kind() != "Namespace" || r.Object.Group() != "" {
			return true
		}
		namespace = r.Object.Content
	}
	return m.namespaceSelector.Matches(objectLabels{&policy.Object{Content: namespace}})
}

func (m *matcher) excludes(o *policy.Object) bool {
	e := m.exclude
	if len(e.Namespaces) > 0 && slices.Contains(e.Namespaces, o.Namespace()) {
		return true
	}
	if len(e.Resources) > 0 && slices.Contains(e.Resources, o.Namespace()+"/"+o.Name()) {
		return true
	}
	return hasAny(o, e.Labels)
}

// anyValue in a wanted label stands for every value.
const anyValue = "*"

// hasAny tells whether the object has any of the labels.
func hasAny(o *policy.Object, wanted map[string]string) bool {
	for key, value := range wanted {
		if hasLabel(o, key, value) {
			return true
		}
	}
	return false
}

func hasLabel(o *policy.Object, key, value string) bool {
	actual, ok := o.Label(key)
	return ok && (value == anyValue || value == actual)
}

// objectLabels are an object's labels as selectors want them.
type objectLabels struct{ object *policy.Object }

func (l objectLabels) Has(key string) bool {
	_, ok := l.object.Label(key)
	return ok
}

func (l objectLabels) Get(key string) string {
	value, _ := l.object.Label(key)
	return value
}

func (l objectLabels) Lookup(key string) (string, bool) { return l.object.Label(key) }

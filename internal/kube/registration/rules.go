package registration

import (
	"cmp"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// wildcard in a rule stands for all groups, resources or subresources.
const wildcard = "*"

// resource that a rule can name. An empty subresource is the resource itself.
type resource struct{ group, name, subresource string }

// covers tells whether a rule for r matches all that one for other does.
func (r resource) covers(other resource) bool {
	return (r.group == wildcard || r.group == other.group) &&
		(r.name == wildcard || r.name == other.name) &&
		(r.subresource == wildcard || r.subresource == other.subresource)
}

// String is how rules write it.
func (r resource) String() string {
	if r.subresource == "" {
		return r.name
	}
	return r.name + "/" + r.subresource
}

// operations is a set of operations, a bit for each.
type operations uint8

// allOperations in the order in which rules list them.
var allOperations = [...]admissionregistrationv1.OperationType{
	admissionregistrationv1.Create, admissionregistrationv1.Update, admissionregistrationv1.Delete, admissionregistrationv1.Connect,
}

// createAndUpdate are the operations of policies that name none, and all that a mutation can be about.
const createAndUpdate operations = 1<<0 | 1<<1

// deletion is the third of allOperations.
const deletion operations = 1 << 2

func operationsOf(p *v2.Policy) operations {
	if len(p.Spec.Targets.Operations) == 0 {
		return createAndUpdate
	}
	var set operations
	for i, o := range allOperations {
		if slices.Contains(p.Spec.Targets.Operations, string(o)) {
			set |= 1 << i
		}
	}
	return set
}

func (o operations) list() []admissionregistrationv1.OperationType {
	var list []admissionregistrationv1.OperationType
	for i, operation := range allOperations {
		if o&(1<<i) != 0 {
			list = append(list, operation)
		}
	}
	return list
}

// scope is what one webhook is asked about.
type scope map[resource]operations

func (s scope) add(r resource, o operations) {
	if o != 0 {
		s[r] |= o
	}
}

// has tells whether any resource is asked about for any of the operations.
func (s scope) has(o operations) bool {
	for _, some := range s {
		if some&o != 0 {
			return true
		}
	}
	return false
}

// rules for the scope: one for each group and set of operations, without what wider rules cover, sorted.
func (s scope) rules() []admissionregistrationv1.RuleWithOperations {
	type key struct {
		group      string
		operations operations
	}
	names := map[key][]string{}
	for r, left := range s {
		for wider, o := range s {
			if wider != r && wider.covers(r) {
				left &^= o
			}
		}
		if left != 0 {
			k := key{r.group, left}
			names[k] = append(names[k], r.String())
		}
	}
	rules := make([]admissionregistrationv1.RuleWithOperations, 0, len(names))
	allScopes := admissionregistrationv1.AllScopes
	for k, resources := range names {
		slices.Sort(resources)
		rules = append(rules, admissionregistrationv1.RuleWithOperations{
			Operations: k.operations.list(),
			Rule: admissionregistrationv1.Rule{
				APIGroups: []string{k.group}, APIVersions: []string{wildcard}, Resources: resources, Scope: &allScopes,
			},
		})
	}
	slices.SortFunc(rules, func(a, b admissionregistrationv1.RuleWithOperations) int {
		return cmp.Or(cmp.Compare(a.APIGroups[0], b.APIGroups[0]), slices.Compare(a.Operations, b.Operations))
	})
	return rules
}

package registration

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/kube"
	"github.com/assay-gitops/assay/policy"
)

// UnknownTarget is something that a policy targets in vain. It may become known later: when a CRD is installed, for one.
type UnknownTarget struct {
	// PolicyID is the id of the policy.
	PolicyID string
	// Kind that no resource of the cluster has; empty where a subresource is meant.
	Kind string
	// Subresource that none of the policy's kinds has.
	Subresource string
	// Exempt says that the kind exists, and always passes admission.
	Exempt bool
}

// String is a sentence about it.
func (u UnknownTarget) String() string {
	switch {
	case u.Exempt:
		return fmt.Sprintf("policy %s targets %s, which always passes admission so that the cluster can be repaired", u.PolicyID, u.Kind)
	case u.Subresource != "":
		return fmt.Sprintf("policy %s targets the subresource %s, which none of its kinds has: kinds must name the kind that is sent for the subresource, such as Scale for scale",
			u.PolicyID, u.Subresource)
	}
	return fmt.Sprintf("policy %s targets %s: in the API groups that it targets, the cluster has no such kind that can be written", u.PolicyID, u.Kind)
}

// served is a resource of the cluster that can be written.
type served struct {
	resource
	// kind of the objects that are sent for it, and the group of that kind: for deployments/scale it is autoscaling's
	// Scale.
	kind, kindGroup string
}

// isAskedFor tells whether targets that name the kind, or all kinds, mean this resource.
func (s *served) isAskedFor(t *v2.PolicyTargets) bool {
	return (len(t.APIGroups) == 0 || slices.Contains(t.APIGroups, s.kindGroup)) &&
		(s.subresource == "" || slices.Contains(t.Subresources, s.subresource) || slices.Contains(t.Subresources, wildcard))
}

func (s *served) isExempt() bool {
	return kube.Exempt(nil, schema.GroupResource{Group: s.group, Resource: s.name}, s.subresource, "", "")
}

// catalogue holds the resources of the cluster that can be written, by the kind of their objects, each once however many
// versions it has.
type catalogue map[string][]served

func newCatalogue(lists []*metav1.APIResourceList) catalogue {
	c := catalogue{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue // an API server that says so is broken beyond what we could mend
		}
		for i := range list.APIResources {
			r := &list.APIResources[i]
			if !slices.ContainsFunc(r.Verbs, func(verb string) bool {
				return verb == "create" || verb == "update" || verb == "patch" || verb == "delete"
			}) {
				continue
			}
			name, subresource, _ := strings.Cut(r.Name, "/")
			// Discovery leaves group and version out where they are those of the list.
			kindGroup := gv.Group
			if r.Version != "" {
				kindGroup = r.Group
			}
			found := served{resource{gv.Group, name, subresource}, r.Kind, kindGroup}
			if !slices.Contains(c[r.Kind], found) {
				c[r.Kind] = append(c[r.Kind], found)
			}
		}
	}
	return c
}

// targets are the resources that a policy judges, and what it targets in vain. Those of workloads are judged by policies about the
// kinds that they are like.
func (c catalogue) targets(p *v2.Policy, workloads policy.Workloads) ([]resource, []UnknownTarget) {
	t := &p.Spec.Targets
	if len(t.Kinds) == 0 && len(t.APIGroups) == 0 {
		found := []resource{{wildcard, wildcard, ""}}
		for _, subresource := range t.Subresources {
			found = append(found, resource{wildcard, wildcard, subresource})
		}
		return found, nil
	}
	var found []resource
	var unknown []UnknownTarget
	reached := map[string]bool{} // subresources that some kind has
	take := func(r *served) (exempt bool) {
		if r.subresource != "" {
			reached[r.subresource], reached[wildcard] = true, true
		}
		if r.isExempt() {
			return true
		}
		found = append(found, r.resource)
		return false
	}
	for _, kind := range t.Kinds {
		there, exempt := false, true
		for i := range c[kind] {
			if r := &c[kind][i]; r.isAskedFor(t) {
				there = true
				exempt = take(r) && exempt
			}
		}
		if !there || exempt {
			unknown = append(unknown, UnknownTarget{PolicyID: p.Spec.ID, Kind: kind, Exempt: there})
		}
	}
	for kind, w := range workloads {
		if !policy.TargetKind(t, w.As) {
			continue
		}
		for i := range c[kind.Kind] {
			if r := &c[kind.Kind][i]; r.kindGroup == kind.Group && (r.subresource == "" || r.isAskedFor(&v2.PolicyTargets{Subresources: t.Subresources})) {
				take(r)
			}
		}
	}
	if len(t.Kinds) == 0 {
		for _, group := range t.APIGroups {
			found = append(found, resource{group, wildcard, ""})
		}
		for kind := range c {
			for i := range c[kind] {
				// What is sent for a subresource may be of another group than its resource, so only discovery can tell.
				if r := &c[kind][i]; r.subresource != "" && r.isAskedFor(t) {
					take(r)
				}
			}
		}
	}
	for _, subresource := range t.Subresources {
		if !reached[subresource] {
			unknown = append(unknown, UnknownTarget{PolicyID: p.Spec.ID, Subresource: subresource})
		}
	}
	return found, unknown
}

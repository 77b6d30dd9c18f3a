package catalog

import (
	"path"
	"slices"
	"strings"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/suggest"
)

// idPrefix is what policy ids begin with by convention, and what people leave out.
const idPrefix = "weave.policies."

// Slug is the id of a policy without the conventional prefix.
func Slug(id string) string { return strings.TrimPrefix(id, idPrefix) }

// LastPart of a dotted id such as weave.categories.pod-security is what people call it.
func LastPart(id string) string { return id[strings.LastIndexByte(id, '.')+1:] }

// Find returns the policy with the given id, or with the given id after the conventional prefix. The error is a
// *suggest.UnknownError.
func (c *Catalog) Find(name string) (*v2.Policy, error) {
	for _, id := range []string{name, idPrefix + name} {
		i, found := slices.BinarySearchFunc(c.Sources.Policies, id, func(p *v2.Policy, id string) int {
			return strings.Compare(p.Spec.ID, id)
		})
		if found {
			return c.Sources.Policies[i], nil
		}
	}
	return nil, suggest.Unknown("policy", name, c.ids(), "`assay policies` lists them all")
}

func (c *Catalog) ids() []string {
	ids := make([]string, 0, len(c.Sources.Policies))
	for _, p := range c.Sources.Policies {
		ids = append(ids, p.Spec.ID)
	}
	return ids
}

// Filter chooses policies. An empty list chooses all; a policy must be chosen by every list.
type Filter struct {
	// Policies are ids, with or without the conventional prefix; * and ? stand for any characters.
	Policies []string
	// Severities, Categories, Standards and Tags as policies have them; categories and standards also without the part
	// before their last dot.
	Severities []v2.Severity
	Categories []string
	Standards  []string
	Tags       []string
	// Kinds are kinds of objects that the policy judges.
	Kinds []string
}

// Check tells whether each entry of the filter that names something chooses at least one policy, so that a typing error
// does not look like a clean result. The error is a *suggest.UnknownError.
func (f *Filter) Check(policies []*v2.Policy) error {
	for _, list := range []struct {
		what    string
		entries []string
		names   func(*v2.Policy) []string
		alone   func(entry string) Filter
	}{
		{"policy", f.Policies, func(p *v2.Policy) []string { return []string{p.Spec.ID} },
			func(e string) Filter { return Filter{Policies: []string{e}} }},
		{"category", f.Categories, func(p *v2.Policy) []string { return []string{p.Spec.Category} },
			func(e string) Filter { return Filter{Categories: []string{e}} }},
		{"standard", f.Standards, standardIDs, func(e string) Filter { return Filter{Standards: []string{e}} }},
		{"tag", f.Tags, func(p *v2.Policy) []string { return p.Spec.Tags },
			func(e string) Filter { return Filter{Tags: []string{e}} }},
	} {
		for _, entry := range list.entries {
			alone := list.alone(entry)
			if slices.ContainsFunc(policies, alone.Match) {
				continue
			}
			var names []string
			for _, p := range policies {
				names = append(names, list.names(p)...)
			}
			slices.Sort(names)
			return suggest.Unknown(list.what, entry, slices.Compact(names), "`assay policies -o wide` shows what there is")
		}
	}
	return nil
}

// Match tells whether the filter chooses the policy.
func (f *Filter) Match(p *v2.Policy) bool {
	return among(f.Policies, func(pattern string) bool {
		return matches(pattern, p.Spec.ID) || matches(pattern, Slug(p.Spec.ID))
	}) && among(f.Severities, func(s v2.Severity) bool { return s == p.Spec.Severity }) &&
		among(f.Categories, func(category string) bool { return named(category, p.Spec.Category) }) &&
		among(f.Standards, func(standard string) bool {
			return slices.ContainsFunc(p.Spec.Standards, func(s v2.PolicyStandard) bool { return named(standard, s.ID) })
		}) && among(f.Tags, p.Spec.HasTag) && among(f.Kinds, func(kind string) bool { return judges(p, kind) })
}

func among[T any](entries []T, match func(T) bool) bool {
	return len(entries) == 0 || slices.ContainsFunc(entries, match)
}

// judges tells whether a policy targets a kind; one without kinds targets them all.
func judges(p *v2.Policy, kind string) bool {
	return len(p.Spec.Targets.Kinds) == 0 || slices.ContainsFunc(p.Spec.Targets.Kinds, func(k string) bool {
		return strings.EqualFold(k, kind)
	})
}

// matches tells whether a pattern matches an id. A pattern that is not valid matches nothing.
func matches(pattern, id string) bool {
	ok, err := path.Match(pattern, id)
	return err == nil && ok
}

// named tells whether a name is an id such as weave.categories.pod-security, or its last part.
func named(name, id string) bool {
	return name == id || name == LastPart(id)
}

func standardIDs(p *v2.Policy) []string {
	ids := make([]string, 0, len(p.Spec.Standards))
	for _, standard := range p.Spec.Standards {
		ids = append(ids, standard.ID)
	}
	return ids
}

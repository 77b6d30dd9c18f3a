package catalog

import (
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/policyfile"
	"github.com/assay-gitops/assay/policy"
)

// Catalog is what a snapshot is compiled from, with the places it came from.
type Catalog struct {
	// Sources for engine.Compile, policies sorted by id.
	Sources engine.Sources
	// Problems met while decoding, and names that occur twice.
	Problems []policy.Problem

	files   *policyfile.Set
	library *policyfile.Set
	shipped map[*v2.Policy]bool
	// narrowed leads from a copy that Select made to the source that was decoded.
	narrowed map[any]any
}

// Gather decodes the policies of the library (nil for none) and those among the objects. Objects of other groups are
// ignored. A policy among the objects replaces the one of the library with the same id; of two among the objects with
// one id the first is used, and unless both say the same that is a problem.
func Gather(library fs.FS, objects []*policy.Object) (*Catalog, error) {
	c := &Catalog{shipped: map[*v2.Policy]bool{}, narrowed: map[any]any{}}
	var problems []policy.Problem
	c.files, problems = policyfile.FromObjects(objects)
	c.Problems = append(c.Problems, problems...)

	c.Sources = c.files.Sources
	c.Sources.Workloads = policy.KnownWorkloads()
	c.Sources.Policies = c.unique(c.files.Sources.Policies)
	if err := c.ship(library); err != nil {
		return nil, err
	}
	slices.SortStableFunc(c.Sources.Policies, func(a, b *v2.Policy) int { return strings.Compare(a.Spec.ID, b.Spec.ID) })
	return c, nil
}

// ship adds the policies of the library whose ids are not taken.
func (c *Catalog) ship(library fs.FS) error {
	if library == nil {
		return nil
	}
	objects, err := readLibrary(library)
	if err != nil {
		return err
	}
	var problems []policy.Problem
	c.library, problems = policyfile.FromObjects(objects)
	c.Problems = append(c.Problems, problems...)
	taken := map[string]bool{}
	for _, p := range c.Sources.Policies {
		taken[p.Spec.ID] = true
	}
	for _, p := range c.library.Sources.Policies {
		if !taken[p.Spec.ID] {
			c.shipped[p] = true
			c.Sources.Policies = append(c.Sources.Policies, p)
		}
	}
	return nil
}

// Shipped tells whether the policy is one of the library's.
func (c *Catalog) Shipped(p *v2.Policy) bool { return c.shipped[p] }

// Origin of a source; nil when unknown.
func (c *Catalog) Origin(source any) policy.Origin {
	if original, ok := c.narrowed[source]; ok {
		source = original
	}
	for _, set := range []*policyfile.Set{c.files, c.library} {
		if set == nil {
			continue
		}
		if origin := set.Origin(source); origin != nil {
			return origin
		}
	}
	return nil
}

// Locate says where in which file the problem of a source is.
func (c *Catalog) Locate(p engine.Problem) policy.Problem {
	if original, ok := c.narrowed[p.Source]; ok {
		p.Source = original
	}
	if c.library != nil && c.library.Origin(p.Source) != nil {
		return c.library.Locate(p)
	}
	return c.files.Locate(p)
}

// unique keeps the first of the policies that share an id, and reports the others unless they say the same.
func (c *Catalog) unique(policies []*v2.Policy) []*v2.Policy {
	first := make(map[string]*v2.Policy, len(policies))
	kept := make([]*v2.Policy, 0, len(policies))
	for _, p := range policies {
		earlier, taken := first[p.Spec.ID]
		if !taken || p.Spec.ID == "" { // the engine reports what has no id
			first[p.Spec.ID] = p
			kept = append(kept, p)
			continue
		}
		if reflect.DeepEqual(p.Spec, earlier.Spec) {
			continue
		}
		c.Problems = append(c.Problems, policy.Problem{
			Kind:     policy.PolicyProblem,
			Location: place(c.files.Origin(p)),
			Message: fmt.Sprintf("policy %s is defined twice with different content: first in %s, which is used, and again in %s",
				p.Spec.ID, where(c.files.Origin(earlier)), where(c.files.Origin(p))),
			Hint: "give each policy an id of its own, or check what belongs to different clusters one at a time",
		})
	}
	return kept
}

func place(origin policy.Origin) policy.Location {
	if origin == nil {
		return policy.Location{}
	}
	return origin.Object()
}

// where is file:line, with the kustomization or chart that it was built by where that is another place.
func where(origin policy.Origin) string {
	if origin == nil {
		return "an unknown place"
	}
	at := origin.Object()
	s := at.File
	if at.Line > 0 {
		s = fmt.Sprintf("%s:%d", s, at.Line)
	}
	if root := origin.Root(); root != "" && root != at.File {
		s += fmt.Sprintf(" (built by %s)", root)
	}
	return s
}

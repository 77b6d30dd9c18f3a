package report

import (
	"cmp"
	"slices"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// violated are the policies that have findings, by id.
func violated(r *Report) []*v2.Policy {
	seen := map[string]bool{}
	var all []*v2.Policy
	for i := range r.Findings {
		p := r.Findings[i].Result.Policy
		if !seen[p.Spec.ID] {
			seen[p.Spec.ID] = true
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *v2.Policy) int { return cmp.Compare(a.Spec.ID, b.Spec.ID) })
	return all
}

func sortPolicyCounts(all []*policyCount) {
	slices.SortFunc(all, func(a, b *policyCount) int {
		return cmp.Or(
			cmp.Compare(b.violations, a.violations), cmp.Compare(b.total(), a.total()), cmp.Compare(a.policy.Spec.ID, b.policy.Spec.ID),
		)
	})
}

// noFile stands where a finding has no file.
const noFile = "(no file)"

// group of findings that follow one another.
type group struct {
	name     string
	findings []*Finding
}

// byFile groups the findings by file, in their order.
func byFile(r *Report) []group {
	var groups []group
	for i := range r.Findings {
		f := &r.Findings[i]
		if n := len(groups); n == 0 || groups[n-1].name != f.Location.File {
			groups = append(groups, group{name: f.Location.File})
		}
		last := &groups[len(groups)-1]
		last.findings = append(last.findings, f)
	}
	return groups
}

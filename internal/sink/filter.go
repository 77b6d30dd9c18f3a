package sink

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Filter says which results a sink wants. A list that is empty wants all; otherwise one of its entries must match. Policies
// (by ID) and namespaces may have wildcards, as path.Match has them: team-*. The namespace of cluster-scoped objects is "".
// Statuses are those of documents: Violation, Compliance, Excepted, Error; they and severities are matched in any case.
type Filter struct {
	Gates      []Gate
	Severities []string
	Policies   []string
	Namespaces []string
	Statuses   []string
}

// Validate finds wildcards that cannot be matched and words that never occur.
func (f *Filter) Validate() error {
	for _, pattern := range slices.Concat(f.Policies, f.Namespaces) {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("the filter's pattern %q is not complete: %w", pattern, err)
		}
	}
	for _, gate := range f.Gates {
		if !slices.Contains([]Gate{Admission, Audit, Terraform}, gate) {
			return fmt.Errorf("the filter's gate %q does not exist: use %s, %s or %s", gate, Admission, Audit, Terraform)
		}
	}
	for _, words := range []struct {
		name        string
		given, know []string
	}{
		{"severity", f.Severities, []string{"low", "medium", "high"}},
		{"status", f.Statuses, []string{"violation", "compliance", "excepted", "error"}},
	} {
		for _, word := range words.given {
			if !slices.Contains(words.know, strings.ToLower(word)) {
				return fmt.Errorf("the filter's %s %q does not exist: use %s", words.name, word, strings.Join(words.know, ", "))
			}
		}
	}
	return nil
}

// Wants tells whether the sink wants a result. The end of a finding is wanted where its beginning was: it counts as the violation
// that it ends, and one of a policy that is gone, of which the severity is not known any more, has every severity.
func (f *Filter) Wants(r *Result) bool {
	v := &r.Validation
	severity, status := v.Policy.Severity, v.Status
	ends := r.Life == Resolved
	if ends {
		status = "violation"
	}
	return (len(f.Gates) == 0 || slices.Contains(f.Gates, r.Gate)) &&
		(ends && severity == "" || anyOf(f.Severities, severity, strings.EqualFold)) &&
		anyOf(f.Statuses, status, strings.EqualFold) &&
		anyOf(f.Policies, v.Policy.ID, matches) &&
		anyOf(f.Namespaces, v.Entity.Namespace, matches)
}

func anyOf(wanted []string, value string, match func(wanted, value string) bool) bool {
	return len(wanted) == 0 || slices.ContainsFunc(wanted, func(w string) bool { return match(w, value) })
}

func matches(pattern, value string) bool {
	ok, _ := path.Match(pattern, value)
	return ok
}

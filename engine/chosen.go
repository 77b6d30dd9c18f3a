package engine

import v2 "github.com/assay-gitops/assay/api/v2"

// Chosen are the ids of the policies that a set chooses for its mode, sorted.
func (s *Snapshot) Chosen(set *v2.PolicySet) []string {
	var ids []string
	for _, c := range s.policies {
		if c.policy.Spec.ProviderOrDefault() == set.Spec.Mode.Provider() && chosenBy(c.policy, &set.Spec.Filters) {
			ids = append(ids, c.policy.Spec.ID)
		}
	}
	return ids
}

package api

import (
	"encoding/json"
	"slices"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/hub/live"
	"github.com/assay-gitops/assay/tenancy"
)

// Allowed is what the policies of tenancy let a workspace deploy from and to. What no policy is about is not limited, and not there.
type Allowed struct {
	Repositories []AllowedRepository `json:"repositories,omitzero" nullable:"false" doc:"Where it may deploy from; from anywhere when this is not there."`
	Clusters     []string            `json:"clusters,omitzero" nullable:"false" doc:"Secrets of the clusters that it may deploy to, * for any; to any when this is not there."`
}

// AllowedRepository is a Flux source.
type AllowedRepository struct {
	Kind string `json:"kind" enum:"GitRepository,Bucket,HelmRepository,OCIRepository"`
	URL  string `json:"url" doc:"Of a Bucket the endpoint. * stands for one part and ** for any number of them."`
}

// repositoryParameters name the parameters of the policy of repositories, by the kind of the source.
func repositoryParameters() [][2]string {
	return [][2]string{{"GitRepository", "git_urls"}, {"Bucket", "bucket_endpoints"}, {"HelmRepository", "helm_urls"}, {"OCIRepository", "oci_urls"}}
}

// allowed reads the policies of a workspace.
func allowed(policies []v2.Policy, workspace string) Allowed {
	var found Allowed
	of := func(id string) (*v2.Policy, bool) {
		i := slices.IndexFunc(policies, func(p v2.Policy) bool { return p.Spec.ID == id && live.Workspace(&p) == workspace })
		if i < 0 {
			return nil, false
		}
		return &policies[i], true
	}
	if p, ok := of(tenancy.RepositoriesPolicy(workspace)); ok {
		found.Repositories = []AllowedRepository{}
		for _, parameter := range repositoryParameters() {
			for _, url := range texts(p, parameter[1]) {
				found.Repositories = append(found.Repositories, AllowedRepository{parameter[0], url})
			}
		}
	}
	if p, ok := of(tenancy.ClustersPolicy(workspace)); ok {
		found.Clusters = append([]string{}, texts(p, "cluster_secrets")...)
	}
	return found
}

// texts are the value of a parameter that is a list of texts; none is what is something else.
func texts(p *v2.Policy, parameter string) []string {
	i := slices.IndexFunc(p.Spec.Parameters, func(candidate v2.PolicyParameter) bool { return candidate.Name == parameter })
	if i < 0 || p.Spec.Parameters[i].Value == nil {
		return nil
	}
	var list []string
	if err := json.Unmarshal(p.Spec.Parameters[i].Value.Raw, &list); err != nil {
		return nil // somebody changed what was generated: the policy itself says so where it is listed
	}
	return list
}

package api

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

func TestWhereAWorkspaceMayDeployFromAndToIsReadFromItsPolicies(t *testing.T) {
	of := func(tenant, id string, parameters ...string) v2.Policy {
		p := v2.Policy{ObjectMeta: metav1.ObjectMeta{Name: id, Labels: map[string]string{policy.TenantLabel: tenant}}, Spec: v2.PolicySpec{ID: id}}
		for i := 0; i < len(parameters); i += 2 {
			p.Spec.Parameters = append(p.Spec.Parameters, v2.PolicyParameter{Name: parameters[i], Value: &apiextensionsv1.JSON{Raw: []byte(parameters[i+1])}})
		}
		return p
	}
	const repositories, clusters = "weave.policies.tenancy.red-allowed-repositories", "weave.policies.tenancy.red-allowed-clusters"
	none := of("red", repositories)
	none.Spec.Parameters = []v2.PolicyParameter{{Name: "git_urls"}}
	for name, c := range map[string]struct {
		policies     []v2.Policy
		repositories []AllowedRepository
		clusters     []string
	}{
		"no policy":                 {},
		"repositories of two kinds": {[]v2.Policy{of("red", repositories, "oci_urls", `["oci://b"]`, "git_urls", `["https://a/*"]`)}, []AllowedRepository{{"GitRepository", "https://a/*"}, {"OCIRepository", "oci://b"}}, nil},
		"clusters":                  {[]v2.Policy{of("red", clusters, "cluster_secrets", `["prod"]`)}, nil, []string{"prod"}},
		"a policy that allows none": {[]v2.Policy{none, of("red", clusters)}, []AllowedRepository{}, []string{}},
		"something else":            {[]v2.Policy{of("red", repositories, "git_urls", `"https://a"`)}, []AllowedRepository{}, nil},
		"of another workspace":      {[]v2.Policy{of("blue", repositories, "git_urls", `["https://a"]`)}, nil, nil},
	} {
		got := allowed(c.policies, "red")
		if !slices.Equal(got.Repositories, c.repositories) || (got.Repositories == nil) != (c.repositories == nil) || !slices.Equal(got.Clusters, c.clusters) || (got.Clusters == nil) != (c.clusters == nil) {
			t.Errorf("%s: %+v", name, got)
		}
		// None that are allowed is not the same as no limit, in what is sent either.
		sent, err := json.Marshal(got)
		if err != nil || strings.Contains(string(sent), "repositories") != (c.repositories != nil) || strings.Contains(string(sent), "clusters") != (c.clusters != nil) {
			t.Errorf("%s: %s, %v", name, sent, err)
		}
	}
}

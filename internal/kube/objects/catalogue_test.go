package objects

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// lists is what an API server may answer.
func lists() []*metav1.APIResourceList {
	resource := func(name, kind string, verbs ...string) metav1.APIResource {
		return metav1.APIResource{Name: name, Kind: kind, Namespaced: name != "nodes", Verbs: verbs}
	}
	return []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			resource("pods", "Pod", "list", "watch"), resource("pods/status", "Pod", "get"), resource("bindings", "Binding", "create"),
			resource("events", "Event", "list", "watch"), resource("endpoints", "Endpoints", "list", "watch"), resource("nodes", "Node", "list", "watch"),
		}},
		{GroupVersion: "serving.knative.dev/v1", APIResources: []metav1.APIResource{resource("services", "Service", "list")}},
		{GroupVersion: "coordination.k8s.io/v1", APIResources: []metav1.APIResource{resource("leases", "Lease", "list", "watch")}},
		{GroupVersion: "pac.weave.works/v2", APIResources: []metav1.APIResource{resource("policies", "Policy", "list", "watch")}},
		{GroupVersion: "metrics.k8s.io/v1beta1", APIResources: []metav1.APIResource{resource("pods", "PodMetrics", "list")}},
		{GroupVersion: "a/b/c", APIResources: []metav1.APIResource{resource("broken", "Broken", "list")}},
	}
}

func TestTargetedResources(t *testing.T) {
	catalogue := newCatalogue(lists(), nil)
	for name, test := range map[string]struct {
		targets []v2.PolicyTargets
		want    string
	}{
		"no policy":                      {nil, ""},
		"a kind":                         {[]v2.PolicyTargets{{Kinds: []string{"Pod", "Gone"}}}, "pods"},
		"each once":                      {[]v2.PolicyTargets{{Kinds: []string{"Pod"}}, {Kinds: []string{"Pod", "Node"}}}, "nodes pods"},
		"a kind of any group":            {[]v2.PolicyTargets{{Kinds: []string{"Service"}}}, "services.serving.knative.dev"},
		"a kind of another group":        {[]v2.PolicyTargets{{Kinds: []string{"Service"}, APIGroups: []string{""}}}, ""},
		"every kind but churn":           {[]v2.PolicyTargets{{}}, "nodes pods services.serving.knative.dev"},
		"every kind of a group":          {[]v2.PolicyTargets{{APIGroups: []string{""}}}, "nodes pods"},
		"churn when it is named":         {[]v2.PolicyTargets{{Kinds: []string{"Endpoints"}}}, "endpoints"},
		"a kind that is like another":    {[]v2.PolicyTargets{{Kinds: []string{"Deployment"}, APIGroups: []string{"apps"}}}, "services.serving.knative.dev"},
		"what always passes, never":      {[]v2.PolicyTargets{{Kinds: []string{"Event", "Lease", "Policy"}}}, ""},
		"what cannot be listed, neither": {[]v2.PolicyTargets{{Kinds: []string{"Binding"}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var policies []*v2.Policy
			for _, targets := range test.targets {
				policies = append(policies, &v2.Policy{Spec: v2.PolicySpec{Targets: targets}})
			}
			var got []string
			for _, r := range catalogue.Targeted(policies, policy.KnownWorkloads()) {
				got = append(got, r.String())
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestResourcesSayWhatTheyCan(t *testing.T) {
	all := newCatalogue(lists(), nil).resources
	i := slices.IndexFunc(all, func(r Resource) bool { return r.String() == "services.serving.knative.dev" })
	if got, want := fmt.Sprint(all[i].Watchable, all[i].Namespaced, all[i].GroupVersionResource), "false true serving.knative.dev/v1, Resource=services"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

package registration

import (
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

var all = metav1.Verbs{"create", "delete", "get", "list", "patch", "update", "watch"}

// cluster is what a small cluster discovers.
var cluster = []*metav1.APIResourceList{
	{GroupVersion: "v1", APIResources: []metav1.APIResource{
		{Name: "pods", Kind: "Pod", Verbs: all}, {Name: "pods/ephemeralcontainers", Kind: "Pod", Verbs: all}, {Name: "pods/status", Kind: "Pod", Verbs: all},
		{Name: "services", Kind: "Service", Verbs: all}, {Name: "namespaces", Kind: "Namespace", Verbs: all},
		{Name: "componentstatuses", Kind: "ComponentStatus", Verbs: metav1.Verbs{"get", "list"}},
		{Name: "events", Kind: "Event", Verbs: all},
		{Name: "pods/eviction", Kind: "Eviction", Group: "policy", Version: "v1", Verbs: metav1.Verbs{"create"}},
	}},
	{GroupVersion: "apps/v1", APIResources: []metav1.APIResource{
		{Name: "deployments", Kind: "Deployment", Verbs: all},
		{Name: "deployments/scale", Kind: "Scale", Group: "autoscaling", Version: "v1", Verbs: metav1.Verbs{"get", "patch", "update"}},
		{Name: "statefulsets", Kind: "StatefulSet", Verbs: all},
		{Name: "statefulsets/scale", Kind: "Scale", Group: "autoscaling", Version: "v1", Verbs: metav1.Verbs{"get", "patch", "update"}},
	}},
	{GroupVersion: "autoscaling/v1", APIResources: []metav1.APIResource{{Name: "horizontalpodautoscalers", Kind: "HorizontalPodAutoscaler", Verbs: all}}},
	{GroupVersion: "autoscaling/v2", APIResources: []metav1.APIResource{{Name: "horizontalpodautoscalers", Kind: "HorizontalPodAutoscaler", Verbs: all}}},
	{GroupVersion: "serving.knative.dev/v1", APIResources: []metav1.APIResource{{Name: "services", Kind: "Service", Verbs: all}}},
	{GroupVersion: "coordination.k8s.io/v1", APIResources: []metav1.APIResource{{Name: "leases", Kind: "Lease", Verbs: all}}},
	{GroupVersion: "apiextensions.k8s.io/v1", APIResources: []metav1.APIResource{{Name: "customresourcedefinitions", Kind: "CustomResourceDefinition", Verbs: all}}},
}

func target(id string, targets v2.PolicyTargets, change ...func(*v2.PolicySpec)) *v2.Policy {
	p := &v2.Policy{Spec: v2.PolicySpec{ID: id, Targets: targets}}
	for _, c := range change {
		c(&p.Spec)
	}
	return p
}

func ignore(s *v2.PolicySpec) { s.FailurePolicy = v2.FailurePolicyIgnore }
func mutate(s *v2.PolicySpec) { s.Mutate = true }

func options() Options {
	return Options{
		Name: "policy-agent", Service: &ServiceRef{"policy-system", "policy-agent", 443}, CABundle: func() []byte { return []byte("bundle") },
		Timeout: 5 * time.Second, OwnNamespace: "policy-system", ExcludeNamespaces: []string{"flux-system"}, Admission: true, Mutate: true,
	}
}

// written lists rules as "OPERATIONS group/resource,…".
func written(rules []admissionv1.RuleWithOperations) string {
	var lines []string
	for _, r := range rules {
		var ops []string
		for _, op := range r.Operations {
			ops = append(ops, string(op))
		}
		lines = append(lines, strings.Join(ops, "+")+" "+r.APIGroups[0]+"/"+strings.Join(r.Resources, ","))
	}
	return strings.Join(lines, "; ")
}

func TestRulesAreExactlyWhatPoliciesJudge(t *testing.T) {
	tests := map[string]struct {
		policies []*v2.Policy
		failing  string
		ignoring string
		mutating string
		unknown  []UnknownTarget
	}{
		"none": {},
		"kinds of several groups": {
			policies: []*v2.Policy{target("a", v2.PolicyTargets{Kinds: []string{"Service", "Deployment"}})},
			failing:  "CREATE+UPDATE /services; CREATE+UPDATE apps/deployments; CREATE+UPDATE serving.knative.dev/services",
		},
		"narrowed by a group": {
			policies: []*v2.Policy{target("a", v2.PolicyTargets{Kinds: []string{"Service"}, APIGroups: []string{""}})},
			failing:  "CREATE+UPDATE /services",
		},
		"a resource of two versions once": {
			policies: []*v2.Policy{target("a", v2.PolicyTargets{Kinds: []string{"HorizontalPodAutoscaler"}})},
			failing:  "CREATE+UPDATE autoscaling/horizontalpodautoscalers",
		},
		"operations by resource": {
			policies: []*v2.Policy{
				target("a", v2.PolicyTargets{Kinds: []string{"Deployment", "StatefulSet"}}),
				target("b", v2.PolicyTargets{Kinds: []string{"Deployment"}, Operations: []string{"DELETE"}}),
			},
			failing: "CREATE+UPDATE apps/statefulsets; CREATE+UPDATE+DELETE apps/deployments",
		},
		"failure policies": {
			policies: []*v2.Policy{
				target("a", v2.PolicyTargets{Kinds: []string{"Pod"}}), target("b", v2.PolicyTargets{Kinds: []string{"Deployment"}}, ignore),
			},
			failing: "CREATE+UPDATE /pods", ignoring: "CREATE+UPDATE apps/deployments",
		},
		"subresources that are asked for": {
			policies: []*v2.Policy{
				target("a", v2.PolicyTargets{Kinds: []string{"Scale"}, Subresources: []string{"scale"}}),
				target("b", v2.PolicyTargets{Kinds: []string{"Pod"}, Subresources: []string{"ephemeralcontainers"}}),
			},
			failing: "CREATE+UPDATE /pods,pods/ephemeralcontainers; CREATE+UPDATE apps/deployments/scale,statefulsets/scale",
		},
		"a kind of a subresource without naming it": {
			policies: []*v2.Policy{target("a", v2.PolicyTargets{Kinds: []string{"Scale"}})},
			unknown:  []UnknownTarget{{PolicyID: "a", Kind: "Scale"}},
		},
		"everything": {
			policies: []*v2.Policy{target("a", v2.PolicyTargets{})},
			failing:  "CREATE+UPDATE */*",
		},
		"everything makes rules for some of it superfluous": {
			policies: []*v2.Policy{
				target("a", v2.PolicyTargets{}), target("b", v2.PolicyTargets{Kinds: []string{"Pod", "Deployment"}}),
				target("c", v2.PolicyTargets{Kinds: []string{"Pod"}, Operations: []string{"UPDATE", "DELETE"}}),
			},
			failing: "DELETE /pods; CREATE+UPDATE */*",
		},
		"a subresource of everything": {
			policies: []*v2.Policy{
				target("a", v2.PolicyTargets{Subresources: []string{"scale"}}),
				target("b", v2.PolicyTargets{Kinds: []string{"Scale"}, Subresources: []string{"scale"}}),
			},
			failing: "CREATE+UPDATE */*,*/scale",
		},
		"everything with all subresources stands alone": {
			policies: []*v2.Policy{
				target("a", v2.PolicyTargets{Subresources: []string{"*"}}), target("b", v2.PolicyTargets{Subresources: []string{"scale"}}),
				target("c", v2.PolicyTargets{Kinds: []string{"Pod"}}),
			},
			failing: "CREATE+UPDATE */*/*",
		},
		"everything of a group, and subresources whose kind is of it": {
			policies: []*v2.Policy{
				target("a", v2.PolicyTargets{APIGroups: []string{"autoscaling"}, Subresources: []string{"scale"}}),
				target("b", v2.PolicyTargets{Kinds: []string{"HorizontalPodAutoscaler"}}),
			},
			failing: "CREATE+UPDATE apps/deployments/scale,statefulsets/scale; CREATE+UPDATE autoscaling/*",
		},
		"all subresources of a kind, but those that always pass": {
			policies: []*v2.Policy{target("a", v2.PolicyTargets{Kinds: []string{"Pod"}, Subresources: []string{"*"}})},
			failing:  "CREATE+UPDATE /pods,pods/ephemeralcontainers",
		},
		"a subresource that is sent as another kind": {
			policies: []*v2.Policy{target("a", v2.PolicyTargets{Kinds: []string{"Deployment"}, Subresources: []string{"scale"}})},
			failing:  "CREATE+UPDATE apps/deployments", unknown: []UnknownTarget{{PolicyID: "a", Subresource: "scale"}},
		},
		"what always passes": {
			policies: []*v2.Policy{target("a", v2.PolicyTargets{Kinds: []string{"Lease", "CustomResourceDefinition", "Event"}})},
			unknown: []UnknownTarget{
				{PolicyID: "a", Kind: "CustomResourceDefinition", Exempt: true}, {PolicyID: "a", Kind: "Event", Exempt: true}, {PolicyID: "a", Kind: "Lease", Exempt: true},
			},
		},
		"what the cluster does not have": {
			policies: []*v2.Policy{target("b", v2.PolicyTargets{Kinds: []string{"Rollout", "Pod"}}), target("a", v2.PolicyTargets{Kinds: []string{"ComponentStatus"}})},
			failing:  "CREATE+UPDATE /pods", unknown: []UnknownTarget{{PolicyID: "a", Kind: "ComponentStatus"}, {PolicyID: "b", Kind: "Rollout"}},
		},
		"mutation": {
			policies: []*v2.Policy{
				target("a", v2.PolicyTargets{Kinds: []string{"Pod"}, Operations: []string{"CREATE", "DELETE"}}, mutate),
				target("b", v2.PolicyTargets{Kinds: []string{"Service"}}),
				target("c", v2.PolicyTargets{Kinds: []string{"Deployment"}, Operations: []string{"DELETE"}}, mutate),
			},
			failing:  "CREATE+DELETE /pods; CREATE+UPDATE /services; DELETE apps/deployments; CREATE+UPDATE serving.knative.dev/services",
			mutating: "CREATE /pods",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			validating, mutating, unknown := Build(test.policies, cluster, options())
			got := map[string]string{}
			for _, w := range validating.Webhooks {
				got[w.Name] = written(w.Rules)
			}
			if got[webhookFail] != test.failing || got[webhookIgnore] != test.ignoring {
				t.Errorf("Fail:   %q\nwant    %q\nIgnore: %q\nwant    %q", got[webhookFail], test.failing, got[webhookIgnore], test.ignoring)
			}
			if got[webhookPolicies] != "CREATE+UPDATE pac.weave.works/policies,policyconfigs,policyexceptions,policysets" {
				t.Errorf("policies: %q", got[webhookPolicies])
			}
			switch {
			case mutating == nil && test.mutating != "", mutating != nil && written(mutating.Webhooks[0].Rules) != test.mutating:
				t.Errorf("mutating: %+v, want %q", mutating, test.mutating)
			}
			if !slices.Equal(unknown, test.unknown) {
				t.Errorf("unknown: %v, want %v", unknown, test.unknown)
			}
		})
	}
}

func TestWorkloadsAreJudgedByPoliciesAboutTheKindsTheyAreLike(t *testing.T) {
	all := metav1.Verbs{"create", "update", "patch", "delete"}
	with := append(slices.Clone(cluster), &metav1.APIResourceList{GroupVersion: "argoproj.io/v1alpha1", APIResources: []metav1.APIResource{
		{Name: "rollouts", Kind: "Rollout", Verbs: all},
		{Name: "rollouts/status", Kind: "Rollout", Verbs: all},
		{Name: "workflows", Kind: "Workflow", Verbs: all},
	}})
	o := options()
	o.Workloads = policy.KnownWorkloads()
	for name, test := range map[string]struct {
		targets v2.PolicyTargets
		want    string
	}{
		"a kind":       {v2.PolicyTargets{Kinds: []string{"Deployment"}}, "CREATE+UPDATE apps/deployments; CREATE+UPDATE argoproj.io/rollouts; CREATE+UPDATE serving.knative.dev/services"},
		"its group":    {v2.PolicyTargets{APIGroups: []string{"apps"}}, "CREATE+UPDATE apps/*; CREATE+UPDATE argoproj.io/rollouts; CREATE+UPDATE serving.knative.dev/services"},
		"another kind": {v2.PolicyTargets{Kinds: []string{"StatefulSet"}}, "CREATE+UPDATE apps/statefulsets"},
		"a subresource of it": {v2.PolicyTargets{Kinds: []string{"Deployment"}, APIGroups: []string{"apps"}, Subresources: []string{"status"}},
			"CREATE+UPDATE apps/deployments; CREATE+UPDATE argoproj.io/rollouts,rollouts/status; CREATE+UPDATE serving.knative.dev/services"},
	} {
		validating, _, unknown := Build([]*v2.Policy{target("a", test.targets)}, with, o)
		if got := written(validating.Webhooks[0].Rules); got != test.want || len(unknown) > 0 {
			t.Errorf("%s: %s, unknown %v; want %s", name, got, unknown, test.want)
		}
	}
}

func TestTheSameInputGivesTheSameOutput(t *testing.T) {
	policies := []*v2.Policy{
		target("a", v2.PolicyTargets{Kinds: []string{"Pod", "Service", "Deployment", "StatefulSet"}}, mutate),
		target("b", v2.PolicyTargets{Kinds: []string{"Deployment"}, Operations: []string{"DELETE", "CREATE"}}, ignore),
	}
	text := func() string {
		validating, mutating, _ := Build(policies, cluster, options())
		a, err := yaml.Marshal(validating)
		if err != nil {
			t.Fatal(err)
		}
		b, err := yaml.Marshal(mutating)
		if err != nil {
			t.Fatal(err)
		}
		return string(a) + string(b)
	}
	first := text()
	for range 20 {
		slices.Reverse(policies)
		slices.Reverse(cluster)
		if again := text(); again != first {
			t.Fatalf("differs:\n%s\nfrom\n%s", again, first)
		}
	}
}

func TestWhatEachWebhookSays(t *testing.T) {
	o := options()
	o.OwnerRef = &metav1.OwnerReference{Kind: "ClusterRole", Name: "policy-agent"}
	policies := []*v2.Policy{target("a", v2.PolicyTargets{Kinds: []string{"Pod"}}, mutate), target("b", v2.PolicyTargets{Kinds: []string{"Pod"}}, ignore)}
	validating, mutating, _ := Build(policies, cluster, o)
	if validating.Name != "policy-agent" || len(validating.OwnerReferences) != 1 || len(mutating.OwnerReferences) != 1 {
		t.Errorf("metadata %+v", validating.ObjectMeta)
	}
	want := map[string]struct {
		path   string
		policy admissionv1.FailurePolicyType
	}{
		webhookFail: {pathFail, admissionv1.Fail}, webhookIgnore: {pathIgnore, admissionv1.Ignore}, webhookPolicies: {pathPolicies, admissionv1.Ignore},
	}
	for _, w := range validating.Webhooks {
		if got := *w.ClientConfig.Service.Path; got != want[w.Name].path || *w.FailurePolicy != want[w.Name].policy || *w.ClientConfig.Service.Port != 443 {
			t.Errorf("%s: %s, %s", w.Name, got, *w.FailurePolicy)
		}
		if string(w.ClientConfig.CABundle) != "bundle" || *w.TimeoutSeconds != 5 || *w.SideEffects != admissionv1.SideEffectClassNone || *w.MatchPolicy != admissionv1.Equivalent {
			t.Errorf("%s: %+v", w.Name, w)
		}
	}
	excluded := validating.Webhooks[0].NamespaceSelector.MatchExpressions[0]
	if excluded.Operator != metav1.LabelSelectorOpNotIn || strings.Join(excluded.Values, " ") != "flux-system kube-node-lease kube-public kube-system policy-system" {
		t.Errorf("excluded namespaces: %+v", excluded)
	}
	if m := mutating.Webhooks[0]; *m.FailurePolicy != admissionv1.Ignore || *m.ReinvocationPolicy != admissionv1.IfNeededReinvocationPolicy || *m.ClientConfig.Service.Path != pathMutation {
		t.Errorf("mutating: %+v", m)
	}

	o.FailurePolicy, o.URL, o.PolicyWebhookFailurePolicy = v2.FailurePolicyIgnore, "https://example.org:8443/", v2.FailurePolicyFail
	o.CABundle, o.InjectFrom = nil, "policy-system/agent-certificate"
	validating, _, _ = Build(policies, cluster, o)
	for _, w := range validating.Webhooks {
		if *w.FailurePolicy != admissionv1.Ignore {
			t.Errorf("%s is not Ignore", w.Name)
		}
		if w.ClientConfig.Service != nil || *w.ClientConfig.URL != "https://example.org:8443"+want[w.Name].path || w.ClientConfig.CABundle != nil {
			t.Errorf("%s: %+v", w.Name, w.ClientConfig)
		}
	}
	if validating.Annotations["cert-manager.io/inject-ca-from"] != o.InjectFrom {
		t.Errorf("annotations %v", validating.Annotations)
	}

	o = options()
	o.Admission = false
	if validating, mutating, _ = Build(policies, cluster, o); len(validating.Webhooks) != 1 || mutating != nil {
		t.Errorf("with admission off: %+v, %+v", validating.Webhooks, mutating)
	}
}

func TestGarbageCollectionIsNeverHeldUp(t *testing.T) {
	withDelete, _, _ := Build([]*v2.Policy{target("a", v2.PolicyTargets{Kinds: []string{"Pod"}, Operations: []string{"DELETE"}})}, cluster, options())
	without, _, _ := Build([]*v2.Policy{target("a", v2.PolicyTargets{Kinds: []string{"Pod"}})}, cluster, options())
	has := func(c *admissionv1.ValidatingWebhookConfiguration) bool {
		return slices.ContainsFunc(c.Webhooks[0].MatchConditions, func(m admissionv1.MatchCondition) bool {
			return strings.Contains(m.Expression, "generic-garbage-collector")
		})
	}
	if !has(withDelete) || has(without) {
		t.Errorf("with DELETE %t, without %t", has(withDelete), has(without))
	}
}

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// unused are rights that the chart grants although the agent does not need them in the test, and when it does.
var unused = map[string]string{
	"events.k8s.io/events patch": "an event that happens again is counted in the first one",
	"/namespaces get":            "the namespace of a request is younger than what was watched",
	"/secrets update":            "a certificate is renewed",
	"/configmaps update":         "what is open changes, or a full audit ends",
	"admissionregistration.k8s.io/validatingwebhookconfigurations update": "the old agent's registration is taken over",
	"admissionregistration.k8s.io/mutatingwebhookconfigurations update":   "the old agent's registration is taken over",
	"admissionregistration.k8s.io/validatingwebhookconfigurations delete": "the chart is uninstalled, by the account of its hook",
	"admissionregistration.k8s.io/mutatingwebhookconfigurations delete":   "the last policy that mutates is gone",
}

// otherWorkloads are the groups of workloads that are not of Kubernetes itself, which the test bed does not have.
var otherWorkloads = []string{"argoproj.io", "apps.kruise.io", "apps.openshift.io", "keda.sh", "serving.knative.dev"}

// checkRights compares what the chart grants the ServiceAccount with what it asked for: it was denied nothing, and rights
// that it did not use are known.
func checkRights(t *testing.T, user string) {
	t.Helper()
	requests, err := shared.Requests(user)
	if err != nil {
		t.Fatal(err)
	}
	if len(requests) < 10 {
		t.Fatalf("the audit log has only %d requests of %s", len(requests), user)
	}
	used, denied := map[string]bool{}, map[string]int{}
	for _, r := range requests {
		resource := r.ObjectRef.APIGroup + "/" + r.ObjectRef.Resource
		if r.ObjectRef.Subresource != "" {
			resource += "/" + r.ObjectRef.Subresource
		}
		if r.Denied() {
			denied[fmt.Sprintf("%s %s %s/%s", r.Verb, resource, r.ObjectRef.Namespace, r.ObjectRef.Name)]++
			continue
		}
		used[resource+" "+r.Verb] = true
		// Server-side apply of what does not exist needs the right to create as well (KEP-555).
		if r.Verb == "patch" && r.ResponseStatus.Code == 201 {
			used[resource+" create"] = true
		}
	}
	for what, times := range denied {
		t.Errorf("%s may not %s, and tried it %d times", user, what, times)
	}
	for _, right := range granted(t) {
		// Where the API server streams lists, client-go watches without listing first; older ones are listed.
		if used[right] || strings.HasSuffix(right, " list") && used[strings.TrimSuffix(right, "list")+"watch"] {
			continue
		}
		// The cluster has no Flux, and controllers are seen before what they make unless they are younger.
		_, verb, _ := strings.Cut(right, " ")
		group, _, _ := strings.Cut(right, "/")
		if strings.HasSuffix(group, ".toolkit.fluxcd.io") || slices.Contains(otherWorkloads, group) || verb == "get" && slices.Contains([]string{"apps", "batch"}, group) || right == "/replicationcontrollers get" {
			continue
		}
		if unused[right] == "" {
			t.Errorf("the chart grants a right that is not used: %s", right)
		}
	}
}

// granted are the rights that the chart's roles grant, as "group/resource verb".
func granted(t *testing.T) []string {
	t.Helper()
	ours := metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=policy-agent"}
	clusterRoles, err := shared.Client.RbacV1().ClusterRoles().List(t.Context(), ours)
	if err != nil {
		t.Fatal(err)
	}
	roles, err := shared.Client.RbacV1().Roles(agentNamespace).List(t.Context(), ours)
	if err != nil {
		t.Fatal(err)
	}
	var rules []rbacv1.PolicyRule
	for _, r := range clusterRoles.Items {
		rules = append(rules, r.Rules...)
	}
	for _, r := range roles.Items {
		rules = append(rules, r.Rules...)
	}
	var rights []string
	for _, r := range rules {
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				for _, verb := range r.Verbs {
					if slices.Contains([]string{group, resource, verb}, "*") {
						t.Errorf("a right is not bounded: %v", r)
					}
					rights = append(rights, strings.Join([]string{group, resource}, "/")+" "+verb)
				}
			}
		}
	}
	return rights
}

package registration

import (
	"fmt"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/assay-gitops/assay/internal/kube"
)

// conditions under which the API server asks the agent. Rules name no exempt resource, but those of policies that target all
// kinds match them. Without these conditions a cluster whose agent is away could not come back: nodes could not
// register, an API server that starts could not write its roles, the agent's own rights could not be repaired.
//
// An expression that fails refuses the request, so none reads a field that may be absent without asking for it first.
func (o *Options) conditions(asked scope) []admissionregistrationv1.MatchCondition {
	var groups, resources []string
	for _, exempt := range kube.ExemptResources() {
		if exempt.Resource == wildcard {
			groups = append(groups, exempt.Group)
		} else {
			resources = append(resources, exempt.Group+"/"+exempt.Resource)
		}
	}
	all := []admissionregistrationv1.MatchCondition{
		{
			Name: "exempt-resources",
			Expression: fmt.Sprintf("!(request.resource.group in %s || (request.resource.group + '/' + request.resource.resource) in %s)",
				celList(groups), celList(resources)),
		},
		{
			Name: "exempt-subresources",
			Expression: fmt.Sprintf("!(request.resource.group == '' && has(request.subResource) && (request.resource.resource + '/' + request.subResource) in %s)",
				celList(kube.ExemptSubresources())),
		},
		{
			// Kubelets and nodes that join, and API servers that write what they need when they start (they do not start
			// when they cannot).
			Name: "nodes-and-api-servers",
			Expression: "!((has(request.userInfo.username) && request.userInfo.username == 'system:apiserver') || " +
				"(has(request.userInfo.groups) && request.userInfo.groups.exists(g, g in ['system:nodes', 'system:bootstrappers'])))",
		},
		{
			// Taints are taken off nodes that are ready again: until then no pod is scheduled there, the agent's among them.
			Name: "control-plane-on-nodes",
			Expression: "!((request.resource.group + '/' + request.resource.resource) in ['/nodes', 'storage.k8s.io/csinodes', 'storage.k8s.io/volumeattachments'] && " +
				"has(request.userInfo.username) && ['system:kube-', 'system:cloud-', 'system:serviceaccount:kube-system:'].exists(p, request.userInfo.username.startsWith(p)))",
		},
		{
			// Of the chart's two ClusterRoles one holds the rights to register, and is what uninstalling takes away first.
			Name: "own-rights",
			Expression: fmt.Sprintf("!(request.resource.group == 'rbac.authorization.k8s.io' && request.resource.resource in ['clusterroles', 'clusterrolebindings'] && "+
				"has(request.name) && request.name in %s)", celList([]string{o.Name, o.Name + "-registration"})),
		},
	}
	if asked.has(deletion) {
		all = append(all, admissionregistrationv1.MatchCondition{
			Name: "no-garbage-collection",
			Expression: fmt.Sprintf("!(request.operation == 'DELETE' && has(request.userInfo.username) && request.userInfo.username in %s)",
				celList(collectors())),
		})
	}
	return all
}

// collectors delete what is left over, in whatever namespace; keeping them from it would keep namespaces from ever going.
func collectors() []string {
	return []string{
		"system:kube-controller-manager", "system:serviceaccount:kube-system:generic-garbage-collector",
		"system:serviceaccount:kube-system:namespace-controller", "system:serviceaccount:kube-system:ttl-after-finished-controller",
	}
}

func celList(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = celString(v)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// celString quotes names of Kubernetes objects.
func celString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

package weave.tenancy.allowed_clusters

import future.keywords.in

controller_input := input.review.object
secrets := input.parameters.cluster_secrets

violation[result] {
	controller_input.kind == "GitopsCluster"
	secret := controller_input.spec.secretRef.name
	not secret in secrets
	result = {"issue_detected": true, "msg": sprintf("cluster secretRef %v is not allowed", [secret])}
}

violation[result] {
	controller_input.kind == "Kustomization"
	secret := controller_input.spec.kubeConfig.secretRef.name
	not secret in secrets
	result = {"issue_detected": true, "msg": sprintf("kustomization kubeconfig secretRef %v is not allowed", [secret])}
}

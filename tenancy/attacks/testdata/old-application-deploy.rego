package weave.tenancy.allowed_application_deploy

import future.keywords.in

controller_input := input.review.object
namespaces := input.parameters.namespaces
service_account_name := input.parameters.service_account_name

violation[result] {
	targetNamespace := controller_input.spec.targetNamespace
	not targetNamespace in namespaces
	result = {"issue_detected": true, "msg": sprintf("using target namespace %v is not allowed", [targetNamespace])}
}

violation[result] {
	serviceAccountName := controller_input.spec.serviceAccountName
	serviceAccountName != service_account_name
	result = {"issue_detected": true, "msg": sprintf("using service account name %v is not allowed", [serviceAccountName])}
}

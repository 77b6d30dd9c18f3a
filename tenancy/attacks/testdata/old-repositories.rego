package weave.tenancy.allowed_repositories

import future.keywords.in

controller_input := input.review.object

allowed := {
	"GitRepository": input.parameters.git_urls,
	"Bucket": input.parameters.bucket_endpoints,
	"HelmRepository": input.parameters.helm_urls,
	"OCIRepository": input.parameters.oci_urls,
}

url := controller_input.spec.endpoint { controller_input.kind == "Bucket" }
url := controller_input.spec.url { controller_input.kind != "Bucket" }

listed { some known in allowed[controller_input.kind]; known == url }

violation[result] {
	url
	not listed
	result = {"issue_detected": true, "msg": sprintf("url %v is not allowed for namespace %v", [url, controller_input.metadata.namespace])}
}

package test.old

import future.keywords.in

violation[result] {
  some container in input.review.object.spec.template.spec.containers
  container.image == input.parameters.image
  result = {
    "issue_detected": true,
    "msg": sprintf("image %v", [container.image]),
    "violating_key": "spec.template.spec.containers",
  }
}

// Package terraform is the gate for Terraform plans: the handler of /terraform/admission, which the Tofu controller asks
// before it applies a plan, and pipelines may ask as well. It is a plain HTTP handler over a snapshot and knows no cluster.
//
// Whoever asks must get 200 and "passed": true to go on. Whatever keeps the gate from judging is another status with a
// sentence in the body, so that nothing is applied that was not judged; only the emergency brake makes it lenient.
package terraform

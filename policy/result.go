package policy

import (
	v2 "github.com/assay-gitops/assay/api/v2"
)

// Status says what came of judging an object by a policy.
type Status string

// The statuses.
const (
	// Violation: the object does not satisfy the policy.
	Violation Status = "violation"
	// Compliance: the object satisfies the policy.
	Compliance Status = "compliance"
	// Excepted: the object does not satisfy the policy, and a PolicyException accepts that.
	Excepted Status = "excepted"
	// Error: the policy could not be evaluated on the object.
	Error Status = "error"
)

// Result is the verdict of one policy on one object.
type Result struct {
	Policy *v2.Policy
	Object *Object
	Status Status
	// Message sums the result up: "<policy name> in <kind> <name> (<n> occurrences)". Empty for compliance.
	Message string
	// Occurrences are what was found, sorted by path and then by message; at least one for a violation.
	Occurrences []Occurrence
	// Enforced says that the violation is refused rather than warned about.
	Enforced bool
	// Parameters are the effective ones, in the order in which the policy declares them.
	Parameters []Parameter
	// Exception is what accepts the violation, when Status is Excepted.
	Exception *v2.PolicyException
	// Err is why the evaluation failed, when Status is Error.
	Err error
}

// Occurrence is one thing that is wrong with an object.
type Occurrence struct {
	Message string
	// Path is the violating key as the policy gave it, such as spec.template.spec.containers[0].image; empty when the
	// policy gave none. See ParsePath.
	Path string
	// RecommendedValue would satisfy the policy at Path; nil when the policy recommends none.
	RecommendedValue any
}

// Parameter is a parameter of a policy with the value that was used.
type Parameter struct {
	Name     string
	Type     string
	Required bool
	// Value as JSON values.
	Value any
	// ConfigRef is the name of the PolicyConfig that set the value; empty when it is the policy's own.
	ConfigRef string
}

package rego

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/assay-gitops/assay/policy"
)

// Document is the input that the code of a policy sees for a request and effective parameters, for those who run the code
// with OPA's own evaluator, as coverage does.
func Document(request *policy.Request, parameters map[string]any) *ast.Term {
	return NewInput(request).document(toTerm(parameters))
}

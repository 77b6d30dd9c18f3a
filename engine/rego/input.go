package rego

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/assay-gitops/assay/policy"
)

// Input is one request, converted once for all policies. It is for one goroutine at a time.
type Input struct {
	request *policy.Request
	// review is input.review, object is input.review.object.
	review, object *ast.Term
	machine        machine
}

// NewInput converts a request. The document is that of the Weave Policy Agent, an AdmissionRequest with name, kind and
// object; what a gate knows beyond (operation, user, old object, namespace) is filled in, and empty where it does not.
func NewInput(request *policy.Request) *Input {
	object := request.Object
	in := &Input{request: request, object: toTerm(withoutManagedFields(object.Content))}
	review := map[string]any{
		"uid":             "",
		"kind":            map[string]any{"group": object.Group(), "version": object.Version(), "kind": object.Kind()},
		"resource":        map[string]any{"group": "", "version": "", "resource": ""},
		"name":            object.Name(),
		"namespace":       object.Namespace(),
		"operation":       string(request.Operation),
		"subResource":     request.Subresource,
		"userInfo":        userInfo(request.UserInfo),
		"oldObject":       nil,
		"namespaceObject": nil,
		"options":         nil,
		"dryRun":          request.DryRun,
	}
	if request.OldObject != nil {
		review["oldObject"] = withoutManagedFields(request.OldObject)
	}
	if request.Namespace != nil {
		review["namespaceObject"] = withoutManagedFields(request.Namespace)
	}
	in.review = toTerm(review)
	in.review.Value.(ast.Object).Insert(ast.InternedTerm("object"), in.object)
	return in
}

func userInfo(u *policy.UserInfo) map[string]any {
	info := map[string]any{}
	if u == nil {
		return info
	}
	info["username"] = u.Username
	info["uid"] = u.UID
	info["groups"] = u.Groups
	extra := make(map[string]any, len(u.Extra))
	for key, values := range u.Extra {
		extra[key] = values
	}
	info["extra"] = extra
	return info
}

// withoutManagedFields is the object without metadata.managedFields, which no policy is about and which would cost the
// most to convert.
func withoutManagedFields(content map[string]any) map[string]any {
	metadata, ok := content["metadata"].(map[string]any)
	if !ok {
		return content
	}
	if _, ok := metadata["managedFields"]; !ok {
		return content
	}
	slimMetadata := make(map[string]any, len(metadata))
	for key, value := range metadata {
		if key != "managedFields" {
			slimMetadata[key] = value
		}
	}
	slim := make(map[string]any, len(content))
	for key, value := range content {
		slim[key] = value
	}
	slim["metadata"] = slimMetadata
	return slim
}

// document is the whole input for a set of parameters.
func (in *Input) document(parameters *ast.Term) *ast.Term {
	return ast.ObjectTerm(
		[2]*ast.Term{ast.InternedTerm("parameters"), parameters},
		[2]*ast.Term{ast.InternedTerm("review"), in.review},
	)
}

package admission

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "sigs.k8s.io/json"

	"github.com/assay-gitops/assay/internal/gate/review"
	"github.com/assay-gitops/assay/internal/kube"
	"github.com/assay-gitops/assay/policy"
)

func isExempt(r *review.Request, namespaces []string) bool {
	return kube.Exempt(namespaces, schema.GroupResource{Group: r.Resource.Group, Resource: r.Resource.Resource}, r.SubResource, r.Namespace, r.Name)
}

// decisionOn begins the decision on the review with what is known of it.
func decisionOn(r *review.Request, webhook string) Decision {
	resource := r.Resource.Version + "/" + r.Resource.Resource
	if r.Resource.Group != "" {
		resource = r.Resource.Group + "/" + resource
	}
	return Decision{
		Webhook: webhook, Operation: r.Operation, Resource: resource, Subresource: r.SubResource,
		Namespace: r.Namespace, Name: r.Name, UID: string(r.UID), User: r.UserInfo.Username, DryRun: r.DryRun,
	}
}

// decodeObject reads an object as JSON values, without managedFields: they are large, no policy is about them, and what is
// in them says nothing about the object. It is nil for null.
func decodeObject(raw json.RawMessage, what string) (map[string]any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var content map[string]any
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &content); err != nil {
		return nil, review.BadRequest("reading the %s of the admission review: %w", what, err)
	}
	if content == nil {
		return nil, nil
	}
	if policy.TooDeep(content) {
		return nil, review.BadRequest("reading the %s of the admission review: it is nested deeper than %d levels", what, policy.MaxDepth)
	}
	switch metadata := content["metadata"].(type) {
	case map[string]any:
		delete(metadata, "managedFields")
	case nil:
	default:
		return nil, review.BadRequest("reading the %s of the admission review: metadata is no map", what)
	}
	return content, nil
}

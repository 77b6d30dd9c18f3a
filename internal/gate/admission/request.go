package admission

import (
	"context"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/gate/review"
	"github.com/assay-gitops/assay/internal/kube"
	"github.com/assay-gitops/assay/policy"
)

// request is the review as policies see it.
func (h *handler) request(ctx context.Context, r *review.Request) (*policy.Request, error) {
	object, err := decodeObject(r.Object, "object")
	if err != nil {
		return nil, err
	}
	old, err := decodeObject(r.OldObject, "oldObject")
	if err != nil {
		return nil, err
	}
	switch {
	case r.Operation == policy.Delete && old != nil:
		object = old // all there is
	case r.Operation == policy.Connect && object == nil:
		object = map[string]any{} // not every connection has options
	case object == nil:
		return nil, review.BadRequest("the admission review of a %s has no object", r.Operation)
	}
	complete(object, r)
	request := &policy.Request{
		Object:      &policy.Object{Content: object},
		Mode:        v2.ModeAdmission,
		Operation:   r.Operation,
		Subresource: r.SubResource,
		OldObject:   old,
		UserInfo:    userInfo(r),
		DryRun:      r.DryRun,
		Controller:  controllerOf(object, r.UserInfo.Username),
	}
	if isNamespaced(r) && h.Namespace != nil {
		// A namespace that does not exist is nil: the API server has its own answer to that. Not knowing it is something
		// else. To judge all the same would be laxer without anybody seeing it: policies that select by the namespace's
		// labels would not act, and configs and exceptions of the workspace not apply. To refuse would be an outage that
		// failurePolicy does not help against. So it is an error.
		request.Namespace, err = h.Namespace(ctx, r.Namespace)
		if err != nil {
			return nil, review.Fail(http.StatusInternalServerError, metav1.StatusReasonInternalError,
				"reading the namespace %.63s of the object, which policies depend on: %w", r.Namespace, err)
		}
	}
	return request, nil
}

// isNamespaced tells whether the object lives in a namespace. The API server names the namespace of Namespaces too.
func isNamespaced(r *review.Request) bool {
	return r.Namespace != "" && (r.Resource.Group != "" || r.Resource.Resource != "namespaces")
}

// complete gives the object what the request says about it: options of a connection know neither where they belong nor
// of what they are, and no policy would act on an object without a kind. The object judged is in the namespace where it will be.
func complete(object map[string]any, r *review.Request) {
	setMissing(object, "apiVersion", strings.TrimPrefix(r.Kind.Group+"/"+r.Kind.Version, "/"))
	setMissing(object, "kind", r.Kind.Kind)
	metadata, _ := object["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
		object["metadata"] = metadata
	}
	if isNamespaced(r) {
		metadata["namespace"] = r.Namespace
	}
	setMissing(metadata, "name", r.Name)
}

func setMissing(m map[string]any, key, value string) {
	if present, _ := m[key].(string); present == "" && value != "" {
		m[key] = value
	}
}

func userInfo(r *review.Request) *policy.UserInfo {
	user := &policy.UserInfo{Username: r.UserInfo.Username, UID: r.UserInfo.UID, Groups: r.UserInfo.Groups}
	if len(r.UserInfo.Extra) > 0 {
		user.Extra = make(map[string][]string, len(r.UserInfo.Extra))
		for key, values := range r.UserInfo.Extra {
			user.Extra[key] = values
		}
	}
	return user
}

// controllerManager makes all requests of the built-in controllers where each has no account of its own.
const controllerManager = "system:kube-controller-manager"

// controllerOf is the built-in controller that made the object. Anybody can write that an object is controlled by a
// Deployment, and would pass all policies about Deployments if that were believed; so it is believed only of who runs that
// controller. The accounts are those of kube-controller-manager with --use-service-account-credentials.
func controllerOf(object map[string]any, user string) policy.GroupKind {
	account, isAccount := strings.CutPrefix(user, "system:serviceaccount:kube-system:")
	if !isAccount && user != controllerManager {
		return policy.GroupKind{}
	}
	if c, known := kube.ControllerOf(object); known && (!isAccount || c.Account == account) {
		return c.GroupKind()
	}
	return policy.GroupKind{}
}

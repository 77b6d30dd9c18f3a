package admission

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/fix"
	"github.com/assay-gitops/assay/policy"
)

// Mutating is the handler of the mutating webhook. It writes what policies with spec.mutate recommend into objects that are
// created or updated. It refuses nothing: where it cannot help, it says so in a warning, and the validating webhook judges
// the object as it is.
func Mutating(o Options) http.Handler {
	h := newHandler(o, MutatingWebhook)
	h.judge = &mutating{options: &h.Options}
	return h
}

type mutating struct{ options *Options }

func (m *mutating) judge(ctx context.Context, _ string, snapshot *engine.Snapshot, request *policy.Request, d *Decision) (*admissionv1.AdmissionResponse, error) {
	d.Allowed = true
	if _, braked := m.options.brake(); braked || !isRepairable(request) || !mutates(snapshot) {
		return &admissionv1.AdmissionResponse{Allowed: true}, nil
	}
	r := repair{request: *request, refused: map[*v2.Policy]bool{}}
	if err := r.run(ctx, snapshot, d); err != nil {
		return nil, err
	}
	d.Applied = r.applied
	response := &admissionv1.AdmissionResponse{Allowed: true, Warnings: r.warnings()}
	patch, err := fix.Patch(request.Object.Content, r.request.Object.Content)
	if err != nil {
		return nil, fmt.Errorf("writing down what was changed: %w", err)
	}
	if patch != nil {
		jsonPatch := admissionv1.PatchTypeJSONPatch
		response.Patch, response.PatchType = patch, &jsonPatch
		response.AuditAnnotations = map[string]string{"changed-by": changedBy(r.applied)}
	}
	return response, nil
}

// despite allows what could not be judged, always.
func (m *mutating) despite(err error) *admissionv1.AdmissionResponse {
	w := &warnings{limit: maxMutatingWarnings}
	w.add("assay: not repaired: %s", err)
	return &admissionv1.AdmissionResponse{Allowed: true, Warnings: w.all()}
}

func mutates(snapshot *engine.Snapshot) bool {
	return slices.ContainsFunc(snapshot.Policies(), func(p *v2.Policy) bool { return p.Spec.Mutate })
}

// isRepairable tells whether changing the object can do good.
func isRepairable(r *policy.Request) bool {
	if r.Operation != policy.Create && r.Operation != policy.Update || r.Subresource != "" {
		return false
	}
	metadata, _ := r.Object.Content["metadata"].(map[string]any)
	if metadata["deletionTimestamp"] != nil {
		return false // all that can still be done to it is removing finalizers
	}
	// A Deployment finds the ReplicaSet of its template by comparing the two. It would make another one, and again, if the
	// ReplicaSet were changed; what is wrong with it is repaired in the Deployment.
	return r.Controller != policy.GroupKind{Group: "apps", Kind: "Deployment"}
}

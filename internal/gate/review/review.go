package review

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kjson "sigs.k8s.io/json"

	"github.com/assay-gitops/assay/policy"
)

// maxBody bounds a review. The API server takes requests of at most 3 MiB, and a review has two objects.
const maxBody = 8 << 20

const kind = "AdmissionReview"

// Review is an AdmissionReview as it comes in. It has what is used of admissionv1.AdmissionReview, with the objects not yet
// decoded: what is exempt never is.
type Review struct {
	metav1.TypeMeta `json:",inline"`
	Request         *Request `json:"request"`
}

// Request is what the API server asks about.
type Request struct {
	UID         types.UID                   `json:"uid"`
	Kind        metav1.GroupVersionKind     `json:"kind"`
	Resource    metav1.GroupVersionResource `json:"resource"`
	SubResource string                      `json:"subResource"`
	Name        string                      `json:"name"`
	Namespace   string                      `json:"namespace"`
	Operation   policy.Operation            `json:"operation"`
	UserInfo    authenticationv1.UserInfo   `json:"userInfo"`
	Object      json.RawMessage             `json:"object"`
	OldObject   json.RawMessage             `json:"oldObject"`
	DryRun      bool                        `json:"dryRun"`
}

// Read reads a review from a request that comes from anybody, until the deadline.
func Read(w http.ResponseWriter, r *http.Request, deadline time.Time) (*Review, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, Fail(http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed,
			"method %.20q is not allowed: the API server sends admission reviews by POST", r.Method)
	}
	contentType := r.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(contentType); err != nil || media != "application/json" {
		return nil, Fail(http.StatusUnsupportedMediaType, metav1.StatusReasonUnsupportedMediaType,
			"content type %.100q is not understood: send an admission review as application/json", contentType)
	}
	body, err := ReadBody(w, r, maxBody, deadline)
	switch {
	case errors.Is(err, ErrTooLarge):
		return nil, Fail(http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge,
			"the admission review is larger than %d MiB, the most that is judged", maxBody>>20)
	case errors.Is(err, ErrLate):
		return nil, Fail(http.StatusRequestTimeout, metav1.StatusReasonTimeout, "the admission review did not arrive in time")
	case err != nil:
		return nil, BadRequest("reading the admission review: %w", err)
	case len(body) == 0:
		return nil, BadRequest("the request has no body: send an admission review")
	}
	rv := &Review{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(body, rv); err != nil {
		return nil, BadRequest("the body is no admission review: %w", err)
	}
	if err := rv.check(); err != nil {
		return nil, err
	}
	return rv, nil
}

// check demands what everything later relies on.
func (rv *Review) check() error {
	if want := admissionv1.SchemeGroupVersion.String(); rv.APIVersion != want || rv.Kind != kind {
		return BadRequest("the body is a %.60q of apiVersion %.60q, expected an %s of %s: set admissionReviewVersions: [v1] in the registration of the webhook",
			rv.Kind, rv.APIVersion, kind, want)
	}
	switch {
	case rv.Request == nil:
		return BadRequest("the admission review has no request")
	case rv.Request.UID == "":
		return BadRequest("the request of the admission review has no uid")
	case rv.Request.Resource.Resource == "":
		return BadRequest("the request of the admission review has no resource")
	}
	switch rv.Request.Operation {
	case policy.Create, policy.Update, policy.Delete, policy.Connect:
		return nil
	}
	return BadRequest("the operation %.40q of the admission review is unknown", string(rv.Request.Operation))
}

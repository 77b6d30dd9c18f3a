package admission

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/gate/review"
	"github.com/assay-gitops/assay/internal/words"
	"github.com/assay-gitops/assay/policy"
)

// Validating is the handler of the validating webhook. The last element of its path says which policies are asked: "fail"
// for those whose failurePolicy is Fail, "ignore" for those where it is Ignore, anything else for all, as older
// registrations want.
func Validating(o Options) http.Handler {
	h := newHandler(o, ValidatingWebhook)
	h.judge = &validating{options: &h.Options}
	return h
}

type validating struct{ options *Options }

func failurePolicyOf(urlPath string) v2.FailurePolicy {
	switch path.Base(urlPath) {
	case "fail":
		return v2.FailurePolicyFail
	case "ignore":
		return v2.FailurePolicyIgnore
	}
	return ""
}

func (v *validating) judge(ctx context.Context, urlPath string, snapshot *engine.Snapshot, request *policy.Request, d *Decision) (*admissionv1.AdmissionResponse, error) {
	request.FailurePolicy = failurePolicyOf(urlPath)
	verdict := snapshot.Judge(ctx, request)
	d.Results, d.Evaluated = verdict.Results, verdict.Evaluated
	denying, advising := split(verdict.Results)

	// late is set when not all policies were judged and the answer has to say so.
	var late error
	if verdict.Err != nil {
		late = review.Fail(http.StatusGatewayTimeout, metav1.StatusReasonTimeout,
			"not all policies were judged in time, %d were: %w", verdict.Evaluated, context.Cause(ctx))
		d.Err = late
	}
	reason, braked := v.options.brake()
	failOpen := v.options.FailOpen != nil && v.options.FailOpen()
	refuses := len(denying) > 0 || late != nil && request.FailurePolicy == v2.FailurePolicyFail && !failOpen
	if late != nil && !refuses && request.FailurePolicy == "" && !braked && !failOpen {
		// All policies were asked, and only the API server knows what its registration says about that.
		return nil, late
	}

	w := &warnings{limit: maxValidatingWarnings}
	response := &admissionv1.AdmissionResponse{Allowed: true, AuditAnnotations: annotations(denying, advising, braked)}
	if refuses && braked {
		d.Braked = true
		w.add("%s: this would have been denied", brakeText(reason))
		for _, result := range denying {
			w.addResult(result)
		}
	}
	if late != nil && (braked || len(denying) > 0 || !refuses) {
		w.add("assay: %s", late)
	}
	for _, result := range advising {
		w.addResult(result)
	}
	if refuses && !braked {
		response.Allowed = false
		response.Result = refusal(denying, late)
	}
	d.Allowed = response.Allowed
	response.Warnings = w.all()
	return response, nil
}

// despite allows what could not be judged while the brake is on: it is there for when Assay is the trouble.
func (v *validating) despite(err error) *admissionv1.AdmissionResponse {
	reason, braked := v.options.brake()
	if !braked {
		return nil
	}
	w := &warnings{limit: maxValidatingWarnings}
	w.add("%s: this was not judged: %s", brakeText(reason), err)
	return &admissionv1.AdmissionResponse{Allowed: true, Warnings: w.all()}
}

func brakeText(reason string) string {
	if reason = words.OneLine(reason, maxReason); reason == "" {
		return "emergency brake is on"
	}
	return "emergency brake is on (" + reason + ")"
}

// split separates the results that refuse from those that only advise, each in the order in which they are shown.
// Violations that an exception accepts are neither.
func split(results []policy.Result) (denying, advising []*policy.Result) {
	for i := range results {
		switch r := &results[i]; {
		case r.Status != policy.Violation && r.Status != policy.Error:
		case r.Enforced:
			denying = append(denying, r)
		default:
			advising = append(advising, r)
		}
	}
	byGravity(denying)
	byGravity(advising)
	return denying, advising
}

// refusal is the status of a denial. The text is in its message, once: kubectl shows reason and message.
func refusal(denying []*policy.Result, late error) *metav1.Status {
	status := &metav1.Status{Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden}
	if len(denying) > 0 {
		status.Message = denialText(denying)
		return status
	}
	var f *review.Failure
	if errors.As(late, &f) {
		status.Code, status.Reason = int32(f.Code), f.Reason
	}
	status.Message = words.OneLine(late.Error(), review.MaxFailure) + ", and these policies fail closed (failurePolicy: Fail); try again"
	return status
}

// maxAnnotation bounds an audit annotation, in bytes.
const maxAnnotation = 1024

// annotations are for the audit log. The API server puts the webhook's name before each key.
func annotations(denying, advising []*policy.Result, braked bool) map[string]string {
	key := "denied-by"
	if braked {
		key = "denied-but-for-the-brake-by"
	}
	all := map[string]string{}
	if len(denying) > 0 {
		all[key] = ids(denying)
	}
	if len(advising) > 0 {
		all["warned-by"] = ids(advising)
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

func ids(results []*policy.Result) string {
	all := make([]string, len(results))
	for i, r := range results {
		all[i] = r.Policy.Spec.ID
	}
	return listText(all)
}

// listText lists ids, as many as an annotation may have.
func listText(all []string) string {
	var b strings.Builder
	for i, id := range all {
		id = words.OneLine(id, maxName)
		if b.Len()+len(id) > maxAnnotation {
			fmt.Fprintf(&b, ", and %s", count(len(all)-i, "other", "others"))
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(id)
	}
	return b.String()
}

package review

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LateError is the cause of contexts that end because the answer is due.
type LateError struct{ Timeout time.Duration }

func (e *LateError) Error() string {
	return fmt.Sprintf("the answer is due within %s", e.Timeout)
}

// Due is a context that ends when the answer to the request is due, and how long that is: what the API server says that it
// waits, or else what is configured if that is shorter, less a tenth (but 50 to 500 ms) for the answer to travel.
func Due(r *http.Request, configured time.Duration) (context.Context, time.Duration, context.CancelFunc) {
	timeout := within(configured, r.URL.Query().Get("timeout"))
	ctx, cancel := context.WithTimeoutCause(r.Context(), timeout, &LateError{timeout})
	return ctx, timeout, cancel
}

func within(configured time.Duration, asked string) time.Duration {
	timeout := configured
	if d, err := time.ParseDuration(asked); err == nil && d > 0 && d < timeout {
		timeout = d
	}
	margin := min(max(timeout/10, 50*time.Millisecond), 500*time.Millisecond)
	return max(timeout-margin, timeout/2)
}

// Write answers a review.
func Write(w http.ResponseWriter, r *http.Request, rv *Review, response *admissionv1.AdmissionResponse, logger *slog.Logger) {
	response.UID = rv.Request.UID
	write(w, r, http.StatusOK, &admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: kind},
		Response: response,
	}, logger)
}

func write(w http.ResponseWriter, r *http.Request, code int, body any, logger *slog.Logger) {
	encoded, err := json.Marshal(body)
	if err != nil {
		// Nothing that is written here can fail to be JSON.
		logger.ErrorContext(r.Context(), "writing an answer", "error", err)
		http.Error(w, "internal error of assay", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	if _, err := w.Write(encoded); err != nil {
		logger.DebugContext(r.Context(), "the API server did not wait for an answer", "error", err)
	}
}

package review

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/assay-gitops/assay/internal/words"
)

// Failure is an error that is answered by an HTTP status.
type Failure struct {
	// Code is the HTTP status.
	Code int
	// Reason of the metav1.Status that the API server passes on.
	Reason metav1.StatusReason
	err    error
}

// Error is the sentence for the user.
func (f *Failure) Error() string { return f.err.Error() }

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.err }

// Fail makes a Failure; the format is that of fmt.Errorf.
func Fail(code int, reason metav1.StatusReason, format string, args ...any) *Failure {
	return &Failure{code, reason, fmt.Errorf(format, args...)}
}

// BadRequest is the Failure of a request that makes no sense.
func BadRequest(format string, args ...any) *Failure {
	return Fail(http.StatusBadRequest, metav1.StatusReasonBadRequest, format, args...)
}

// MaxFailure is how long the sentence of a Failure may be, in characters.
const MaxFailure = 1024

// WriteFailure answers by an HTTP status and a metav1.Status, whose message the API server passes on to the user.
func WriteFailure(w http.ResponseWriter, r *http.Request, err error, logger *slog.Logger) {
	f := &Failure{http.StatusInternalServerError, metav1.StatusReasonInternalError, err}
	errors.As(err, &f)
	if f.Code >= http.StatusInternalServerError {
		logger.WarnContext(r.Context(), "a request was answered by an error", "code", f.Code, "error", err)
	} else {
		// Whoever reaches the port can send these, and the sender hears of it.
		logger.DebugContext(r.Context(), "a request could not be read", "code", f.Code, "error", err)
	}
	write(w, r, f.Code, &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Message: words.OneLine(f.Error(), MaxFailure), Reason: f.Reason, Code: int32(f.Code), //nolint:gosec // an HTTP status
	}, logger)
}

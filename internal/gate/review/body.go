package review

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"time"
)

// firstRead is what is allocated before anything was read; what the sender says about the length is not believed.
const firstRead = 16 << 10

// Why a body was not read, for errors.Is.
var (
	ErrTooLarge = errors.New("it is too large")
	ErrLate     = errors.New("it did not arrive in time")
)

// ReadBody reads the body of a request, at most so many bytes and until the deadline.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64, deadline time.Time) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, ErrTooLarge
	}
	// A sender that dawdles is cut off. Without effect where the server cannot do it; then its own timeouts must.
	control := http.NewResponseController(w)
	if control.SetReadDeadline(deadline) == nil {
		defer control.SetReadDeadline(time.Time{}) //nolint:errcheck // it could be set, and so can be unset
	}
	body := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 0)+bytes.MinRead, firstRead)))
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, ErrTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, ErrLate
	}
	return body.Bytes(), err
}

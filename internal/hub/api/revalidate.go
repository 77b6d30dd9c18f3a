package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
)

// maxRevalidated is the longest answer that is kept to be compared with what the client has.
const maxRevalidated = 4 << 20

// revalidated gives answers an ETag and says 304 to who has the same already. It saves the way, not the work. The tag is weak: it is of
// what is said, not of how it is compressed.
func revalidated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		if !reads || r.URL.Path == exportPath || r.URL.Path == sessionPath || !strings.HasPrefix(r.URL.Path, "/v1/") && r.URL.Path != documentPath {
			next.ServeHTTP(w, r)
			return
		}
		held := &heldWriter{ResponseWriter: w}
		next.ServeHTTP(held, r)
		held.release(r)
	})
}

// heldWriter keeps an answer until it is whole, unless it is too long or no success.
type heldWriter struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	passed bool
}

// WriteHeader keeps a success to itself.
func (w *heldWriter) WriteHeader(status int) {
	if w.passed || w.status != 0 {
		return
	}
	w.status = status
	if status != http.StatusOK {
		w.pass()
	}
}

func (w *heldWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.passed && w.body.Len()+len(b) > maxRevalidated {
		w.pass()
		if _, err := w.ResponseWriter.Write(w.body.Bytes()); err != nil {
			return 0, err
		}
		w.body = bytes.Buffer{}
	}
	if w.passed {
		return w.ResponseWriter.Write(b)
	}
	return w.body.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *heldWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *heldWriter) pass() {
	w.passed = true
	w.ResponseWriter.WriteHeader(w.status)
}

func (w *heldWriter) release(r *http.Request) {
	if w.passed || w.status == 0 {
		return
	}
	sum := sha256.Sum256(w.body.Bytes())
	tag := `W/"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	header := w.Header()
	header.Set("ETag", tag)
	// Whoever keeps it asks before showing it again, as who they are then.
	header.Set("Cache-Control", "private, no-cache")
	header.Add("Vary", "Authorization, Cookie")
	if matches(r.Header.Values("If-None-Match"), tag) {
		header.Del("Content-Type")
		w.ResponseWriter.WriteHeader(http.StatusNotModified)
		return
	}
	w.pass()
	// Who does not take the answer has gone.
	_, _ = w.ResponseWriter.Write(w.body.Bytes())
}

func matches(conditions []string, tag string) bool {
	for _, condition := range conditions {
		for one := range strings.SplitSeq(condition, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
	}
	return false
}

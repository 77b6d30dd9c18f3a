package admission

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
	"unicode/utf8"
)

// Whatever is sent, the answer is a review for the uid that was sent or an HTTP error with a status, within its bounds.
// Panics are caught by the handlers, so the log is looked at.
func FuzzValidating(f *testing.F) {
	f.Add([]byte(`{}`), "/admission", "")
	f.Add(reviewJSON(f, asked(f, deployment, "")), "/admission/fail", "10s")
	f.Add(reviewJSON(f, asked(f, deployment, compliant)), "/admission/ignore", "1s")
	f.Add(reviewJSON(f, asked(f, "", deployment)), "/admission", "")
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"x","operation":"CREATE","kind":{"kind":"Pod"},"resource":{"resource":"pods"},"object":{"kind":5,"metadata":{"name":[],"labels":7,"ownerReferences":[1,{"controller":1}]},"spec":null}}}`), "/admission", "")
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"x","operation":"UPDATE","kind":{"kind":"Pod","version":"v1"},"resource":{"resource":"pods"},"object":{"spec":{"containers":[{"name":"\u0000","securityContext":{"privileged":1}}]}},"oldObject":{"spec":[]}}}`), "/", "-1h")
	all := append(policies(f), repairing(f, "privileged", "owner-label")...)
	for _, p := range all[len(all)-2:] {
		p.Spec.ID += "-repairing"
	}
	s := newStage(f, all...)
	s.Record = nil
	s.Timeout = func() time.Duration { return time.Minute }
	validating, mutating := Validating(s.Options), Mutating(s.Options)
	f.Fuzz(func(t *testing.T, body []byte, path, timeout string) {
		target := url.URL{Path: "/" + path, RawQuery: url.Values{"timeout": {timeout}}.Encode()}
		for _, h := range []http.Handler{validating, mutating} {
			s.log.Reset()
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
			r.URL = &target
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			size := w.Body.Len()
			got := read(t, w)
			if bytes.Contains(s.log.Bytes(), []byte("panicked")) {
				t.Fatal(s.log.String())
			}
			if got.AdmissionResponse == nil {
				continue
			}
			for _, warning := range got.Warnings {
				if utf8.RuneCountInString(warning) > maxWarning {
					t.Errorf("a warning of %d characters", utf8.RuneCountInString(warning))
				}
			}
			if h == validating && (size > 3*maxDenial+len(body) || got.Patch != nil) || h == mutating && !got.Allowed {
				t.Errorf("%d bytes: %s", size, got.shown())
			}
		}
	})
}

package terraform

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// authenticate lets a request in, or fails with 401.
func (h *handler) authenticate(w http.ResponseWriter, r *http.Request) error {
	if h.Tokens == nil && !h.RequireClientCertificate {
		return nil
	}
	if h.RequireClientCertificate && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return nil
	}
	if h.Tokens == nil {
		w.Header().Set("WWW-Authenticate", `Certificate realm="assay"`)
		return fail(http.StatusUnauthorized, "a client certificate is required that is signed by the authority in tfAdmission.auth.clientCAFile")
	}
	token, sent := bearer(r)
	if sent && accepted(h.Tokens(), token) {
		return nil
	}
	wanted := "a bearer token is required"
	if h.RequireClientCertificate {
		wanted = "a client certificate or a bearer token is required"
	}
	if !sent {
		w.Header().Set("WWW-Authenticate", `Bearer realm="assay"`)
		return fail(http.StatusUnauthorized, "%s: send the header Authorization: Bearer TOKEN", wanted)
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="assay", error="invalid_token"`)
	return fail(http.StatusUnauthorized, "%s, and the token that was sent is not accepted", wanted)
}

// bearer is the token of a request (RFC 6750, section 2.1; the scheme's case does not matter, RFC 9110, section 11.1).
func bearer(r *http.Request) (token string, sent bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

// accepted compares in a time that depends neither on which token is right nor on how much of one.
func accepted(tokens [][]byte, sent string) bool {
	sum := sha256.Sum256([]byte(sent))
	found := 0
	for _, token := range tokens {
		if len(token) == 0 {
			continue
		}
		known := sha256.Sum256(token)
		found |= subtle.ConstantTimeCompare(sum[:], known[:])
	}
	return found == 1
}

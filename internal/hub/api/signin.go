package api

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/words"
)

//go:embed signin.html
var signInPage string

// registerSignIn serves what browsers are led to and from the identity provider by. It is no API: who cannot sign in is shown a page.
func (s *service) registerSignIn(mux *http.ServeMux) error {
	page, err := template.New("sign-in").Parse(signInPage)
	if err != nil {
		return fmt.Errorf("reading the page of a sign-in that failed: %w", err)
	}
	mux.HandleFunc("GET "+auth.LoginPath, func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		location, cookie, err := s.auth.BeginSignIn(r, query.Get("return_to"))
		if err != nil {
			s.signInFailed(w, r, page, "", err)
			return
		}
		http.SetCookie(w, cookie)
		lead(w, location)
	})
	mux.HandleFunc("GET "+auth.CallbackPath, func(w http.ResponseWriter, r *http.Request) {
		to, cookies, who, err := s.auth.EndSignIn(r)
		for _, cookie := range cookies {
			http.SetCookie(w, cookie)
		}
		if err != nil {
			s.signInFailed(w, r, page, auth.LoginPath+"?"+url.Values{"return_to": {to}}.Encode(), err)
			return
		}
		noted := note(r.Context())
		noted.who, noted.way = who.Username, string(who.Way)
		s.toldSignIn(r, who)
		lead(w, to)
	})
	return nil
}

// lead sends a browser on.
func lead(w http.ResponseWriter, location string) {
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}

// signInFailed shows a page that says what to do, with a link to begin again where that may help.
func (s *service) signInFailed(w http.ResponseWriter, r *http.Request, page *template.Template, again string, err error) {
	status, title, detail := http.StatusInternalServerError, "Something went wrong", "The hub failed"
	var refusal *auth.Refusal
	if errors.As(err, &refusal) {
		title, detail = "You are not signed in", refusal.Detail
		switch refusal.Reason {
		case auth.Unavailable:
			status = http.StatusServiceUnavailable
			w.Header().Set("Retry-After", strconv.Itoa(int(busyFor.Seconds())))
			if again == "" {
				again = auth.LoginPath
			}
		case auth.Forbidden:
			status = http.StatusForbidden
		default:
			status = http.StatusBadRequest
		}
	}
	s.logger.WarnContext(r.Context(), "somebody could not sign in", "way", string(auth.ByProvider), "error", words.OneLine(err.Error(), maxFault),
		"client", s.limiter.client(r), "request", requestID(r.Context()))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", styledPage())
	w.WriteHeader(status)
	// Who does not take the answer has gone.
	_ = page.Execute(w, map[string]any{
		// The style comes with the program.
		"Title": title, "Detail": upperFirst(detail), "Again": again, "Request": requestID(r.Context()), "Style": template.CSS(docsStyle),
	})
}

// upperFirst makes a detail, which begins with a lower-case letter or not, a sentence.
func upperFirst(detail string) string { return strings.ToUpper(detail[:1]) + detail[1:] }

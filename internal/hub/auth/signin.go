package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/hub/auth/provider"
)

const (
	// signInCookie is the name of the cookie of a sign-in that is under way, and maxSignIn how long it may take.
	signInCookie = "assay-sign-in"
	maxSignIn    = 10 * time.Minute
	// maxReturn bounds the path that a sign-in leads to.
	maxReturn = 2048

	// LoginPath is where a sign-in with the provider begins, CallbackPath where the provider leads back to.
	LoginPath    = "/auth/login"
	CallbackPath = "/auth/callback"
)

// signIn is what the cookie of a sign-in that is under way holds.
type signIn struct {
	provider.Flow
	// Return is a path of the hub's.
	Return string `json:"r"`
	Until  int64  `json:"u"`
}

// HasProvider tells whether there is an identity provider.
func (a *Auth) HasProvider() bool { return a.provider != nil }

// BeginSignIn leads a browser to the identity provider: the cookie is for the answer. Afterwards it is led to a path of the hub's. An error is
// a *Refusal, or the context's.
func (a *Auth) BeginSignIn(r *http.Request, returnTo string) (location string, cookie *http.Cookie, err error) {
	if a.provider == nil {
		return "", nil, &Refusal{Reason: Forbidden, Detail: "the hub knows no identity provider"}
	}
	path, err := localPath(returnTo)
	if err != nil {
		return "", nil, err
	}
	flow, location, err := a.provider.Begin(r.Context())
	if err != nil {
		return "", nil, refusedSignIn(err)
	}
	value, err := a.sessions.seal(signInCookie, signIn{Flow: flow, Return: path, Until: a.sessions.now().Add(maxSignIn).Unix()})
	if err != nil {
		return "", nil, err
	}
	return location, a.cookie(r, signInCookie, value, maxSignIn), nil
}

// EndSignIn begins a session for who comes back from the identity provider. The cookies are for the answer, also when there is an error, which
// is a *Refusal, or the context's. The path is where to go on; / when that is not known.
func (a *Auth) EndSignIn(r *http.Request) (returnTo string, cookies []*http.Cookie, who Identity, err error) {
	if a.provider == nil {
		return "/", nil, Identity{}, &Refusal{Reason: Forbidden, Detail: "the hub knows no identity provider"}
	}
	// Whatever comes of it, this sign-in is over.
	cookies = []*http.Cookie{a.gone(r, signInCookie)}
	begun, err := a.findSignIn(r)
	if err != nil {
		return "/", cookies, Identity{}, err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return begun.Return, cookies, Identity{}, refusedSignIn(fmt.Errorf("reading the query: %w", err))
	}
	if query.Get("state") == begun.State {
		// An answer to this sign-in is taken once, whoever has kept the cookie.
		if !a.sessions.endOnce(begun.State, maxSignIn) {
			return begun.Return, cookies, Identity{}, refusedSignIn(errors.New("this sign-in has ended already"))
		}
	}
	person, err := a.provider.Finish(r.Context(), begun.Flow, query)
	if err != nil {
		return begun.Return, cookies, Identity{}, refusedSignIn(err)
	}
	if person.LeftOut > 0 {
		a.logger.WarnContext(r.Context(), "groups of somebody who signed in were left out, as their names begin with system:", "groups", person.LeftOut)
	}
	of := a.sessions.begin(ByProvider, person.Name, person.Groups, a.provider.Mark())
	cookie, err := a.sessionCookie(r, of)
	if err != nil {
		return begun.Return, cookies, Identity{}, err
	}
	return begun.Return, append(cookies, cookie), a.identity(of, providerUser(of)), nil
}

// providerUser is somebody as the API server knows who shows an ID token.
func providerUser(of *session) user {
	groups := append(make([]string, 0, len(of.Groups)+1), of.Groups...)
	return user{Username: of.Name, Groups: append(groups, "system:authenticated")}
}

// findSignIn is the sign-in that the browser of a request has under way.
func (a *Auth) findSignIn(r *http.Request) (*signIn, error) {
	cookies := r.CookiesNamed(a.cookieName(r, signInCookie))
	if len(cookies) != 1 {
		return nil, refusedSignIn(fmt.Errorf("the browser has %d sign-ins under way", len(cookies)))
	}
	var begun signIn
	if err := a.sessions.keys().Open(signInCookie, cookies[0].Value, &begun); err != nil {
		return nil, refusedSignIn(fmt.Errorf("reading the sign-in: %w", err))
	}
	if a.sessions.now().Unix() >= begun.Until {
		return nil, refusedSignIn(errors.New("the sign-in took too long"))
	}
	return &begun, nil
}

// refusedSignIn says to who signs in what helps them, and to the log the rest.
func refusedSignIn(cause error) error {
	refusal := &Refusal{Reason: Unauthenticated, Detail: "the sign-in could not be finished: begin again", Cause: cause}
	switch {
	case errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) && !errors.Is(cause, provider.ErrAway):
		return cause
	case errors.Is(cause, provider.ErrAway):
		refusal.Reason, refusal.Detail = Unavailable, "the identity provider does not answer the hub: try again in a moment"
	case errors.Is(cause, provider.ErrDenied):
		refusal.Reason, refusal.Detail = Forbidden, "the identity provider did not sign you in"
	}
	return refusal
}

// localPath is a path of the hub's that a browser may be led to, with its query. Anything that a browser could take for another host is refused.
func localPath(text string) (string, error) {
	if text == "" {
		return "/", nil
	}
	refused := &Refusal{Reason: Forbidden, Detail: "return_to is not a path of the hub's, such as /violations?severity=high"}
	outside := func(c rune) bool { return c <= ' ' || c == '\\' || c >= 0x7f }
	if len(text) > maxReturn || strings.ContainsFunc(text, outside) {
		return "", refused
	}
	to, err := url.Parse(text)
	if err != nil || to.Scheme != "" || to.Host != "" || to.User != nil || to.Opaque != "" || !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") ||
		strings.HasPrefix(to.Path, "//") || strings.Contains(to.Path, "\\") || strings.HasPrefix(to.Path, "/auth/") {
		return "", refused
	}
	return to.String(), nil
}

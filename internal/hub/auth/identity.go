package auth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// parallelRights is how many rights of one user are asked about at once, each in all namespaces.
const parallelRights = 2

// Way is how somebody says who they are.
type Way string

// The ways.
const (
	// ByToken is a token that the API server knows.
	ByToken Way = "token"
	// ByPassword is a name and a password of the file of users.
	ByPassword Way = "password"
	// ByProvider is an identity provider that speaks OpenID Connect.
	ByProvider Way = "oidc"
)

// Identity is who asks.
type Identity struct {
	user
	Way Way
	// Session is what they are signed in by; nil when they said who they are with the request.
	Session *Session
	session *session
}

// Session is what a browser has instead of a token.
type Session struct {
	// Expires is when it ends unless it is used, Ends when it does at the latest.
	Expires, Ends time.Time
}

// Granted is what somebody may see.
type Granted struct {
	Resource Resource
	Verb     Verb
	Scope    store.Scope
}

// Who asks. It is false when nobody says so, or when the session that a browser had is over; wrong credentials are an error, a *Refusal.
func (a *Auth) Who(r *http.Request) (Identity, bool, error) {
	who, err := a.who(r)
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Reason == Unauthenticated && len(r.Header.Values("Authorization")) == 0 {
		return Identity{}, false, nil
	}
	return who, err == nil, err
}

// Renewed is the cookie of their session as it should be from now on, and notes until when it is; nil when it should stay as it is.
func (a *Auth) Renewed(r *http.Request, who *Identity) *http.Cookie {
	now := a.sessions.now()
	if who.session == nil || now.Sub(time.Unix(who.session.Used, 0)) < renewEvery {
		return nil
	}
	again := *who.session
	again.Used = now.Unix()
	cookie, err := a.sessionCookie(r, &again)
	if err != nil {
		// What there is goes on until it ends.
		a.logger.ErrorContext(r.Context(), "a session could not be renewed", "error", err)
		return nil
	}
	*who = a.identity(&again, who.user)
	return cookie
}

// Rights are those of somebody, with those that they do not have left out. An error is a *Refusal, or the context's.
func (a *Auth) Rights(ctx context.Context, who Identity) ([]Granted, error) {
	var all []Granted
	for _, resource := range []Resource{Violations, Workspaces, Policies, PolicySets, PolicyConfigs, PolicyExceptions} {
		all = append(all, Granted{Resource: resource, Verb: List}, Granted{Resource: resource, Verb: Get})
	}
	questions, ctx := errgroup.WithContext(ctx)
	questions.SetLimit(parallelRights)
	for i := range all {
		questions.Go(func() (err error) {
			all[i].Scope, err = a.rights.scope(ctx, who.user, right{all[i].Verb, all[i].Resource})
			return err
		})
	}
	if err := questions.Wait(); err != nil {
		return nil, err //nolint:wrapcheck // it says what it is
	}
	return slices.DeleteFunc(all, func(g Granted) bool { return !g.Scope.All && len(g.Scope.Namespaces) == 0 }), nil
}

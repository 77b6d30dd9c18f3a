package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/words"
)

const (
	sessionPath = "/v1/session"
	// maxCredentials bounds the body of a sign-in.
	maxCredentials = 4 << 10
)

// Credentials are of somebody in the hub's file of users.
type Credentials struct {
	Name     string   `json:"name" minLength:"1" maxLength:"256"`
	Password string   `json:"password" maxLength:"256"`
	_        struct{} `additionalProperties:"false"`
}

// Session is who asks, and what they may.
type Session struct {
	SignedIn  bool             `json:"signedIn"`
	Name      string           `json:"name,omitempty" doc:"What the cluster calls them."`
	Groups    []string         `json:"groups,omitempty" doc:"What the cluster counts them among."`
	Way       string           `json:"way,omitempty" enum:"token,password,oidc" doc:"How they said who they are."`
	ExpiresAt *time.Time       `json:"expiresAt,omitempty" doc:"When the session ends unless it is used. Missing when there is none, as who they are was said with the request."`
	EndsAt    *time.Time       `json:"endsAt,omitempty" doc:"When the session ends at the latest."`
	Rights    []Right          `json:"rights" nullable:"false" doc:"What they may see; what is not there they may not."`
	SignIn    []SignInPossible `json:"signIn" nullable:"false" doc:"The ways to begin a session."`
}

// Right is something that somebody may see.
type Right struct {
	Resource   string   `json:"resource" enum:"violations,workspaces,policies,policysets,policyconfigs,policyexceptions"`
	Verb       string   `json:"verb" enum:"list,get"`
	All        bool     `json:"all" doc:"Everywhere, in every cluster."`
	Namespaces []string `json:"namespaces" nullable:"false" doc:"Those of the hub's cluster, when it is not everywhere."`
}

// SignInPossible is a way to begin a session.
type SignInPossible struct {
	Way  string `json:"way" enum:"password,oidc"`
	Path string `json:"path" doc:"For password: where to POST Credentials. For oidc: where to lead the browser, with return_to, a path of the hub's, in the query."`
}

type (
	// sessionInput has the request, for its cookies.
	sessionInput struct{ request *http.Request }
	beginInput   struct {
		sessionInput
		Body Credentials
	}
	sessionOutput struct {
		SetCookie []string `header:"Set-Cookie" hidden:"true"`
		Body      Session
	}
	endOutput struct {
		SetCookie []string `header:"Set-Cookie" hidden:"true"`
	}
)

// Resolve takes the request.
func (i *sessionInput) Resolve(ctx huma.Context) []error {
	request, _ := humago.Unwrap(ctx)
	i.request = request.WithContext(ctx.Context())
	return nil
}

func (s *service) registerSession() {
	anybody := func(op huma.Operation) huma.Operation {
		op.Path, op.Tags = sessionPath, []string{"Session"}
		op.Security = []map[string][]string{{readerToken: {}}, {readerPassword: {}}, {readerSession: {}}, {}}
		op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusForbidden, http.StatusRequestURITooLong, http.StatusUnprocessableEntity, http.StatusTooManyRequests,
			http.StatusInternalServerError, http.StatusServiceUnavailable)
		slices.Sort(op.Errors)
		op.Middlewares = huma.Middlewares{s.strictQuery}
		return op
	}
	huma.Register(s.api, anybody(huma.Operation{
		OperationID: "get-session", Method: http.MethodGet, Summary: "Tells who you are and what you may",
		Description: "Who is not signed in is told so, and how to. Only credentials that are wrong are an error.", Errors: []int{http.StatusUnauthorized},
	}), s.getSession)
	huma.Register(s.api, anybody(huma.Operation{
		OperationID: "begin-session", Method: http.MethodPost, Summary: "Signs in with a name and a password",
		Description: "Of the hub's file of users, over TLS. The session is in a cookie, which scripts cannot read; it takes the place of one that there was.", MaxBodyBytes: maxCredentials,
		Errors: []int{http.StatusUnauthorized, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType},
	}), s.beginSession)
	huma.Register(s.api, anybody(huma.Operation{
		OperationID: "end-session", Method: http.MethodDelete, Summary: "Signs out",
		Description: "Ends the session of the request's cookie, if it has one, and every copy of it. Who signed in with an identity provider stays signed in there.", DefaultStatus: http.StatusNoContent,
	}), s.endSession)
}

func (s *service) getSession(ctx context.Context, in *sessionInput) (*sessionOutput, error) {
	who, known, err := s.auth.Who(in.request)
	if err != nil {
		return nil, s.problem(ctx, "finding out who asks", err)
	}
	if !known {
		return &sessionOutput{Body: Session{Rights: []Right{}, SignIn: s.signInPossible()}}, nil
	}
	cookie := s.auth.Renewed(in.request, &who)
	return s.shownSession(ctx, who, cookie)
}

func (s *service) beginSession(ctx context.Context, in *beginInput) (*sessionOutput, error) {
	cookie, who, err := s.auth.SignIn(in.request, in.Body.Name, in.Body.Password)
	if err != nil {
		// No name: people write passwords into the wrong field.
		s.logger.WarnContext(ctx, "somebody could not sign in", "way", string(auth.ByPassword), "error", err, "client", s.limiter.client(in.request), "request", requestID(ctx))
		return nil, s.problem(ctx, "signing in", err)
	}
	s.toldSignIn(in.request, who)
	return s.shownSession(ctx, who, cookie)
}

func (s *service) endSession(ctx context.Context, in *sessionInput) (*endOutput, error) {
	who, cookie := s.auth.SignOut(in.request)
	if who != "" {
		note(ctx).who = who
		s.logger.InfoContext(ctx, "somebody signed out", "who", words.OneLine(who, 200), "client", s.limiter.client(in.request), "request", requestID(ctx))
	}
	return &endOutput{SetCookie: []string{cookie.String()}}, nil
}

// toldSignIn logs that a session has begun.
func (s *service) toldSignIn(r *http.Request, who auth.Identity) {
	s.logger.InfoContext(r.Context(), "somebody signed in", "who", words.OneLine(who.Username, 200), "way", string(who.Way), "groups", len(who.Groups),
		"until", who.Session.Ends.UTC(), "client", s.limiter.client(r), "request", requestID(r.Context()))
}

// shownSession is the answer about somebody, with the cookie of their session when it is another one now.
func (s *service) shownSession(ctx context.Context, who auth.Identity, cookie *http.Cookie) (*sessionOutput, error) {
	noted := note(ctx)
	noted.who, noted.way = who.Username, string(who.Way)
	out := &sessionOutput{Body: Session{SignedIn: true, Name: who.Username, Groups: who.Groups, Way: string(who.Way), Rights: []Right{}, SignIn: s.signInPossible()}}
	if who.Session != nil {
		expires, ends := who.Session.Expires.UTC(), who.Session.Ends.UTC()
		out.Body.ExpiresAt, out.Body.EndsAt = &expires, &ends
	}
	if cookie != nil {
		out.SetCookie = []string{cookie.String()}
	}
	granted, err := s.auth.Rights(ctx, who)
	if err != nil {
		return nil, s.problem(ctx, "finding out what somebody may see", err)
	}
	for _, g := range granted {
		right := Right{Resource: string(g.Resource), Verb: string(g.Verb), All: g.Scope.All, Namespaces: []string{}}
		for _, namespaces := range g.Scope.Namespaces {
			right.Namespaces = append(right.Namespaces, namespaces...)
		}
		slices.Sort(right.Namespaces)
		out.Body.Rights = append(out.Body.Rights, right)
	}
	return out, nil
}

func (s *service) signInPossible() []SignInPossible {
	possible := []SignInPossible{}
	if s.auth.HasProvider() {
		possible = append(possible, SignInPossible{Way: string(auth.ByProvider), Path: auth.LoginPath})
	}
	if s.auth.HasPasswords() {
		possible = append(possible, SignInPossible{Way: string(auth.ByPassword), Path: sessionPath})
	}
	return possible
}

// Package provider signs people in with an identity provider that speaks OpenID Connect: by the authorization code flow with PKCE, and with
// the name and the groups that the API server would give them with flags of the same names (--oidc-issuer-url and so on).
//
// The provider is asked when it is needed. While it is away nobody can sign in, and everything else goes on.
package provider

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"
)

const (
	// maxToken bounds an ID token, maxCode a code, maxSecret the file of the client's secret.
	maxToken  = 64 << 10
	maxCode   = 8 << 10
	maxSecret = 64 << 10
	// awayFor is how long the provider is not asked again after it could not be.
	awayFor = 3 * time.Second
)

// Options say which provider, and how it is understood.
type Options struct {
	// Issuer is the provider's URL, https unless it is on loopback.
	Issuer   string
	ClientID string
	// SecretFile has the client's secret; empty for a public client.
	SecretFile string
	// CAFile has the authorities that the provider's certificate may be of; empty for those of the machine.
	CAFile string
	// Scopes are asked for beside openid.
	Scopes []string
	// UsernameClaim is sub when it is empty. UsernamePrefix is put before it: - is none, and empty is the issuer and # unless the claim is email.
	UsernameClaim, UsernamePrefix string
	// GroupsClaim is empty for no groups.
	GroupsClaim, GroupsPrefix string
	// Redirect is where the provider leads back to.
	Redirect string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Provider is one. It is safe for concurrent use.
type Provider struct {
	o      Options
	prefix string
	client *http.Client

	flight singleflight.Group
	mu     sync.Mutex
	known  *oidc.Provider
	// fault is why it could not be asked, at a time.
	fault error
	at    time.Time
}

// Flow is a sign-in that is under way. The browser keeps it, so that only it can end it.
type Flow struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
}

// Errors of a sign-in; others are of an answer that cannot be believed.
var (
	// ErrAway is a provider that could not be asked.
	ErrAway = errors.New("the identity provider cannot be asked")
	// ErrDenied is a provider that did not sign somebody in.
	ErrDenied = errors.New("the identity provider did not sign them in")
)

// New reads the authorities; the provider is not asked yet. An error says which option is wrong.
func New(o Options) (*Provider, error) {
	issuer, err := url.Parse(o.Issuer)
	switch {
	case err != nil || issuer.Host == "" || issuer.RawQuery != "" || issuer.Fragment != "" || issuer.User != nil:
		return nil, fmt.Errorf("the issuer %q is not a URL of the form https://HOST/PATH", o.Issuer)
	case !private(issuer):
		return nil, fmt.Errorf("the issuer %q must begin with https://, or be on localhost", o.Issuer)
	case o.ClientID == "":
		return nil, errors.New("the client has no ID")
	case o.Redirect == "":
		return nil, errors.New("there is no URL for the provider to lead back to")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.UsernameClaim == "" {
		o.UsernameClaim = "sub"
	}
	if !slices.Contains(o.Scopes, oidc.ScopeOpenID) {
		o.Scopes = append([]string{oidc.ScopeOpenID}, o.Scopes...)
	}
	p := &Provider{o: o, prefix: o.UsernamePrefix}
	switch {
	case p.prefix == "-":
		p.prefix = ""
	case p.prefix == "" && o.UsernameClaim != "email":
		p.prefix = o.Issuer + "#"
	}
	if p.client, err = newClient(o.CAFile); err != nil {
		return nil, err
	}
	if _, err := p.secret(); err != nil {
		return nil, err
	}
	return p, nil
}

// Mark is another one when the provider, or how it is understood, is.
func (p *Provider) Mark() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{p.o.Issuer, p.o.ClientID, p.o.UsernameClaim, p.prefix, p.o.GroupsClaim, p.o.GroupsPrefix}))
	return base64.RawStdEncoding.EncodeToString(sum[:16])
}

// Begin starts a sign-in: the browser goes to the location. The error is ErrAway, or the context's.
func (p *Provider) Begin(ctx context.Context) (flow Flow, location string, err error) {
	config, _, err := p.config(ctx)
	if err != nil {
		return Flow{}, "", err
	}
	flow = Flow{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
	return flow, config.AuthCodeURL(flow.State, oidc.Nonce(flow.Nonce), oauth2.S256ChallengeOption(flow.Verifier)), nil
}

// Finish tells who came back from the provider, by the query that it led back with. The caller has made sure that the flow is the browser's
// and is used once.
func (p *Provider) Finish(ctx context.Context, flow Flow, query url.Values) (Person, error) {
	switch {
	case flow.State == "" || query.Get("state") != flow.State:
		return Person{}, errors.New("the state is not that of the sign-in that this browser began")
	case query.Has("iss") && query.Get("iss") != p.o.Issuer:
		// RFC 9207: an answer of another provider.
		return Person{}, fmt.Errorf("the answer is of the issuer %q", query.Get("iss"))
	case query.Get("error") != "":
		return Person{}, fmt.Errorf("%w: %s: %s", ErrDenied, query.Get("error"), query.Get("error_description"))
	case query.Get("code") == "" || len(query.Get("code")) > maxCode:
		return Person{}, errors.New("the answer has no code, or one that is too long")
	}
	config, known, err := p.config(ctx)
	if err != nil {
		return Person{}, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := config.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(flow.Verifier))
	if err != nil {
		var refused *oauth2.RetrieveError
		if errors.As(err, &refused) && refused.Response != nil && refused.Response.StatusCode < http.StatusInternalServerError {
			// Not the body, which may be anything.
			return Person{}, fmt.Errorf("exchanging the code: the provider answered %d %s: %s", refused.Response.StatusCode, refused.ErrorCode, refused.ErrorDescription)
		}
		return Person{}, fmt.Errorf("%w: exchanging the code: %w", ErrAway, withoutBody(err))
	}
	raw, ok := token.Extra("id_token").(string)
	switch {
	case !ok || raw == "":
		return Person{}, errors.New("the provider sent no ID token")
	case len(raw) > maxToken:
		return Person{}, fmt.Errorf("the ID token has %d bytes, more than %d", len(raw), maxToken)
	}
	verified, err := known.Verifier(&oidc.Config{ClientID: p.o.ClientID, Now: p.o.Now}).Verify(ctx, raw)
	if err != nil {
		return Person{}, fmt.Errorf("verifying the ID token: %w", err)
	}
	if verified.Nonce != flow.Nonce {
		return Person{}, errors.New("verifying the ID token: its nonce is not that of the sign-in")
	}
	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		return Person{}, fmt.Errorf("reading the ID token: %w", err)
	}
	// OpenID Connect Core 3.1.3.7: a token for several must be issued to us.
	if party, has := claims["azp"]; (has || len(verified.Audience) > 1) && party != p.o.ClientID {
		return Person{}, fmt.Errorf("verifying the ID token: it was issued to %v", party)
	}
	return p.person(claims)
}

// withoutBody is an error of the exchange, with no more of what was answered than its status.
func withoutBody(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil {
		return fmt.Errorf("the provider answered %d", refused.Response.StatusCode)
	}
	return err
}

// config is what the provider says about itself.
func (p *Provider) config(ctx context.Context) (*oauth2.Config, *oidc.Provider, error) {
	known, err := p.discovered(ctx)
	if err != nil {
		return nil, nil, err
	}
	secret, err := p.secret()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrAway, err)
	}
	endpoint := known.Endpoint()
	// Without it the code would be sent twice when the first answer is an error, and be used up the second time.
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	var said struct {
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := known.Claims(&said); err != nil {
		return nil, nil, fmt.Errorf("%w: reading what it says about itself: %w", ErrAway, err)
	}
	if secret == "" || len(said.Methods) > 0 && !slices.Contains(said.Methods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{ClientID: p.o.ClientID, ClientSecret: secret, Endpoint: endpoint, RedirectURL: p.o.Redirect, Scopes: p.o.Scopes}, known, nil
}

func (p *Provider) discovered(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	known, fault, at := p.known, p.fault, p.at
	p.mu.Unlock()
	switch {
	case known != nil:
		return known, nil
	case fault != nil && p.o.Now().Sub(at) < awayFor:
		return nil, fault
	}
	answers := p.flight.DoChan("", func() (any, error) {
		// It does not end with the one who asked first.
		known, err := p.discover(context.WithoutCancel(ctx))
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrAway, err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.known, p.fault, p.at = known, err, p.o.Now()
		return known, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case answer := <-answers:
		if answer.Err != nil {
			return nil, answer.Err
		}
		return answer.Val.(*oidc.Provider), nil
	}
}

func (p *Provider) discover(ctx context.Context) (*oidc.Provider, error) {
	known, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discovering %s: %w", p.o.Issuer, err)
	}
	var said struct {
		Keys string `json:"jwks_uri"`
	}
	if err := known.Claims(&said); err != nil {
		return nil, fmt.Errorf("discovering %s: %w", p.o.Issuer, err)
	}
	for what, text := range map[string]string{"authorization_endpoint": known.Endpoint().AuthURL, "token_endpoint": known.Endpoint().TokenURL, "jwks_uri": said.Keys} {
		if at, err := url.Parse(text); err != nil || at.Host == "" || !private(at) {
			return nil, fmt.Errorf("discovering %s: its %s is no URL that begins with https://", p.o.Issuer, what)
		}
	}
	return known, nil
}

// secret is read each time, since it may be replaced.
func (p *Provider) secret() (string, error) {
	if p.o.SecretFile == "" {
		return "", nil
	}
	file, err := os.Open(p.o.SecretFile)
	if err != nil {
		return "", fmt.Errorf("reading the client's secret: %w", err)
	}
	content, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	secret := strings.TrimSpace(string(content))
	switch {
	case err != nil:
		return "", fmt.Errorf("reading the client's secret: %w", err)
	case secret == "" || len(content) > maxSecret:
		return "", fmt.Errorf("reading the client's secret: %s is empty or has more than %d bytes", p.o.SecretFile, maxSecret)
	}
	return secret, nil
}

// private tells whether nobody listens on the way to a URL.
func private(to *url.URL) bool {
	if to.Scheme == "https" {
		return true
	}
	address, err := netip.ParseAddr(to.Hostname())
	return to.Scheme == "http" && (to.Hostname() == "localhost" || err == nil && address.IsLoopback())
}

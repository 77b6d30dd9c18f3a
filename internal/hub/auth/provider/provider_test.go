package provider

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/assay-gitops/assay/internal/hub/auth/providertest"
)

const back = "https://hub.example.com/auth/callback"

func start(t *testing.T, issuer *providertest.Issuer, o Options) *Provider {
	t.Helper()
	o.Issuer, o.ClientID, o.Redirect = issuer.URL, providertest.Client, back
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// signIn has somebody sign in, with a change of what comes back.
func signIn(t *testing.T, p *Provider, issuer *providertest.Issuer, change func(flow *Flow, query url.Values)) (Person, error) {
	t.Helper()
	flow, location, err := p.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	query := issuer.SignIn(location)
	if change != nil {
		change(&flow, query)
	}
	return p.Finish(t.Context(), flow, query)
}

func TestNamesAndGroupsAreThoseOfTheAPIServer(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		claims  map[string]any
		want    string
		groups  []string
		says    string
	}{
		"the subject, with the issuer":          {Options{}, nil, "ISSUER#jane-1", nil, ""},
		"the subject alone":                     {Options{UsernamePrefix: "-"}, nil, "jane-1", nil, ""},
		"with a prefix":                         {Options{UsernamePrefix: "oidc:"}, nil, "oidc:jane-1", nil, ""},
		"an address that is verified":           {Options{UsernameClaim: "email"}, map[string]any{"email": "j@x.org", "email_verified": true}, "j@x.org", nil, ""},
		"an address that nobody speaks about":   {Options{UsernameClaim: "email"}, map[string]any{"email": "j@x.org"}, "j@x.org", nil, ""},
		"an address that is not verified":       {Options{UsernameClaim: "email"}, map[string]any{"email": "j@x.org", "email_verified": false}, "", nil, "not verified"},
		"an address verified by a text":         {Options{UsernameClaim: "email"}, map[string]any{"email": "j@x.org", "email_verified": "false"}, "", nil, "not verified"},
		"another claim, with the issuer":        {Options{UsernameClaim: "name"}, map[string]any{"name": "Jane"}, "ISSUER#Jane", nil, ""},
		"a claim that is not there":             {Options{UsernameClaim: "name"}, nil, "", nil, "claim name"},
		"a claim that is no text":               {Options{UsernameClaim: "name"}, map[string]any{"name": 1}, "", nil, "claim name"},
		"a name of Kubernetes":                  {Options{UsernamePrefix: "-"}, map[string]any{"sub": "system:admin"}, "", nil, "Kubernetes itself"},
		"a name with a line in it":              {Options{UsernamePrefix: "-"}, map[string]any{"sub": "jane\nroot"}, "", nil, "cannot be shown"},
		"a name without an end":                 {Options{}, map[string]any{"sub": strings.Repeat("x", 1000)}, "", nil, "more than 512"},
		"groups":                                {Options{UsernamePrefix: "-", GroupsClaim: "groups"}, map[string]any{"groups": []string{"a", "b"}}, "jane-1", []string{"a", "b"}, ""},
		"a group that is a text":                {Options{UsernamePrefix: "-", GroupsClaim: "roles", GroupsPrefix: "o:"}, map[string]any{"roles": "a"}, "jane-1", []string{"o:a"}, ""},
		"groups without a claim":                {Options{UsernamePrefix: "-"}, map[string]any{"groups": []string{"a"}}, "jane-1", nil, ""},
		"groups that are not there":             {Options{UsernamePrefix: "-", GroupsClaim: "groups"}, nil, "jane-1", nil, ""},
		"groups of Kubernetes":                  {Options{UsernamePrefix: "-", GroupsClaim: "groups"}, map[string]any{"groups": []string{"a", "system:masters"}}, "jane-1", []string{"a"}, ""},
		"groups of Kubernetes with a prefix":    {Options{UsernamePrefix: "-", GroupsClaim: "groups", GroupsPrefix: "o:"}, map[string]any{"groups": []string{"system:masters"}}, "jane-1", []string{"o:system:masters"}, ""},
		"groups of Kubernetes made by a prefix": {Options{UsernamePrefix: "-", GroupsClaim: "groups", GroupsPrefix: "system:"}, map[string]any{"groups": []string{"masters"}}, "jane-1", nil, ""},
		"groups that are numbers":               {Options{GroupsClaim: "groups"}, map[string]any{"groups": []int{1}}, "", nil, "list of texts"},
		"very many groups":                      {Options{GroupsClaim: "groups"}, map[string]any{"groups": slices.Repeat([]string{"a"}, 1001)}, "", nil, "1001 groups"},
		"groups that are elsewhere": {Options{GroupsClaim: "groups"}, map[string]any{
			"_claim_names": map[string]any{"groups": "x"}, "_claim_sources": map[string]any{"x": map[string]any{"endpoint": "https://graph.example.com"}},
		}, "", nil, "too many groups"},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := providertest.Start(t)
			issuer.Claims = test.claims
			got, err := signIn(t, start(t, issuer, test.options), issuer, nil)
			if test.says != "" {
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			if err != nil || got.Name != strings.Replace(test.want, "ISSUER", issuer.URL, 1) || !slices.Equal(got.Groups, test.groups) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestAnswersThatAreWrongSignNobodyIn(t *testing.T) {
	none := func(*Flow, url.Values) {}
	for name, test := range map[string]struct {
		prepare func(*providertest.Issuer)
		change  func(*Flow, url.Values)
		says    string
		is      error
	}{
		"another state":           {nil, func(_ *Flow, q url.Values) { q.Set("state", "x") }, "state", nil},
		"no state":                {nil, func(_ *Flow, q url.Values) { q.Del("state") }, "state", nil},
		"no state on either side": {nil, func(f *Flow, q url.Values) { q.Del("state"); f.State = "" }, "state", nil},
		"another issuer's answer": {nil, func(_ *Flow, q url.Values) { q.Set("iss", "https://evil.example") }, "issuer", nil},
		"no code":                 {nil, func(_ *Flow, q url.Values) { q.Del("code") }, "no code", nil},
		"a code without an end":   {nil, func(_ *Flow, q url.Values) { q.Set("code", strings.Repeat("x", 10_000)) }, "too long", nil},
		"another code":            {nil, func(_ *Flow, q url.Values) { q.Set("code", "x") }, "invalid_grant", nil},
		"a refusal":               {nil, func(_ *Flow, q url.Values) { q.Set("error", "access_denied") }, "access_denied", ErrDenied},
		"another verifier":        {nil, func(f *Flow, _ url.Values) { f.Verifier = strings.Repeat("x", 43) }, "verifier", nil},
		"another nonce":           {nil, func(f *Flow, _ url.Values) { f.Nonce = "x" }, "nonce", nil},
		"no nonce":                {func(i *providertest.Issuer) { i.Claims["nonce"] = nil }, none, "nonce", nil},
		"another key":             {func(i *providertest.Issuer) { i.Forge = true }, none, "signature", nil},
		"the key as a secret":     {func(i *providertest.Issuer) { i.Algorithm = jose.HS256 }, none, "verifying", nil},
		"another issuer":          {func(i *providertest.Issuer) { i.Claims["iss"] = "https://evil.example" }, none, "different provider", nil},
		"another client":          {func(i *providertest.Issuer) { i.Claims["aud"] = "other" }, none, "audience", nil},
		"issued to another client": {func(i *providertest.Issuer) {
			i.Claims["aud"], i.Claims["azp"] = []string{providertest.Client, "other"}, "other"
		}, none, "issued to", nil},
		"for several and issued to nobody": {func(i *providertest.Issuer) { i.Claims["aud"] = []string{providertest.Client, "other"} }, none, "issued to", nil},
		"a token that has expired":         {func(i *providertest.Issuer) { i.Claims["exp"] = time.Now().Add(-time.Minute).Unix() }, none, "expired", nil},
		"a token that is not good yet":     {func(i *providertest.Issuer) { i.Claims["nbf"] = time.Now().Add(time.Hour).Unix() }, none, "nbf", nil},
		"a token that never expires":       {func(i *providertest.Issuer) { i.Claims["exp"] = nil }, none, "expired", nil},
		"a token without an end":           {func(i *providertest.Issuer) { i.Claims["x"] = strings.Repeat("x", maxToken) }, none, "more than", nil},
		"no token":                         {func(i *providertest.Issuer) { i.Answer = answers(200, `{"access_token": "a", "token_type": "Bearer"}`) }, none, "no ID token", nil},
		"nonsense":                         {func(i *providertest.Issuer) { i.Answer = answers(200, `<html>`) }, none, "cannot parse", ErrAway},
		"an answer without an end":         {func(i *providertest.Issuer) { i.Answer = answers(200, strings.Repeat("x", maxAnswer+1)) }, none, "cannot parse", ErrAway},
		"a failure":                        {func(i *providertest.Issuer) { i.Answer = answers(500, "s3cret") }, none, "500", ErrAway},
		"a client secret that is wrong":    {func(i *providertest.Issuer) { i.Secret = "other" }, none, "invalid_client", nil},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := providertest.Start(t)
			if test.prepare != nil {
				test.prepare(issuer)
			}
			got, err := signIn(t, start(t, issuer, Options{}), issuer, test.change)
			if err == nil || !strings.Contains(err.Error(), test.says) || got.Name != "" || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %+v, %v", got, err)
			}
			if test.is != nil != (errors.Is(err, ErrAway) || errors.Is(err, ErrDenied)) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("not %v: %v", test.is, err)
			}
		})
	}
}

func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body) //nolint:errcheck // a client that has gone does not want it
	}
}

func TestACodeIsGoodOnce(t *testing.T) {
	issuer := providertest.Start(t)
	p := start(t, issuer, Options{})
	flow, location, err := p.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	query := issuer.SignIn(location)
	if _, err := p.Finish(t.Context(), flow, query); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Finish(t.Context(), flow, query); err == nil {
		t.Error("it was taken twice")
	}
}

func TestTheClientsSecretIsReadEachTime(t *testing.T) {
	issuer := providertest.Start(t)
	issuer.Secret = "new"
	file := filepath.Join(t.TempDir(), "secret")
	for secret, good := range map[string]bool{"old\n": false, "new\n": true} {
		if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := signIn(t, start(t, issuer, Options{SecretFile: file}), issuer, nil)
		if (err == nil) != good || err != nil && strings.Contains(err.Error(), "old") {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

func TestAProviderThatIsAwayIsAskedAgain(t *testing.T) {
	issuer := providertest.Start(t)
	issuer.SetDown(true)
	at := time.Now()
	p := start(t, issuer, Options{Now: func() time.Time { return at }})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, _, err := p.Begin(t.Context()); !errors.Is(err, ErrAway) {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	if asked := issuer.Asked(); asked != 1 {
		t.Errorf("it was asked %d times", asked)
	}
	issuer.SetDown(false)
	at = at.Add(awayFor)
	if _, err := signIn(t, p, issuer, nil); err != nil {
		t.Error(err)
	}
	// What it said about itself is known now.
	issuer.SetDown(true)
	if _, _, err := p.Begin(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAProviderThatSaysWrongThingsAboutItselfIsAway(t *testing.T) {
	for name, value := range map[string]string{"issuer": "https://evil.example", "authorization_endpoint": "http://evil.example/auth", "token_endpoint": "ftp://x/", "jwks_uri": ""} {
		issuer := providertest.Start(t)
		issuer.Discovery[name] = value
		if _, _, err := start(t, issuer, Options{}).Begin(t.Context()); !errors.Is(err, ErrAway) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptionsThatAreWrongAreTold(t *testing.T) {
	good := Options{Issuer: "https://dex.example.com", ClientID: "hub", Redirect: back}
	for name, test := range map[string]struct {
		change func(*Options)
		says   string
	}{
		"no issuer":                 {func(o *Options) { o.Issuer = "" }, "URL"},
		"an issuer in clear":        {func(o *Options) { o.Issuer = "http://dex.example.com" }, "https://"},
		"an issuer with a name":     {func(o *Options) { o.Issuer = "https://me@dex.example.com" }, "URL"},
		"no client":                 {func(o *Options) { o.ClientID = "" }, "ID"},
		"no way back":               {func(o *Options) { o.Redirect = "" }, "back"},
		"no file of a secret":       {func(o *Options) { o.SecretFile = "/none" }, "secret"},
		"no authorities":            {func(o *Options) { o.CAFile = "/none" }, "authorities"},
		"authorities that are none": {func(o *Options) { o.CAFile = "provider_test.go" }, "PEM"},
	} {
		o := good
		test.change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

package api

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/auth/authtest"
	"github.com/assay-gitops/assay/internal/hub/auth/provider"
	"github.com/assay-gitops/assay/internal/hub/auth/providertest"
)

// providerBed is a hub with an identity provider, whose users are called as the tokens' are.
func providerBed(t *testing.T, external string) (*bed, *providertest.Issuer) {
	t.Helper()
	issuer := providertest.Start(t)
	issuer.Claims["sub"] = "tenant"
	p, err := provider.New(provider.Options{
		Issuer: issuer.URL, ClientID: providertest.Client, UsernamePrefix: "-", GroupsClaim: "groups", GroupsPrefix: "oidc:", Redirect: "http://127.0.0.1/auth/callback",
	})
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(external)
	if err != nil {
		t.Fatal(err)
	}
	return newBedFor(t, func(o *auth.Options) { o.Provider, o.External = p, at }), issuer
}

// cookies of an answer, as a browser sends them: those that are removed are left out.
func cookiesOf(t *testing.T, got answer) map[string]string {
	t.Helper()
	cookies := map[string]string{}
	for _, line := range got.header.Values("Set-Cookie") {
		cookie, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		if cookie.MaxAge > 0 {
			cookies[cookie.Name] = cookie.Value
		}
		if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" || cookie.Secure != strings.HasPrefix(cookie.Name, "__Host-") {
			t.Errorf("the cookie is %s", line)
		}
	}
	return cookies
}

// login begins a sign-in: the cookie, and the query that the provider leads back with.
func (b *bed) login(t *testing.T, issuer *providertest.Issuer, returnTo string) (cookie string, query url.Values) {
	t.Helper()
	got := b.get(t, anonymous, "/auth/login?"+url.Values{"return_to": {returnTo}}.Encode())
	location := got.header.Get("Location")
	if got.status != http.StatusSeeOther || !strings.HasPrefix(location, issuer.URL+"/auth?") {
		t.Fatalf("%d %s %s", got.status, location, got.body)
	}
	for name, value := range cookiesOf(t, got) {
		cookie = name + "=" + value
	}
	return cookie, issuer.SignIn(location)
}

func (b *bed) callback(t *testing.T, cookie string, query url.Values) answer {
	t.Helper()
	return b.get(t, anonymous, "/auth/callback?"+query.Encode(), "Cookie", cookie, "Sec-Fetch-Site", "cross-site")
}

func TestSomebodySignsInWithTheProvider(t *testing.T) {
	for external, prefix := range map[string]string{"http://localhost:1": "", "https://hub.example.com": "__Host-"} {
		b, issuer := providerBed(t, external)
		cookie, query := b.login(t, issuer, "/violations?severity=high#first")
		if !strings.HasPrefix(cookie, prefix+"assay-sign-in=") {
			t.Errorf("the cookie is %s", cookie)
		}
		got := b.callback(t, cookie, query)
		session := cookiesOf(t, got)[prefix+"assay-session"]
		if got.status != http.StatusSeeOther || got.header.Get("Location") != "/violations?severity=high#first" || session == "" || len(got.header.Values("Set-Cookie")) != 2 {
			t.Fatalf("%d %v", got.status, got.header)
		}
		cookie = prefix + "assay-session=" + session
		mine := b.session(t, "Cookie", cookie)
		if !mine.SignedIn || mine.Name != "tenant" || mine.Way != "oidc" || !slices.Equal(mine.Groups, []string{"system:authenticated"}) || len(mine.Rights) != 4 {
			t.Errorf("got %+v", mine)
		}
		if !slices.Contains(mine.SignIn, SignInPossible{Way: "oidc", Path: "/auth/login"}) {
			t.Errorf("got %+v", mine.SignIn)
		}
		if got := b.get(t, anonymous, "/v1/violations", "Cookie", cookie); got.status != http.StatusOK {
			t.Errorf("%d %s", got.status, got.body)
		}
		for _, secret := range []string{session, query.Get("code"), query.Get("state")} {
			if strings.Contains(b.log.String(), secret) {
				t.Errorf("%s is in the log", secret)
			}
		}
		if !strings.Contains(b.log.String(), `msg="somebody signed in" who=tenant way=oidc`) {
			t.Errorf("the log does not tell who signed in: %s", b.log)
		}
	}
}

func TestRightsOfGroupsAreThoseOfTheProvidersGroups(t *testing.T) {
	b, issuer := providerBed(t, "http://localhost:1")
	issuer.Claims["sub"], issuer.Claims["groups"] = "jane", []string{"devs"}
	b.cluster.Allow(authtest.Grant{Group: "oidc:devs", Verbs: []string{"list"}, Namespaces: []string{"shop"}})
	cookie, query := b.login(t, issuer, "/")
	session := cookiesOf(t, b.callback(t, cookie, query))["assay-session"]
	if mine := b.session(t, "Cookie", "assay-session="+session); len(mine.Rights) != 1 || !slices.Equal(mine.Rights[0].Namespaces, []string{"shop"}) {
		t.Errorf("got %+v", mine)
	}
}

func TestSignInsThatAreWrongSignNobodyIn(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, b *bed, issuer *providertest.Issuer, cookie *string, query url.Values)
		status int
		log    string
	}{
		"of another browser": {func(_ *testing.T, _ *bed, _ *providertest.Issuer, cookie *string, _ url.Values) { *cookie = "" }, 400, "0 sign-ins"},
		"with a cookie that was changed": {func(_ *testing.T, _ *bed, _ *providertest.Issuer, cookie *string, _ url.Values) {
			*cookie = (*cookie)[:30] + "xx" + (*cookie)[32:]
		}, 400, "not sealed here"},
		"with the cookie of a session": {func(t *testing.T, b *bed, _ *providertest.Issuer, cookie *string, _ url.Values) {
			_, value, _ := strings.Cut(b.signIn(t, tenant), "=")
			*cookie = "assay-sign-in=" + value
		}, 400, "not sealed here"},
		"with the state of another sign-in": {func(t *testing.T, b *bed, issuer *providertest.Issuer, _ *string, query url.Values) {
			_, other := b.login(t, issuer, "/")
			query.Set("state", other.Get("state"))
		}, 400, "state"},
		"with the code of another sign-in": {func(t *testing.T, b *bed, issuer *providertest.Issuer, _ *string, query url.Values) {
			_, other := b.login(t, issuer, "/")
			query.Set("code", other.Get("code"))
		}, 400, "invalid_grant"},
		"that take too long": {func(_ *testing.T, b *bed, _ *providertest.Issuer, _ *string, _ url.Values) {
			b.ahead.Add(int64(11 * time.Minute))
		}, 400, "too long"},
		"that end a second time": {func(t *testing.T, b *bed, _ *providertest.Issuer, cookie *string, query url.Values) {
			if got := b.callback(t, *cookie, query); got.status != http.StatusSeeOther {
				t.Errorf("the first time: %d", got.status)
			}
		}, 400, "ended already"},
		"that the provider refused": {func(_ *testing.T, _ *bed, _ *providertest.Issuer, _ *string, query url.Values) {
			query.Set("error", "access_denied")
			query.Set("error_description", "<b>s3cret</b>")
		}, 403, "access_denied"},
		"while the provider is away": {func(_ *testing.T, _ *bed, issuer *providertest.Issuer, _ *string, _ url.Values) { issuer.SetDown(true) }, 503, "503"},
		"with a token of another issuer": {func(_ *testing.T, _ *bed, issuer *providertest.Issuer, _ *string, _ url.Values) {
			issuer.Claims["iss"] = "https://evil.example"
		}, 400, "evil.example"},
		"with more groups than a cookie holds": {func(_ *testing.T, _ *bed, issuer *providertest.Issuer, _ *string, _ url.Values) {
			var groups []string
			for i := range 300 {
				groups = append(groups, fmt.Sprintf("%x", sum(fmt.Sprint(i)))[:36])
			}
			issuer.Claims["groups"] = groups
		}, 403, "300 groups"},
	} {
		t.Run(name, func(t *testing.T) {
			b, issuer := providerBed(t, "http://localhost:1")
			cookie, query := b.login(t, issuer, "/somewhere")
			test.change(t, b, issuer, &cookie, query)
			got := b.callback(t, cookie, query)
			if got.status != test.status || cookiesOf(t, got)["assay-session"] != "" || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
				t.Errorf("%d %v %s", got.status, got.header, got.body)
			}
			if !strings.Contains(got.body, `<a href="/auth/login?return_to=`) || !strings.Contains(got.body, got.header.Get("X-Request-Id")) {
				t.Errorf("there is no way out: %s", got.body)
			}
			if test.log != "300 groups" && strings.Contains(got.body, test.log) || strings.Contains(got.body, "s3cret") {
				t.Errorf("the page tells too much: %s", got.body)
			}
			if !strings.Contains(b.log.String(), `msg="somebody could not sign in" way=oidc`) || !strings.Contains(b.log.String(), test.log) {
				t.Errorf("the log does not tell %q: %s", test.log, b.log)
			}
		})
	}
}

func TestWhileTheProviderIsAwayAllElseGoesOn(t *testing.T) {
	b, issuer := providerBed(t, "http://localhost:1")
	issuer.SetDown(true)
	got := b.get(t, anonymous, "/auth/login")
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "does not answer the hub") || len(got.header.Values("Set-Cookie")) != 0 {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	if session := b.session(t, "Cookie", b.signIn(t, tenant)); !session.SignedIn {
		t.Errorf("a password: %+v", session)
	}
	if got := b.get(t, tenant, "/v1/violations"); got.status != http.StatusOK {
		t.Errorf("a token: %d", got.status)
	}
}

func TestASignInLeadsNowhereElse(t *testing.T) {
	b, issuer := providerBed(t, "http://localhost:1")
	for _, to := range []string{
		"https://evil.example", "//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, "/%5cevil.example", "/%2fevil.example", "javascript:alert(1)",
		"evil.example", "/\t/evil.example", "/x\r\nSet-Cookie: a=b", "http:/evil.example", "?x", "/auth/login", "/ä", "/" + strings.Repeat("x", 3000), "/%zz",
	} {
		got := b.get(t, anonymous, "/auth/login?"+url.Values{"return_to": {to}}.Encode())
		if got.status != http.StatusForbidden || got.header.Get("Location") != "" || strings.Contains(got.body, "evil") {
			t.Errorf("%q: %d %v", to, got.status, got.header)
		}
	}
	for _, to := range []string{"", "/", "/violations", "/violations?text=a%20b&x=//y", "/policies/a/b#c"} {
		cookie, query := b.login(t, issuer, to)
		want := to
		if to == "" {
			want = "/"
		}
		if got := b.callback(t, cookie, query); got.header.Get("Location") != want {
			t.Errorf("%q leads to %s", to, got.header.Get("Location"))
		}
	}
}

func TestASessionIsGoodForTheHubsWithItsKeyAndProvider(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	file := func(letters ...string) {
		var content strings.Builder
		for _, letter := range letters {
			content.WriteString(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 32))) + "\n")
		}
		if err := os.WriteFile(keys, []byte(content.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file("a")
	issuer := providertest.Start(t)
	issuer.Claims["sub"] = "tenant"
	hub := func(prefix string) *bed {
		p, err := provider.New(provider.Options{Issuer: issuer.URL, ClientID: providertest.Client, UsernamePrefix: prefix, Redirect: "http://127.0.0.1/auth/callback"})
		if err != nil {
			t.Fatal(err)
		}
		return newBedFor(t, func(o *auth.Options) { o.Provider, o.SessionKeys = p, keys })
	}
	first := hub("-")
	cookie, query := first.login(t, issuer, "/")
	session := "assay-session=" + cookiesOf(t, first.callback(t, cookie, query))["assay-session"]
	if !first.session(t, "Cookie", session).SignedIn || !hub("-").session(t, "Cookie", session).SignedIn {
		t.Error("it is not good for another hub with the key")
	}
	if hub("other:").session(t, "Cookie", session).SignedIn {
		t.Error("it is good for a hub that would call the user otherwise")
	}
	file("b", "a")
	first.ahead.Add(int64(10 * time.Second))
	if !first.session(t, "Cookie", session).SignedIn {
		t.Error("it ended when a key was added")
	}
	file("b")
	first.ahead.Add(int64(10 * time.Second))
	if first.session(t, "Cookie", session).SignedIn {
		t.Error("it is good without its key")
	}
}

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/e2e/cluster"
	"github.com/assay-gitops/assay/e2e/identity"
)

// signInRights are those of a group as the provider's users have it.
const signInRights = `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: e2e-hub-signed-in, namespace: hubbed-red}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: e2e-hub-reader}
subjects: [{kind: Group, name: "oidc:team-red", apiGroup: rbac.authorization.k8s.io}]
`

// withProvider has a hub, which is not started yet, know an identity provider, which is not started either.
func withProvider(t *testing.T, h *hubProcess) *identity.Provider {
	t.Helper()
	addresses, err := cluster.FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	h.address = addresses[0]
	provider, err := identity.New(t.Context(), t.TempDir(), "http://"+h.address+"/auth/callback")
	if err != nil {
		t.Fatal(err)
	}
	h.arguments = []string{
		"--external-url", "http://" + h.address, "--oidc-issuer-url", provider.Issuer, "--oidc-client-id", identity.Public, "--oidc-scopes", "email,groups",
		"--oidc-username-claim", "email", "--oidc-groups-claim", "groups", "--oidc-groups-prefix", "oidc:",
	}
	return provider
}

// browser has cookies, and follows where it is led, back to the hub only while it is not told to wait.
type browser struct {
	t      *testing.T
	hub    string
	client http.Client
	waits  bool
}

func newBrowser(t *testing.T, hub string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, hub: "http://" + hub, client: http.Client{Jar: jar}}
	b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if b.waits && r.URL.Host == hub {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return b
}

// do asks; what it is answered is of where it was led to.
func (b *browser) do(method, to string, form url.Values) (*http.Response, string) {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), method, to, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := b.client.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return response, string(body)
}

var hiddenID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// signIn fills the form of the provider, and is led on from there.
func (b *browser) signIn(user, returnTo string) (*http.Response, string) {
	b.t.Helper()
	form, page := b.do(http.MethodGet, b.hub+"/auth/login?"+url.Values{"return_to": {returnTo}}.Encode(), nil)
	id := hiddenID.FindStringSubmatch(page)
	if id == nil {
		b.t.Fatalf("%s is no form: %d %s", form.Request.URL, form.StatusCode, page)
	}
	return b.do(http.MethodPost, form.Request.URL.ResolveReference(&url.URL{Path: "/login/username"}).String(), url.Values{"id": {id[1]}, "username": {user}, "password": {user}})
}

// get is the status of an answer of the hub, which is decoded when there is one.
func (b *browser) get(path string, into any) int {
	b.t.Helper()
	response, body := b.do(http.MethodGet, b.hub+path, nil)
	if response.StatusCode == http.StatusOK && into != nil {
		if err := json.Unmarshal([]byte(body), into); err != nil {
			b.t.Fatalf("%s: %v: %s", path, err, body)
		}
	}
	return response.StatusCode
}

// testSignIn has people sign in to a hub with a provider that is not started, when the hub keeps a violation in hubbed-red and one elsewhere.
func testSignIn(t *testing.T, h *hubProcess, provider *identity.Provider, policy string) {
	applied(t, signInRights)
	away := newBrowser(t, h.address)
	if response, page := away.do(http.MethodGet, away.hub+"/auth/login", nil); response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(page, "does not answer the hub") {
		t.Errorf("while the provider is away: %d %s", response.StatusCode, page)
	}
	if err := provider.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	running := true
	t.Cleanup(func() {
		if running {
			if err := provider.Stop(); err != nil {
				t.Error(err)
			}
		}
	})
	red := newBrowser(t, h.address)
	eventually(t, "the provider to be asked again", func() error {
		if response, _ := red.do(http.MethodGet, red.hub+"/auth/login", nil); response.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", response.StatusCode)
		}
		return nil
	})

	type session struct {
		SignedIn  bool
		Name, Way string
		Groups    []string
		Rights    []struct {
			Resource   string
			All        bool
			Namespaces []string
		}
	}
	type list struct {
		Items []struct{ Object struct{ Namespace string } }
	}
	var who session
	response, page := red.signIn("red", "/v1/session")
	if err := json.Unmarshal([]byte(page), &who); err != nil || response.Request.URL.String() != red.hub+"/v1/session" {
		t.Fatalf("%v: led to %s: %s", err, response.Request.URL, page)
	}
	if !who.SignedIn || who.Name != "red@example.com" || who.Way != "oidc" || !slices.Equal(who.Groups, []string{"oidc:team-red", "system:authenticated"}) {
		t.Errorf("signed in as %+v", who)
	}
	// violations and workspaces, each to get and to list: a RoleBinding is no right to what belongs to no namespace.
	if len(who.Rights) != 4 {
		t.Errorf("got %+v", who.Rights)
	}
	for _, right := range who.Rights {
		if right.All || !slices.Equal(right.Namespaces, []string{"hubbed-red"}) {
			t.Errorf("got %+v", right)
		}
	}
	var seen list
	if code := red.get("/v1/violations?policy="+policy, &seen); code != http.StatusOK || len(seen.Items) != 1 || seen.Items[0].Object.Namespace != "hubbed-red" {
		t.Errorf("%d: got %+v", code, seen)
	}
	if code := red.get("/v1/policies", nil); code != http.StatusForbidden {
		t.Errorf("policies: %d", code)
	}
	stranger := newBrowser(t, h.address)
	if _, page := stranger.signIn("stranger", "/v1/session"); !strings.Contains(page, `"rights":[]`) || stranger.get("/v1/violations", nil) != http.StatusForbidden {
		t.Errorf("a stranger: %s", page)
	}

	// A callback is of the browser that began, as it was, and once.
	careful := newBrowser(t, h.address)
	careful.waits = true
	response, _ = careful.signIn("red", "/")
	callback, err := response.Location()
	if err != nil {
		t.Fatal(err)
	}
	wrong := *callback
	query := wrong.Query()
	query.Set("state", "wrong")
	wrong.RawQuery = query.Encode()
	kept := careful.client.Jar.Cookies(callback)
	if other, page := newBrowser(t, h.address).do(http.MethodGet, callback.String(), nil); other.StatusCode != http.StatusBadRequest || !strings.Contains(page, "Sign in again") {
		t.Errorf("in another browser: %d %s", other.StatusCode, page)
	}
	if other, _ := careful.do(http.MethodGet, wrong.String(), nil); other.StatusCode != http.StatusBadRequest {
		t.Errorf("with another state: %d", other.StatusCode)
	}
	careful.client.Jar.SetCookies(callback, kept)
	if _, _ = careful.do(http.MethodGet, callback.String(), nil); careful.get("/v1/violations", nil) != http.StatusOK {
		t.Error("after that it does not work any more")
	}
	replaying := newBrowser(t, h.address)
	replaying.client.Jar.SetCookies(callback, kept)
	if again, _ := replaying.do(http.MethodGet, callback.String(), nil); again.StatusCode != http.StatusBadRequest || replaying.get("/v1/violations", nil) != http.StatusUnauthorized {
		t.Errorf("a second time: %d", again.StatusCode)
	}

	// Signing out ends every copy; what was changed is none.
	at, err := url.Parse(red.hub)
	if err != nil {
		t.Fatal(err)
	}
	cookie := red.client.Jar.Cookies(at)[0]
	thief := newBrowser(t, h.address)
	thief.client.Jar.SetCookies(at, []*http.Cookie{{Name: cookie.Name, Value: cookie.Value[:40] + "xx" + cookie.Value[42:]}})
	if code := thief.get("/v1/violations", nil); code != http.StatusUnauthorized {
		t.Errorf("with a cookie that was changed: %d", code)
	}
	thief.client.Jar.SetCookies(at, []*http.Cookie{{Name: cookie.Name, Value: cookie.Value}})
	if code := thief.get("/v1/violations", nil); code != http.StatusOK {
		t.Errorf("with a copy: %d", code)
	}
	if response, _ := red.do(http.MethodDelete, red.hub+"/v1/session", nil); response.StatusCode != http.StatusNoContent || len(red.client.Jar.Cookies(at)) != 0 {
		t.Errorf("signing out: %d", response.StatusCode)
	}
	for name, b := range map[string]*browser{"the browser": red, "a copy": thief} {
		if code := b.get("/v1/violations", nil); code != http.StatusUnauthorized {
			t.Errorf("%s after signing out: %d", name, code)
		}
	}

	// The provider goes away between its form and the callback; who is signed in stays so.
	late := newBrowser(t, h.address)
	late.waits = true
	response, _ = late.signIn("red", "/")
	if callback, err = response.Location(); err != nil {
		t.Fatal(err)
	}
	running = false
	if err := provider.Stop(); err != nil {
		t.Error(err)
	}
	if response, page := late.do(http.MethodGet, callback.String(), nil); response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(page, "does not answer the hub") {
		t.Errorf("while the provider is away: %d %s", response.StatusCode, page)
	}
	if code := careful.get("/v1/violations", nil); code != http.StatusOK {
		t.Errorf("a session without the provider: %d", code)
	}
}

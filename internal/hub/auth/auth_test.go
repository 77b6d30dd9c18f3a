package auth

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"golang.org/x/crypto/bcrypt"

	"github.com/assay-gitops/assay/internal/hub/auth/authtest"
	"github.com/assay-gitops/assay/internal/hub/store"
)

// bed is a hub's authentication with a clock that the test moves.
type bed struct {
	*Auth
	server *authtest.Server
	log    *bytes.Buffer
	mu     sync.Mutex
	time   time.Time
}

func (b *bed) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.time
}

func (b *bed) wait(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.time = b.time.Add(d)
}

func person(name string, groups ...string) authtest.Token {
	return authtest.Token{User: authenticationv1.UserInfo{Username: name, Groups: groups}, Audiences: []string{authtest.APIAudience}}
}

func newBed(t *testing.T, options Options) *bed {
	t.Helper()
	b := &bed{server: authtest.Start(t), log: &bytes.Buffer{}, time: time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)}
	b.server.SetNamespaces("shop", "bank", "kube-system")
	b.server.Know("jane", person("jane", "devs"))
	b.server.Know("root", person("root", "admins"))
	b.server.Know("nobody", person("nobody"))
	b.server.Know("agent", authtest.Token{User: authenticationv1.UserInfo{Username: "system:serviceaccount:policy-system:policy-agent"}, Audiences: []string{"assay-hub"}})
	b.server.Know("other", authtest.Token{User: authenticationv1.UserInfo{Username: "system:serviceaccount:shop:web"}, Audiences: []string{"assay-hub", authtest.APIAudience}})
	b.server.Allow(
		authtest.Grant{Group: "devs", Verbs: []string{"list", "get"}, Namespaces: []string{"shop"}},
		authtest.Grant{Name: "root", Verbs: []string{"list", "get"}},
	)
	options.Client, options.Cluster, options.Now = b.server.Client(t), "here", b.now
	options.Logger = slog.New(slog.NewTextHandler(b.log, nil))
	var err error
	if b.Auth, err = New(options); err != nil {
		t.Fatal(err)
	}
	return b
}

func request(t *testing.T, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func with(t *testing.T, token string) *http.Request {
	return request(t, "Authorization", "Bearer "+token)
}

// refused is the reason, 0 when there is none.
func refused(t *testing.T, err error) Reason {
	t.Helper()
	var refusal *Refusal
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &refusal):
		t.Fatalf("no refusal: %v", err)
	}
	return refusal.Reason
}

func digits(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(t.TempDir(), name)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestReadersSeeWhatRBACGrantsThem(t *testing.T) {
	tests := map[string]struct {
		request []string
		want    store.Scope
		reason  Reason
		says    string
	}{
		"everything by a right in the whole cluster":   {[]string{"Authorization", "Bearer root"}, store.Scope{All: true}, 0, ""},
		"namespaces by rights in them":                 {[]string{"Authorization", "bearer jane"}, store.Scope{Namespaces: map[string][]string{"here": {"shop"}}}, 0, ""},
		"nothing without a right":                      {[]string{"Authorization", "Bearer nobody"}, store.Scope{}, Forbidden, `nobody may not list violations (group pac.weave.works)`},
		"nothing with a token that nobody knows":       {[]string{"Authorization", "Bearer wrong"}, store.Scope{}, Unauthenticated, "may have expired"},
		"nothing with a token for the hub only":        {[]string{"Authorization", "Bearer agent"}, store.Scope{}, Unauthenticated, "another audience"},
		"nothing without a token":                      {nil, store.Scope{}, Unauthenticated, "Bearer"},
		"nothing with an empty token":                  {[]string{"Authorization", "Bearer "}, store.Scope{}, Unauthenticated, "form"},
		"nothing with another scheme":                  {[]string{"Authorization", "Digest root"}, store.Scope{}, Unauthenticated, "form"},
		"nothing with two headers":                     {[]string{"Authorization", "Bearer root", "Authorization", "Bearer jane"}, store.Scope{}, Unauthenticated, "several"},
		"nothing with a token without an end":          {[]string{"Authorization", "Bearer " + strings.Repeat("x", maxToken+1)}, store.Scope{}, Unauthenticated, "longer"},
		"nothing with a password where there are none": {[]string{"Authorization", "Basic cm9vdDpyb290"}, store.Scope{}, Unauthenticated, "no passwords"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, Options{})
			got, err := b.Reader(request(t, test.request...), List, Violations)
			if refused(t, err) != test.reason || !reflect.DeepEqual(got.Scope, test.want) {
				t.Fatalf("got %+v, %v; want %+v", got, err, test.want)
			}
			if err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("%q does not say %q", err, test.says)
			}
		})
	}
}

func TestARightToListIsNoneToGet(t *testing.T) {
	b := newBed(t, Options{})
	b.server.Allow(authtest.Grant{Name: "jane", Verbs: []string{"list"}, Namespaces: []string{"bank"}})
	if _, err := b.Reader(with(t, "jane"), List, Violations); err != nil {
		t.Error(err)
	}
	if _, err := b.Reader(with(t, "jane"), Get, Violations); refused(t, err) != Forbidden {
		t.Errorf("got %v", err)
	}
}

func TestARightIsToOneResource(t *testing.T) {
	b := newBed(t, Options{})
	b.server.Allow(
		authtest.Grant{Name: "jane", Resource: "policies", Verbs: []string{"list"}, Namespaces: []string{"bank"}},
		authtest.Grant{Name: "jane", Resource: "workspaces", Verbs: []string{"list"}, Namespaces: []string{"bank"}},
		authtest.Grant{Name: "jane", Resource: "policysets", Verbs: []string{"list"}},
	)
	for _, resource := range []Resource{Policies, Violations, PolicyConfigs} {
		_, err := b.Reader(with(t, "jane"), List, resource)
		if refused(t, err) != Forbidden || !strings.Contains(err.Error(), string(resource)) {
			t.Errorf("%s: got %v", resource, err)
		}
	}
	if got, err := b.Reader(with(t, "jane"), List, Workspaces); err != nil || got.Scope.All || len(got.Scope.Namespaces["here"]) != 1 {
		t.Errorf("workspaces: got %+v, %v", got, err)
	}
	if got, err := b.Reader(with(t, "jane"), List, PolicySets); err != nil || !got.Scope.All {
		t.Errorf("policy sets: got %+v, %v", got, err)
	}
	// What belongs to no namespace is asked about once.
	before := b.server.Asked("rights")
	b.wait(time.Hour)
	if _, err := b.Reader(with(t, "jane"), List, Policies); err == nil || b.server.Asked("rights") != before+1 {
		t.Errorf("%v after %d questions", err, b.server.Asked("rights")-before)
	}
}

func TestAnswersAreBelievedForTenSeconds(t *testing.T) {
	b := newBed(t, Options{})
	for range 3 {
		if _, err := b.Reader(with(t, "jane"), List, Violations); err != nil {
			t.Fatal(err)
		}
	}
	// One about all namespaces and one about each of the three, which came in three pages.
	if tokens, rights, namespaces := b.server.Asked("tokens"), b.server.Asked("rights"), b.server.Asked("namespaces"); tokens != 1 || rights != 4 || namespaces != 3 {
		t.Errorf("asked about %d tokens, %d rights, %d pages of namespaces", tokens, rights, namespaces)
	}
	b.server.Allow()
	b.wait(believed - time.Second)
	if _, err := b.Reader(with(t, "jane"), List, Violations); err != nil {
		t.Fatal(err)
	}
	b.wait(2 * time.Second)
	if _, err := b.Reader(with(t, "jane"), List, Violations); refused(t, err) != Forbidden {
		t.Errorf("a right that was taken away goes on: %v", err)
	}
	b.server.Revoke("jane")
	b.wait(believed + time.Second)
	if _, err := b.Reader(with(t, "jane"), List, Violations); refused(t, err) != Unauthenticated {
		t.Errorf("a token that was revoked goes on: %v", err)
	}
}

func TestNamespacesWithoutARightAreAskedAboutNowAndThen(t *testing.T) {
	b := newBed(t, Options{})
	grant := func(namespaces ...string) {
		b.server.Allow(authtest.Grant{Name: "jane", Verbs: []string{"list"}, Namespaces: append([]string{}, namespaces...)})
	}
	see := func(want ...string) (asked int) {
		t.Helper()
		before := b.server.Asked("rights")
		got, err := b.Reader(with(t, "jane"), List, Violations)
		if len(want) == 0 {
			if refused(t, err) != Forbidden {
				t.Fatalf("got %+v, %v", got, err)
			}
		} else if err != nil || !slices.Equal(got.Scope.Namespaces["here"], want) {
			t.Fatalf("got %+v, %v; want %v", got, err, want)
		}
		return b.server.Asked("rights") - before
	}
	grant("shop")
	if asked := see("shop"); asked != 4 {
		t.Errorf("the first time: %d questions", asked)
	}
	grant("shop", "bank", "new")
	b.server.SetNamespaces("shop", "bank", "kube-system", "new")
	b.wait(believed)
	// All namespaces, the one that was seen, the one that is new.
	if asked := see("shop", "new"); asked != 3 {
		t.Errorf("the second time: %d questions", asked)
	}
	b.wait(missing)
	if asked := see("shop", "bank", "new"); asked != 5 {
		t.Errorf("after a minute: %d questions", asked)
	}
	grant()
	b.wait(believed)
	see()
	grant("kube-system")
	b.wait(believed)
	see("kube-system")
}

func TestManyRequestsAskOnce(t *testing.T) {
	b := newBed(t, Options{})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := b.Reader(with(t, "root"), List, Violations); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	// Those that come when the first answer is there find it; a flight may end between looking and asking.
	if tokens := b.server.Asked("tokens"); tokens > 5 {
		t.Errorf("50 requests asked %d times about one token", tokens)
	}
}

func TestAnAPIServerThatFailsRefusesNobodyForGood(t *testing.T) {
	b := newBed(t, Options{})
	b.server.SetDown(true)
	_, err := b.Reader(with(t, "root"), List, Violations)
	if refused(t, err) != Unavailable {
		t.Errorf("got %v", err)
	}
	if _, err := b.Agent(with(t, "agent")); refused(t, err) != Unavailable {
		t.Errorf("got %v", err)
	}
	b.server.SetDown(false)
	if _, err := b.Reader(with(t, "root"), List, Violations); err != nil {
		t.Errorf("failures are remembered: %v", err)
	}
}

func TestWhoIsNotKnownYetIsAskedAboutAgain(t *testing.T) {
	b := newBed(t, Options{})
	if _, err := b.Reader(with(t, "new"), List, Violations); refused(t, err) != Unauthenticated {
		t.Fatal(err)
	}
	b.server.Know("new", person("root"))
	if _, err := b.Reader(with(t, "new"), List, Violations); err != nil {
		t.Error(err)
	}
}

func TestAgentsSpeakForTheClusterOfTheirToken(t *testing.T) {
	tests := map[string]struct {
		token, want string
		reason      Reason
	}{
		"the ServiceAccount speaks for the own cluster":    {"agent", "here", 0},
		"a registered token for its cluster":               {"far-1", "far", 0},
		"and another one, while it is replaced":            {"far-2", "far", 0},
		"a ServiceAccount that is not an agent's for none": {"other", "", Forbidden},
		"nor does a person":                                {"root", "", Unauthenticated},
		"nor a token that nobody knows":                    {"wrong", "", Unauthenticated},
		"nor the hash of a token":                          {digits("far-1"), "", Unauthenticated},
	}
	file := write(t, "tokens.yaml", fmt.Sprintf("- {cluster: far, sha256: %s}\n- {cluster: far, sha256: %s}\n", digits("far-1"), strings.ToUpper(digits("far-2"))))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := newBed(t, Options{AgentTokens: file}).Agent(with(t, test.token))
			if refused(t, err) != test.reason || got != test.want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestAReviewThatKnowsNoAudiencesIsNotBelieved(t *testing.T) {
	b := newBed(t, Options{})
	b.server.SetBlind(true)
	if _, err := b.Agent(with(t, "agent")); refused(t, err) != Unauthenticated {
		t.Errorf("got %v", err)
	}
}

func TestARegisteredTokenStaysHere(t *testing.T) {
	b := newBed(t, Options{AgentTokens: write(t, "tokens.yaml", "- {cluster: far, sha256: "+digits("far-1")+"}\n")})
	if _, err := b.Reader(with(t, "far-1"), List, Violations); refused(t, err) != Forbidden {
		t.Errorf("got %v", err)
	}
	if _, err := b.Agent(with(t, "far-1")); err != nil {
		t.Error(err)
	}
	if seen := b.server.SeenTokens(); slices.Contains(seen, "far-1") {
		t.Error("the API server was told of it")
	}
}

func TestTokensOfAgentsAreReadAgainWhenTheFileChanges(t *testing.T) {
	file := write(t, "tokens.yaml", "- {cluster: far, sha256: "+digits("old")+"}\n")
	b := newBed(t, Options{AgentTokens: file})
	write(t, file, "- {cluster: far, sha256: "+digits("new")+"}\n")
	if _, err := b.Agent(with(t, "new")); refused(t, err) != Unauthenticated {
		t.Errorf("the file is read at each request: %v", err)
	}
	b.wait(lookInterval)
	if _, err := b.Agent(with(t, "new")); err != nil {
		t.Error(err)
	}
	if _, err := b.Agent(with(t, "old")); refused(t, err) != Unauthenticated {
		t.Errorf("got %v", err)
	}
	write(t, file, "- {cluster: far, sha256: secret-token}\n")
	for range 3 {
		b.wait(lookInterval)
		if _, err := b.Agent(with(t, "new")); err != nil {
			t.Errorf("a broken file takes away what was there: %v", err)
		}
	}
	if told := strings.Count(b.log.String(), "level=ERROR"); told != 1 || strings.Contains(b.log.String(), "secret-token") {
		t.Errorf("the log tells it %d times:\n%s", told, b.log)
	}
}

func TestFilesOfTokensThatAreWrongSayWhere(t *testing.T) {
	tests := map[string]struct{ content, want string }{
		"no list":                      {"cluster: far\n", "not a list"},
		"an unknown field":             {"- {cluster: far, token: x}\n", "token"},
		"no cluster":                   {"- {sha256: " + digits("x") + "}\n", "entry 1 has no cluster"},
		"the own cluster":              {"- {cluster: here, sha256: " + digits("x") + "}\n", "own cluster"},
		"the token itself":             {"- {cluster: far, sha256: hunter2}\n", "64 hexadecimal digits"},
		"a token that occurs twice":    {"- {cluster: a, sha256: " + digits("x") + "}\n- {cluster: b, sha256: " + digits("x") + "}\n", "same token"},
		"an alias that grows a lot":    {"a: &a [x,x]\nb: &b [*a,*a]\n", "not a list"},
		"a cluster's name without end": {"- {cluster: " + strings.Repeat("x", 300) + ", sha256: " + digits("x") + "}\n", "longer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parseRegistrations([]byte(test.content), "here")
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v", err)
			}
		})
	}
	if r, err := parseRegistrations(nil, "here"); err != nil || len(r.tokens) != 0 {
		t.Errorf("an empty file is no list of none: %v", err)
	}
}

func hash(t *testing.T, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func TestPasswordsAreForWhoNobodyListensTo(t *testing.T) {
	file := write(t, "users", "# people\njane:"+hash(t, "right")+":devs,others\nroot:"+hash(t, "root")+"\n")
	tests := map[string]struct {
		name, password, from string
		tls                  bool
		want                 store.Scope
		reason               Reason
	}{
		"over TLS":              {"jane", "right", "192.0.2.1:1", true, store.Scope{Namespaces: map[string][]string{"here": {"shop"}}}, 0},
		"from the same machine": {"root", "root", "127.0.0.1:1", false, store.Scope{All: true}, 0},
		"or by IPv6":            {"root", "root", "[::1]:1", false, store.Scope{All: true}, 0},
		"not in the clear":      {"root", "root", "192.0.2.1:1", false, store.Scope{}, Unauthenticated},
		"not a wrong one":       {"jane", "hunter2", "192.0.2.1:1", true, store.Scope{}, Unauthenticated},
		"not of somebody else":  {"jane", "root", "192.0.2.1:1", true, store.Scope{}, Unauthenticated},
		"not of nobody":         {"none", "right", "192.0.2.1:1", true, store.Scope{}, Unauthenticated},
		"not an empty one":      {"jane", "", "192.0.2.1:1", true, store.Scope{}, Unauthenticated},
		"not a very long one":   {"jane", strings.Repeat("x", 5000), "192.0.2.1:1", true, store.Scope{}, Unauthenticated},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, Options{Users: file})
			// The second time it may be remembered.
			for range 2 {
				r := request(t)
				r.SetBasicAuth(test.name, test.password)
				r.RemoteAddr = test.from
				if test.tls {
					r.TLS = &tls.ConnectionState{}
				}
				got, err := b.Reader(r, List, Violations)
				if refused(t, err) != test.reason || !reflect.DeepEqual(got.Scope, test.want) {
					t.Fatalf("got %+v, %v", got, err)
				}
				if test.password != "" && err != nil && strings.Contains(err.Error(), test.password) {
					t.Errorf("the password is told: %v", err)
				}
			}
		})
	}
}

func TestAPasswordThatWasChangedIsForgotten(t *testing.T) {
	file := write(t, "users", "root:"+hash(t, "old")+"\n")
	b := newBed(t, Options{Users: file})
	try := func(password string) error {
		r := request(t)
		r.SetBasicAuth("root", password)
		r.RemoteAddr = "127.0.0.1:1"
		_, err := b.Reader(r, List, Violations)
		return err
	}
	if err := try("old"); err != nil {
		t.Fatal(err)
	}
	write(t, file, "root:"+hash(t, "new")+"\n")
	b.wait(lookInterval)
	if err := try("old"); refused(t, err) != Unauthenticated {
		t.Errorf("got %v", err)
	}
	if err := try("new"); err != nil {
		t.Error(err)
	}
}

func TestFilesOfUsersThatAreWrongSayWhere(t *testing.T) {
	good := hash(t, "x")
	tests := map[string]struct{ content, want string }{
		"no hash":                  {"\njane\n", "line 2"},
		"another hash":             {"jane:$apr1$x\n", "bcrypt"},
		"too costly a hash":        {"jane:$2a$31$" + good[7:] + "\n", "cost 31"},
		"a user that occurs twice": {"jane:" + good + "\njane:" + good + "\n", "twice"},
		"a group of the system":    {"jane:" + good + ":system:masters\n", "line 1"},
		"an empty group":           {"jane:" + good + ":a,,b\n", "group"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := parseUsers([]byte(test.content)); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "$2") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOptionsThatAreWrongAreRefused(t *testing.T) {
	client := authtest.Start(t).Client(t)
	for name, options := range map[string]Options{
		"no client":          {Cluster: "here"},
		"no cluster":         {Client: client},
		"an agent's name":    {Client: client, Cluster: "here", Agents: []string{"policy-agent"}},
		"no file of tokens":  {Client: client, Cluster: "here", AgentTokens: filepath.Join(t.TempDir(), "none")},
		"no file of users":   {Client: client, Cluster: "here", Users: filepath.Join(t.TempDir(), "none")},
		"a file that is big": {Client: client, Cluster: "here", Users: write(t, "users", strings.Repeat("#\n", maxFile))},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(options); err == nil {
				t.Error("no error")
			}
		})
	}
}

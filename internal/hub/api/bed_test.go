package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"golang.org/x/crypto/bcrypt"

	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/auth/authtest"
	"github.com/assay-gitops/assay/internal/hub/live"
	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/sqlite"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/sink"
)

// foreign is in all that the tenant must not see.
const foreign = "zzforeign"

// Tokens are those of the roles.
const (
	anonymous = ""
	nobody    = "token-of-nobody"
	tenant    = "token-of-tenant"
	platform  = "token-of-platform"
	agent     = "token-of-agent"
	farAgent  = "token-of-far-agent"
)

// bed is a hub's API with a store, served over HTTP.
type bed struct {
	url     string
	store   *sqlite.Store
	log     *safeBuffer
	cluster *authtest.Server
	handler *Handler
	// ahead is how far the clock is that rights are believed by, in nanoseconds.
	ahead atomic.Int64
	// users is the file of names and passwords, which are the tokens of the same people.
	users string
}

// nameOf is whose token it is.
func nameOf(token string) string { return strings.TrimPrefix(token, "token-of-") }

func (b *bed) writeUsers(t testing.TB, tokens ...string) {
	t.Helper()
	var file strings.Builder
	for _, token := range tokens {
		hash, err := bcrypt.GenerateFromPassword([]byte(token), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&file, "%s:%s\n", nameOf(token), hash)
	}
	if err := os.WriteFile(b.users, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// signIn begins a session of somebody with a password, and is its cookie.
func (b *bed) signIn(t testing.TB, token string) string {
	t.Helper()
	got := b.send(t, http.MethodPost, anonymous, sessionPath, fmt.Sprintf(`{"name": %q, "password": %q}`, nameOf(token), token), "Content-Type", "application/json")
	if got.status != http.StatusOK {
		t.Fatalf("signing in: %d %s", got.status, got.body)
	}
	cookie, err := http.ParseSetCookie(got.header.Get("Set-Cookie"))
	if err != nil {
		t.Fatal(err)
	}
	return cookie.Name + "=" + cookie.Value
}

// safeBuffer is a log that is written while it is read.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// now is a day after the results of storetest.
func now() time.Time { return storetest.Start.Add(24 * time.Hour) }

func newBed(t testing.TB, change ...func(*Options)) *bed {
	t.Helper()
	return newBedFor(t, func(*auth.Options) {}, change...)
}

// newBedFor is one with another authentication.
func newBedFor(t testing.TB, authenticated func(*auth.Options), change ...func(*Options)) *bed {
	t.Helper()
	b := &bed{log: &safeBuffer{}, cluster: authtest.Start(t)}
	b.cluster.SetNamespaces("shop", "empty", foreign+"-ns")
	for token, name := range map[string]string{nobody: "nobody", tenant: "tenant", platform: "platform"} {
		b.cluster.Know(token, authtest.Token{User: authenticationv1.UserInfo{Username: name}, Audiences: []string{authtest.APIAudience}})
	}
	b.cluster.Know(agent, authtest.Token{User: authenticationv1.UserInfo{Username: "system:serviceaccount:policy-system:policy-agent"}, Audiences: []string{"assay-hub"}})
	b.cluster.Allow(
		authtest.Grant{Name: "tenant", Verbs: []string{"list", "get"}, Namespaces: []string{"shop", "empty"}},
		authtest.Grant{Name: "platform", Verbs: []string{"list", "get"}},
		authtest.Grant{Name: "tenant", Resource: "workspaces", Verbs: []string{"list", "get"}, Namespaces: []string{"shop", "empty"}},
		authtest.Grant{Name: "platform", Resource: "workspaces", Verbs: []string{"list", "get"}},
		authtest.Grant{Name: "platform", Resource: "policies", Verbs: []string{"list", "get"}},
		authtest.Grant{Name: "platform", Resource: "policysets", Verbs: []string{"list", "get"}},
		authtest.Grant{Name: "platform", Resource: "policyconfigs", Verbs: []string{"list", "get"}},
		authtest.Grant{Name: "platform", Resource: "policyexceptions", Verbs: []string{"list", "get"}},
	)
	tokens := filepath.Join(t.TempDir(), "tokens.yaml")
	if err := os.WriteFile(tokens, fmt.Appendf(nil, "- {cluster: %s-cluster, sha256: %s}\n", foreign, sum(farAgent)), 0o600); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.users = filepath.Join(t.TempDir(), "users")
	b.writeUsers(t, nobody, tenant, platform)
	authentication := auth.Options{
		Client: b.cluster.Client(t), Cluster: "here", AgentTokens: tokens, Users: b.users, Logger: logger,
		Now: func() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) },
	}
	authenticated(&authentication)
	who, err := auth.New(authentication)
	if err != nil {
		t.Fatal(err)
	}
	if b.store, err = sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{Logger: logger, Now: now}); err != nil {
		t.Fatal(err)
	}
	options := Options{Store: b.store, Auth: who, Live: live.New("here", clusterObjects(t), now), Impacts: knownImpact{}, Logger: logger, Version: "1.2.3", Now: now, Rate: -1}
	for _, c := range change {
		c(&options)
	}
	if b.handler, err = New(options); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	server.Config = NewServer(b.handler, logger)
	server.Start()
	b.url = server.URL
	t.Cleanup(func() {
		server.Close()
		if err := b.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// seed keeps what the tenant may see and what it must not. It tells the ids of one of each.
func (b *bed) seed(t testing.TB) (own, hidden string) {
	t.Helper()
	mark := func(r *sink.Result) {
		v := &r.Validation
		r.Workspace, r.App = foreign+"-team", &sink.App{Kind: "Kustomization", Namespace: foreign, Name: foreign, Revision: foreign}
		v.Policy.ID, v.Policy.Name, v.Policy.Category = foreign+".policy", foreign+" policy", foreign+".category"
		v.Policy.Standards[0].ID, v.Policy.Standards[0].Controls = foreign+".standard", []string{foreign + ".control"}
		v.Message = foreign + " message"
		v.Entity.Manifest = map[string]any{foreign: foreign}
	}
	b.add(t, "here",
		storetest.Result("r1"),
		storetest.Result("r2", storetest.Object("Deployment", "shop", "api"), storetest.Admission(true)),
		storetest.Result("r3", storetest.Object("Deployment", "shop", "old")),
		storetest.Result("r4", storetest.Object("Deployment", "shop", "old"), storetest.After(time.Minute), storetest.Life(sink.Resolved, "object deleted")),
		storetest.Result("f1", storetest.Object("Deployment", foreign+"-ns", foreign+"-web"), mark),
		storetest.Result("f2", storetest.Object("ClusterRole", "", foreign+"-role"), mark, storetest.Admission(false)),
	)
	b.add(t, foreign+"-cluster",
		storetest.Result("f3", storetest.Object("Deployment", "shop", foreign+"-web"), mark),
	)
	b.seedRecords(t)
	found, err := b.store.Violations(t.Context(), store.Query{Scope: store.Scope{All: true}, Names: []string{"web", foreign + "-web"}}, store.Page{Order: store.ByObject, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found.Items {
		switch {
		case v.Name == "web":
			own = v.ID
		case v.Name == foreign+"-web" && v.Cluster == "here":
			hidden = v.ID
		}
	}
	if own == "" || hidden == "" {
		t.Fatalf("not found: %q %q in %+v", own, hidden, found)
	}
	return own, hidden
}

func (b *bed) add(t testing.TB, cluster string, results ...*sink.Result) {
	t.Helper()
	if _, err := b.store.Add(t.Context(), cluster, results); err != nil {
		t.Fatal(err)
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// problem is what a problem says, for tests to look in.
func (a answer) problem(t testing.TB) string {
	t.Helper()
	var p struct {
		Status int
		Title  string
		Detail string
		Errors []struct{ Message, Location string }
	}
	if a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("no problem but %s: %s", a.header.Get("Content-Type"), a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Status != a.status || p.Title == "" || p.Detail == "" {
		t.Errorf("no whole problem: %v %s", err, a.body)
	}
	return fmt.Sprintf("%s %v", p.Detail, p.Errors)
}

// get asks as somebody, with more headers as pairs.
func (b *bed) get(t testing.TB, token, path string, headers ...string) answer {
	t.Helper()
	return b.send(t, http.MethodGet, token, path, "", headers...)
}

func (b *bed) send(t testing.TB, method, token, path, body string, headers ...string) answer {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, b.url+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	// Where an answer leads is part of it.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answered := io.Reader(response.Body)
	if response.Header.Get("Content-Type") == "text/event-stream" {
		answered = &beginning{reader: answered} // it has no end
	}
	content, err := io.ReadAll(answered)
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(content)}
}

// beginning of a stream is what has come when a whole event has.
type beginning struct {
	reader io.Reader
	seen   []byte
}

func (b *beginning) Read(p []byte) (int, error) {
	if bytes.Contains(b.seen, []byte("\n\n")) {
		return 0, io.EOF
	}
	n, err := b.reader.Read(p)
	b.seen = append(b.seen, p[:n]...)
	return n, err
}

// ask is get of an answer that is JSON.
func ask[T any](t testing.TB, b *bed, token, path string) T {
	t.Helper()
	got := b.get(t, token, path)
	if got.status != http.StatusOK {
		t.Fatalf("%s: %d %s", path, got.status, got.body)
	}
	var value T
	if err := json.Unmarshal([]byte(got.body), &value); err != nil {
		t.Fatalf("%s: %v in %s", path, err, got.body)
	}
	return value
}

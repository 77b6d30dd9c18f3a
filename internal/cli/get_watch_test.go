package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
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

	"github.com/assay-gitops/assay/internal/hub/api"
	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/auth/authtest"
	"github.com/assay-gitops/assay/internal/hub/changes"
	"github.com/assay-gitops/assay/internal/hub/impact"
	"github.com/assay-gitops/assay/internal/hub/live"
	"github.com/assay-gitops/assay/internal/hub/store/sqlite"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/sink"
)

// aHub is a hub with a cluster that knows one reader.
type aHub struct {
	store   *changes.Store
	server  *httptest.Server
	cluster *authtest.Server
	// down makes it answer what a proxy does whose hub is away.
	down  atomic.Bool
	token string
}

func newHubToAsk(t *testing.T) *aHub {
	t.Helper()
	h := &aHub{cluster: authtest.Start(t), token: filepath.Join(t.TempDir(), "token")}
	h.cluster.SetNamespaces("shop")
	h.cluster.Know("s3cret", authtest.Token{User: authenticationv1.UserInfo{Username: "me"}, Audiences: []string{authtest.APIAudience}})
	h.cluster.Allow(authtest.Grant{Name: "me", Verbs: []string{"list"}})
	if err := os.WriteFile(h.token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	who, err := auth.New(auth.Options{Client: h.cluster.Client(t), Cluster: "here"})
	if err != nil {
		t.Fatal(err)
	}
	database, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if h.store, err = changes.New(database, changes.Options{}); err != nil {
		t.Fatal(err)
	}
	handler, err := api.New(api.Options{Store: h.store, Auth: who, Live: live.New("here", nil, time.Now), Impacts: &impact.Surveyor{}, Rate: -1})
	if err != nil {
		t.Fatal(err)
	}
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		h.server.Close()
		if err := h.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *aHub) happens(t *testing.T, results ...*sink.Result) {
	t.Helper()
	if _, err := h.store.Add(t.Context(), "here", results); err != nil {
		t.Fatal(err)
	}
}

// watched is a watch that runs.
type watched struct {
	lines  *bufio.Scanner
	stderr *lockedBuffer
	// end interrupts it, and tells its exit code.
	end func() int
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// watches runs assay get violations --watch with more arguments. What it prints must be read.
func (h *aHub) watches(t *testing.T, args ...string) *watched {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	t.Cleanup(interrupt)
	reader, writer := io.Pipe()
	w := &watched{lines: bufio.NewScanner(reader), stderr: &lockedBuffer{}}
	exit := make(chan int, 1)
	go func() {
		exit <- Main(ctx, Env{
			Args:  append([]string{"assay", "get", "violations", "--watch", "--hub", h.server.URL, "--token-file", h.token}, args...),
			Stdin: strings.NewReader(""), Stdout: writer, Stderr: w.stderr, Getenv: func(string) string { return "" }, Version: "v0.0.0-test",
		})
		_ = writer.Close()
	}()
	w.end = func() int {
		interrupt()
		return <-exit
	}
	return w
}

func (w *watched) want(t *testing.T, parts ...string) {
	t.Helper()
	if !w.lines.Scan() {
		t.Fatalf("no more lines: %v, %s", w.lines.Err(), w.stderr)
	}
	for _, part := range parts {
		if !strings.Contains(w.lines.Text(), part) {
			t.Errorf("got  %s\nwant %s", w.lines.Text(), part)
		}
	}
}

func TestAWatchShowsWhatHappens(t *testing.T) {
	h := newHubToAsk(t)
	h.happens(t, storetest.Result("r1"))
	w := h.watches(t)
	w.want(t, "SEVERITY   STATUS   GATE")
	w.want(t, "medium     open     audit   here", "deployment/web")
	h.happens(t, storetest.Result("r2", storetest.Object("Deployment", "shop", "a-longer-name")))
	w.want(t, "medium     open     audit   here", "deployment/a-longer-name")
	h.happens(t, storetest.Result("r3", storetest.Life(sink.Resolved, "object fixed"), storetest.After(time.Minute)))
	w.want(t, "medium     resolved   audit   here", "deployment/web")
	if exit := w.end(); exit != 0 || w.stderr.String() != "" {
		t.Errorf("exit code %d, %s", exit, w.stderr)
	}
}

func TestAWatchIsInTheFormatsOfLists(t *testing.T) {
	h := newHubToAsk(t)
	for format, want := range map[string]string{
		"json": `{"id":"`, "name": "violation/", "yaml": "---", "wide": "SEVERITY",
	} {
		w := h.watches(t, "-o", format, "--status", "open", "--name", format)
		for !strings.Contains(w.stderr.String(), "no violations yet") {
			select {
			case <-t.Context().Done():
				t.Fatal("it does not begin")
			case <-time.After(time.Millisecond):
			}
		}
		h.happens(t, storetest.Result(format, storetest.Object("Deployment", "shop", format)))
		w.want(t, want)
		var v api.Violation
		if err := json.Unmarshal(w.lines.Bytes(), &v); format == "json" && (err != nil || v.Object.Name != format) {
			t.Errorf("a line is %v, %s", err, w.lines.Text())
		}
		// What else is on the way has nobody who reads it.
		go func() {
			for w.lines.Scan() {
				continue
			}
		}()
		if exit := w.end(); exit != 0 {
			t.Errorf("%s: exit code %d, %s", format, exit, w.stderr)
		}
	}
	for _, args := range [][]string{{"--limit", "1"}, {"-o", "tabel"}} {
		if _, stderr, exit := run(t, nil, append([]string{"get", "violations", "-w", "--hub", h.server.URL, "--token-file", h.token}, args...)...); exit != exitFailure || !strings.Contains(stderr, "hint:") {
			t.Errorf("%v: exit code %d, %s", args, exit, stderr)
		}
	}
}

func TestAWatchGoesOnAfterABreak(t *testing.T) {
	h := newHubToAsk(t)
	h.happens(t, storetest.Result("r1"))
	ctx, end := context.WithCancel(t.Context())
	defer end()
	flags := getFlags{hubFlags: hubFlags{hub: h.server.URL, tokenFile: h.token}, output: "name", filters: map[string]*[]string{}}
	reader, writer := io.Pipe()
	var stderr lockedBuffer
	env := &Env{Stdout: writer, Stderr: &stderr, Getenv: func(string) string { return "" }}
	client, err := flags.client(env)
	if err != nil {
		t.Fatal(err)
	}
	away := make(chan int)
	w := flags.watcher(env, client, func(n int) time.Duration {
		away <- n
		return 0
	})
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx) }()
	lines := bufio.NewScanner(reader)
	next := func() string {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("no more lines: %s", stderr.String())
		}
		return lines.Text()
	}
	first := next()
	h.down.Store(true)
	h.server.CloseClientConnections()
	if n := <-away; n != 0 {
		t.Errorf("try %d comes first", n)
	}
	h.happens(t, storetest.Result("r2", storetest.Object("Deployment", "shop", "meanwhile")))
	for want := 1; want < 4; want++ {
		if n := <-away; n != want {
			t.Errorf("try %d is told as %d", want, n)
		}
		h.down.Store(want < 3)
	}
	if meanwhile := next(); meanwhile == first || !strings.HasPrefix(meanwhile, "violation/") {
		t.Errorf("%s was shown before", meanwhile)
	}
	if got := stderr.String(); strings.Count(got, ": trying again in 0s\n") != 4 || !strings.Contains(got, "502 Bad Gateway") {
		t.Errorf("it tells %s", got)
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAWatchEndsWhenTheAnswerWillNotChange(t *testing.T) {
	h := newHubToAsk(t)
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"a filter that is none": {[]string{"--severity", "hgih"}, "422"},
		"no such hub":           {[]string{"--hub", "http://127.0.0.1:1"}, "ask the hub"},
	} {
		t.Run(name, func(t *testing.T) {
			w := h.watches(t, test.args...)
			if w.lines.Scan() {
				t.Errorf("it shows %s", w.lines.Text())
			}
			if exit := w.end(); exit != exitFailure || !strings.Contains(w.stderr.String(), test.want) || strings.Contains(w.stderr.String(), "trying again") {
				t.Errorf("exit code %d, %s", exit, w.stderr)
			}
		})
	}
	w := watch{}
	for status, want := range map[int]bool{400: true, 401: false, 403: true, 404: true, 429: false, 500: false, 503: false} {
		if got := w.final(&hubRefusal{status: status}); got != want {
			t.Errorf("%d is final: %t", status, got)
		}
	}
	if w.fails = 1; !w.final(&hubRefusal{status: 401}) {
		t.Error("a token that is refused twice is tried again")
	}
	if w.final(errors.New("connection refused")) {
		t.Error("a hub that is away is not waited for")
	}
}

func TestPausesGrowAndAreNotTheSame(t *testing.T) {
	for n := range 100 {
		if p := pauses(n); p < firstPause/2 || p > longestPause || n > 10 && p < longestPause/2 {
			t.Errorf("pause %d is %s", n, p)
		}
	}
}

func TestWhatIsLostIsListedAgain(t *testing.T) {
	var stderr bytes.Buffer
	var shown []string
	listed := []api.Violation{{ID: "a", Status: "open"}, {ID: "b", Status: "open"}}
	w := watch{
		stderr: &stderr, filter: map[string][]string{"status": {"open"}},
		list:  func(context.Context) ([]api.Violation, error) { return listed, nil },
		write: func(v *api.Violation) error { shown = append(shown, v.ID+" "+v.Status); return nil },
	}
	hear := func(e hubEvent) {
		t.Helper()
		if err := w.hear(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	hear(hubEvent{id: "1"})
	hear(hubEvent{name: "opened", id: "2", data: `{"id":"b","status":"open","lastSeen":"0001-01-01T00:00:00Z"}`}) // in the list already
	hear(hubEvent{name: "resolved", id: "3", data: `{"id":"b","status":"resolved"}`})
	listed = []api.Violation{{ID: "c", Status: "open"}}
	hear(hubEvent{name: "lost", id: "4", data: `{}`})
	if got := strings.Join(shown, ", "); got != "a open, b open, b resolved, c open" || w.last != "4" {
		t.Errorf("shown is %s", got)
	}
	if got := stderr.String(); !strings.HasSuffix(got, "not listed any more: 1\n") {
		t.Errorf("it tells %q", got)
	}
}

package flux_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/flux"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
	"github.com/assay-gitops/assay/internal/weave"
)

var update = flag.Bool("update", false, "write the golden files")

// controller takes events as notification-controller does: each token once. The tests in e2e ask the real one.
type controller struct {
	sinktest.Received
	t      testing.TB
	mu     sync.Mutex
	tokens map[string]bool
	events []eventv1.Event
	// fails tells which events it never takes, and with what it answers to them.
	fails func(id string) int
}

func (c *controller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var e eventv1.Event
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	id := e.Metadata["event.toolkit.fluxcd.io/id"]
	if c.fails != nil {
		if code := c.fails(id); code != 0 {
			http.Error(w, "no", code)
			return
		}
	}
	token := e.Metadata["kustomize.toolkit.fluxcd.io/token"]
	if token == "" {
		c.t.Errorf("an event without a token: %+v", e)
	}
	w.Header().Set("X-RateLimit-Limit", "1")
	w.Header().Set("X-RateLimit-Remaining", "0")
	if c.tokens[token] {
		w.Header().Set("Retry-After", time.Now().Add(5*time.Minute).UTC().Format(http.TimeFormat))
		http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
		return
	}
	if c.tokens == nil {
		c.tokens = map[string]bool{}
	}
	c.tokens[token] = true
	c.events = append(c.events, e)
	c.Add(id)
	w.WriteHeader(http.StatusAccepted)
}

func newSink(t testing.TB, o flux.Options) *flux.Sink {
	t.Helper()
	o.Instance, o.UserAgent = "policy-agent-0", "assay/test"
	s, err := flux.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func item(r sink.Result) sink.Item { return sink.Item{ID: r.Validation.ID, Result: &r} }

func states(outcomes []sink.Outcome) (all []sink.State) {
	for _, o := range outcomes {
		all = append(all, o.State)
	}
	return all
}

func TestEvents(t *testing.T) {
	for name, change := range map[string]func(r *sink.Result){
		"violation": func(r *sink.Result) { r.Validation.Enforced = true },
		"release": func(r *sink.Result) {
			r.App = &sink.App{Kind: "HelmRelease", Name: "web", Namespace: "shop", Revision: "6.5.4"}
		},
		"revision unknown": func(r *sink.Result) {
			r.App.Revision, r.Validation.ClusterID, r.Validation.Entity.Namespace = "", "", ""
		},
		"compliance": func(r *sink.Result) {
			r.Gate, r.Validation.Status, r.Validation.Message, r.Validation.Occurrences = sink.Audit, weave.StatusCompliance, "", nil
		},
		"resolved": func(r *sink.Result) {
			r.Gate, r.Life, r.Resolution = sink.Audit, sink.Resolved, "object deleted"
		},
		"excepted": func(r *sink.Result) {
			r.Validation.Status, r.Exception = weave.StatusExcepted, &sink.Exception{Name: "small-team", Reason: "one replica is enough"}
		},
		"error": func(r *sink.Result) {
			r.Validation.Status, r.Validation.Message = weave.StatusError, "it took longer than 1s"
		},
		"hostile": func(r *sink.Result) {
			v := &r.Validation
			v.Policy.Name, v.Policy.Category = "100%d %s\x1b[31m", strings.Repeat("c", 5000)
			v.Message = v.Policy.Name + "\nin deployment " + strings.Repeat("é", 5000)
			v.Occurrences = slices.Repeat([]weave.Occurrence{{Message: strings.Repeat("m", 3000), ViolatingKey: new(strings.Repeat("k", 3000))}}, 1000)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var body []byte
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var b bytes.Buffer
				if _, err := b.ReadFrom(r.Body); err != nil {
					t.Error(err)
				}
				body = b.Bytes()
				if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.UserAgent() != "assay/test" {
					t.Errorf("%s with %v", r.Method, r.Header)
				}
				w.WriteHeader(http.StatusAccepted)
			}))
			defer server.Close()
			r := sinktest.Result(1)
			change(&r)
			if o := newSink(t, flux.Options{Address: server.URL}).Send(t.Context(), []sink.Item{item(r)}); o[0].State != sink.Delivered {
				t.Fatalf("%+v", o)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, body, "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			golden := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".json")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("got\n%s\nwant\n%s", got.Bytes(), want)
			}
			if len(body) > 16<<10 {
				t.Errorf("%d bytes", len(body))
			}
		})
	}
}

func TestTheSameFindingIsOneNotificationAndOthersAreNot(t *testing.T) {
	c := &controller{t: t}
	server := httptest.NewServer(c)
	defer server.Close()
	again, elsewhere, worse := sinktest.Result(0), sinktest.Result(0), sinktest.Result(0)
	again.Validation.ID, again.Validation.CreatedAt, again.Validation.Trigger, again.Operation = "again", time.Now(), "UPDATE", "UPDATE"
	elsewhere.Validation.ID, elsewhere.Validation.Entity.Namespace = "elsewhere", "another"
	worse.Validation.ID = "worse"
	worse.Validation.Occurrences = append(slices.Clone(worse.Validation.Occurrences), weave.Occurrence{Message: "and that"})
	items := []sink.Item{item(sinktest.Result(0)), item(again), item(elsewhere), item(worse)}
	if got := states(newSink(t, flux.Options{Address: server.URL}).Send(t.Context(), items)); slices.Max(got) != sink.Delivered {
		t.Error(got)
	}
	var ids, messages []string
	for _, e := range c.events {
		ids, messages = append(ids, e.Metadata["event.toolkit.fluxcd.io/id"]), append(messages, e.Message)
	}
	if want := []string{sinktest.ID(0), "elsewhere", "worse"}; !slices.Equal(ids, want) || len(slices.Compact(messages)) != 1 {
		t.Errorf("%q %q", ids, messages)
	}
}

func TestResultsOfNoFluxApplicationAreOfNoUse(t *testing.T) {
	c := &controller{t: t}
	server := httptest.NewServer(c)
	defer server.Close()
	alone := sinktest.Result(1)
	alone.App = nil
	got := states(newSink(t, flux.Options{Address: server.URL}).Send(t.Context(), []sink.Item{item(sinktest.Result(0)), item(alone), item(sinktest.Result(2))}))
	if !slices.Equal(got, []sink.State{sink.Delivered, sink.Useless, sink.Delivered}) || len(c.events) != 2 {
		t.Error(got, c.events)
	}
}

func options(t testing.TB, address string) sink.Options {
	return sink.Options{
		Name: "flux", Sink: newSink(t, flux.Options{Address: address, Timeout: 200 * time.Millisecond}), Journal: sinktest.Journal(t, t.TempDir()),
		DeadLetters: filepath.Join(t.TempDir(), "dead"), MaxItems: 50, Linger: time.Millisecond, SendTimeout: time.Minute,
		MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond, Drain: 10 * time.Millisecond,
	}
}

func TestNothingIsLostWhateverTheControllerDoes(t *testing.T) {
	for _, fault := range sinktest.Faults {
		t.Run(string(fault), func(t *testing.T) {
			c := &controller{t: t}
			m := &sinktest.Misbehaving{Handler: c}
			server := httptest.NewServer(m)
			defer server.Close()
			o := options(t, server.URL)
			sinktest.Append(t, o.Journal, 0, 100)
			m.Set(fault)
			runner, stop := sinktest.Run(t, o)
			sinktest.Wait(t, "some attempts", func() bool { return m.Hits.Load() >= 5 })
			sinktest.Append(t, o.Journal, 100, 200)
			m.Set(sinktest.None)
			sinktest.Wait(t, "the lag to end", func() bool { s := runner.Status(); return s.Lag == 0 && s.Err == nil })
			stop()
			// Even where answers were lost, since the token tells the controller.
			if twice := c.Want(t, 0, 200); twice > 0 {
				t.Errorf("%d came twice", twice)
			}
			if s := runner.Status(); s.Counts[sink.Sent] != 200 || s.Counts[sink.Failed] == 0 || s.Counts[sink.DeadLettered] != 0 {
				t.Errorf("%v", s.Counts)
			}
		})
	}
}

func TestAControllerThatIsGoneIsWaitedFor(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := first.Addr().String()
	first.Close()
	o := options(t, "http://"+address)
	sinktest.Append(t, o.Journal, 0, 100)
	runner, _ := sinktest.Run(t, o)
	sinktest.Wait(t, "some attempts", func() bool { return runner.Status().Attempts > 3 })
	if err := runner.Status().Err.Error(); !strings.Contains(err, "sending to notification-controller at "+address) || !strings.Contains(err, "refused") {
		t.Error(err)
	}
	second, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("another process took the port meanwhile: %v", err)
	}
	c := &controller{t: t}
	server := &http.Server{Handler: c}
	go server.Serve(second) //nolint:errcheck // it ends when it is closed
	defer server.Close()
	sinktest.Wait(t, "the lag to end", func() bool { return runner.Status().Lag == 0 })
	c.Want(t, 0, 100)
}

func TestEventsThatTheControllerNeverTakesHoldNothingUp(t *testing.T) {
	refused, failing := sinktest.ID(7), sinktest.ID(20)
	c := &controller{t: t, fails: func(id string) int {
		return map[string]int{refused: http.StatusBadRequest, failing: http.StatusInternalServerError}[id]
	}}
	server := httptest.NewServer(c)
	defer server.Close()
	var items []sink.Item
	for i := range 30 {
		items = append(items, item(sinktest.Result(i)))
	}
	outcomes := newSink(t, flux.Options{Address: server.URL}).Send(t.Context(), items)
	for i, o := range outcomes {
		want := sink.Delivered
		switch items[i].ID {
		case refused:
			want = sink.Refused
		case failing:
			want = sink.Retry
		}
		if o.State != want {
			t.Errorf("%d: %+v", i, o)
		}
	}
	c.Want(t, 0, 30, refused, failing)
}

func TestAControllerThatFailsIsLeftAlone(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	var items []sink.Item
	for i := range 30 {
		items = append(items, item(sinktest.Result(i)))
	}
	outcomes := newSink(t, flux.Options{Address: server.URL}).Send(t.Context(), items)
	if requests != 3 || outcomes[2].State != sink.Retry || outcomes[3].State != sink.Untried || outcomes[29].State != sink.Untried || outcomes[29].Err == nil {
		t.Errorf("%d requests, %+v", requests, outcomes)
	}
}

func TestWhatAnswersMean(t *testing.T) {
	for name, test := range map[string]struct {
		code   int
		header map[string]string
		want   sink.State
		after  time.Duration
	}{
		"202 is delivered":                 {202, nil, sink.Delivered, 0},
		"400 is refused":                   {400, nil, sink.Refused, 0},
		"413 is refused":                   {413, nil, sink.Refused, 0},
		"404 may be the address's fault":   {404, nil, sink.Retry, 0},
		"a redirect is not followed":       {307, map[string]string{"Location": "/elsewhere"}, sink.Retry, 0},
		"503 is for later":                 {503, map[string]string{"Retry-After": "7"}, sink.Retry, 7 * time.Second},
		"429 of the controller's limiter":  {429, map[string]string{"Retry-After": "7", "X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0"}, sink.Delivered, 0},
		"429 of something else":            {429, map[string]string{"Retry-After": "7"}, sink.Retry, 7 * time.Second},
		"429 of a limiter that allows ten": {429, map[string]string{"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "0"}, sink.Retry, 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for key, value := range test.header {
					w.Header().Set(key, value)
				}
				if r.URL.Path != "/events" {
					t.Errorf("a request for %s", r.URL.Path)
				}
				w.WriteHeader(test.code)
			}))
			defer server.Close()
			got := newSink(t, flux.Options{Address: server.URL + "/events"}).Send(t.Context(), []sink.Item{item(sinktest.Result(0))})[0]
			if got.State != test.want || got.After != test.after || (got.Err == nil) != (test.want == sink.Delivered) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestOptionsAreCheckedAndErrorsKeepSecrets(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, password := flux.New(flux.Options{Address: "http://user:hunter2@example.com"})
	_, unread := flux.New(flux.Options{Address: "http://user:hunter2@example.com:port/%zz"})
	_, scheme := flux.New(flux.Options{Address: "hunter2"})
	_, empty := flux.New(flux.Options{})
	_, timeout := flux.New(flux.Options{Address: "http://example.com", Timeout: -1})
	for name, err := range map[string]error{
		"path":     newSink(t, flux.Options{Address: "http://127.0.0.1:1/hunter2"}).Send(ctx, []sink.Item{item(sinktest.Result(0))})[0].Err,
		"password": password, "unread": unread, "scheme": scheme, "empty": empty, "timeout": timeout,
	} {
		if err == nil || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package events

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
)

// server answers as the API server does for events, and badly when it is told. The real one is in cluster_test.go; it does not
// fail on demand.
type server struct {
	sinktest.Received
	mu     sync.Mutex
	events map[string]*corev1.Event
	// refuse may answer instead, by an event's namespace and name.
	refuse   func(verb, namespace, name string) *metav1.Status
	requests []string
}

func failure(code int32, reason metav1.StatusReason, details *metav1.StatusDetails) *metav1.Status {
	return &metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: code, Reason: reason, Message: string(reason), Details: details}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// /api/v1/namespaces/NAMESPACE/events[/NAME]
	path := strings.Split(r.URL.Path, "/")
	if len(path) < 6 || path[5] != "events" {
		answer(w, failure(404, metav1.StatusReasonNotFound, nil))
		return
	}
	namespace, name := path[4], ""
	var event corev1.Event
	if r.Method == http.MethodPost {
		if err := json.Unmarshal(body, &event); err != nil {
			answer(w, failure(400, metav1.StatusReasonBadRequest, nil))
			return
		}
		name = event.Name
	} else {
		name = path[6]
	}
	s.requests = append(s.requests, r.Method+" "+namespace+"/"+name)
	if s.refuse != nil {
		if status := s.refuse(r.Method, namespace, name); status != nil {
			answer(w, status)
			return
		}
	}
	key := namespace + "/" + name
	if r.Method == http.MethodPost {
		if s.events == nil {
			s.events = map[string]*corev1.Event{}
		}
		if s.events[key] != nil {
			answer(w, failure(409, metav1.StatusReasonAlreadyExists, nil))
			return
		}
		s.events[key] = &event
		s.Add(event.Labels[LabelID])
	} else {
		if s.events[key] == nil {
			answer(w, failure(404, metav1.StatusReasonNotFound, &metav1.StatusDetails{Kind: "events", Name: name}))
			return
		}
		if err := json.Unmarshal(body, s.events[key]); err != nil {
			answer(w, failure(400, metav1.StatusReasonBadRequest, nil))
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.events[key])
}

func answer(w http.ResponseWriter, status *metav1.Status) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(status.Code))
	_ = json.NewEncoder(w).Encode(status)
}

func start(t testing.TB, handler http.Handler, change func(*Options)) *Sink {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	o := Options{Config: &rest.Config{Host: s.URL}, QPS: 1e6, Burst: 1e6, Instance: "policy-agent-0"}
	if change != nil {
		change(&o)
	}
	made, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func item(r sink.Result) sink.Item { return sink.Item{ID: r.Validation.ID, Result: &r} }

func items(first, last int) (items []sink.Item) {
	for i := first; i < last; i++ {
		items = append(items, item(sinktest.Result(i)))
	}
	return items
}

func states(outcomes []sink.Outcome) (states []sink.State) {
	for _, o := range outcomes {
		states = append(states, o.State)
	}
	return states
}

func wantStates(t *testing.T, outcomes []sink.Outcome, want ...sink.State) {
	t.Helper()
	if got := states(outcomes); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v: %v", got, want, outcomes)
	}
}

func TestEachResultIsAnEventThroughEveryFault(t *testing.T) {
	for _, fault := range sinktest.Faults {
		t.Run(string(fault), func(t *testing.T) {
			api := &server{}
			m := &sinktest.Misbehaving{Handler: api}
			j := sinktest.Journal(t, t.TempDir())
			sinktest.Append(t, j, 0, 50)
			m.Set(fault)
			runner, stop := sinktest.Run(t, sink.Options{
				Name: "events", Sink: start(t, m, nil), Journal: j, DeadLetters: filepath.Join(t.TempDir(), "dead"),
				Linger: time.Millisecond, MinBackoff: 10 * time.Millisecond, MaxBackoff: 100 * time.Millisecond, SendTimeout: time.Second,
			})
			sinktest.Wait(t, "two requests", func() bool { return m.Hits.Load() >= 2 })
			sinktest.Append(t, j, 50, 100)
			m.Set(sinktest.None)
			sinktest.Wait(t, "the lag to end", func() bool { s := runner.Status(); return s.Lag == 0 && s.Err == nil })
			stop()
			if twice := api.Want(t, 0, 100); twice > 0 {
				t.Errorf("%d events are there twice", twice)
			}
			if c := runner.Status().Counts; c[sink.Sent] != 100 || c[sink.DeadLettered] != 0 || c[sink.Retried] == 0 {
				t.Errorf("%v", c)
			}
		})
	}
}

func TestWhatTheServerRefusesForEverIsNotTriedAgain(t *testing.T) {
	refused := sinktest.Result(1)
	for name, test := range map[string]struct {
		status *metav1.Status
		state  sink.State
		text   string
	}{
		"invalid":     {failure(422, metav1.StatusReasonInvalid, nil), sink.Refused, ""},
		"bad request": {failure(400, metav1.StatusReasonBadRequest, nil), sink.Refused, ""},
		"too large":   {failure(413, metav1.StatusReasonRequestEntityTooLarge, nil), sink.Refused, ""},
		"forbidden":   {failure(403, metav1.StatusReasonForbidden, nil), sink.Retry, "rights to create and patch events"},
		"internal":    {failure(500, metav1.StatusReasonInternalError, nil), sink.Retry, ""},
		"unavailable": {failure(503, metav1.StatusReasonServiceUnavailable, nil), sink.Retry, ""},
	} {
		t.Run(name, func(t *testing.T) {
			api := &server{refuse: func(_, _, name string) *metav1.Status {
				if strings.HasPrefix(name, "web-1.") {
					return test.status
				}
				return nil
			}}
			outcomes := start(t, api, nil).Send(t.Context(), items(0, 3))
			wantStates(t, outcomes, sink.Delivered, test.state, sink.Delivered)
			if err := outcomes[1].Err; err == nil || !strings.Contains(err.Error(), "flux-system/web-1.") || !strings.Contains(err.Error(), test.text) {
				t.Errorf("the error is %v", err)
			}
			api.Want(t, 0, 3, refused.Validation.ID)
		})
	}
}

func TestABusyServerIsLeftAlone(t *testing.T) {
	api := &server{refuse: func(_, _, name string) *metav1.Status {
		if strings.HasPrefix(name, "web-2.") {
			return failure(429, metav1.StatusReasonTooManyRequests, &metav1.StatusDetails{RetryAfterSeconds: 7})
		}
		return nil
	}}
	outcomes := start(t, api, nil).Send(t.Context(), items(0, 100))
	want := append([]sink.State{sink.Delivered, sink.Delivered}, states(sink.Same(make([]sink.Item, 98), sink.Outcome{State: sink.Untried}))...)
	wantStates(t, outcomes, want...)
	if outcomes[2].After != 7*time.Second || outcomes[99].After != 7*time.Second || len(api.requests) != 3 {
		t.Errorf("after %v and %v, %d requests", outcomes[2].After, outcomes[99].After, len(api.requests))
	}
}

func TestAServerThatIsAwayIsNotTriedForEachItem(t *testing.T) {
	m := &sinktest.Misbehaving{Handler: &server{}}
	m.Set(sinktest.Broken)
	outcomes := start(t, m, nil).Send(t.Context(), items(0, 100))
	if m.Hits.Load() != maxOutages || outcomes[2].State != sink.Retry || outcomes[3].State != sink.Untried || outcomes[99].State != sink.Untried {
		t.Errorf("%d requests, %v", m.Hits.Load(), states(outcomes))
	}
}

func TestTheLimitIsTheSinksOwn(t *testing.T) {
	api := &server{}
	s := start(t, api, func(o *Options) { o.QPS, o.Burst = 0.0001, 5 })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	outcomes := s.Send(ctx, items(0, 100)) // does not wait, as the time until the next is longer than the context lasts
	if len(api.requests) != 5 || outcomes[4].State != sink.Delivered || outcomes[5].State != sink.Untried || outcomes[99].State != sink.Untried {
		t.Errorf("%d requests, %v", len(api.requests), states(outcomes))
	}
	if ctx.Err() != nil {
		t.Error("it waited for what cannot be")
	}
}

func TestRepeatsAreCountedInOneEvent(t *testing.T) {
	api := &server{}
	s := start(t, api, nil)
	repeated := func(i int) sink.Result {
		r := sinktest.Result(1)
		r.Validation.ID, r.Validation.CreatedAt = sinktest.ID(i), time.Unix(1_700_000_000+int64(i), 0)
		r.Validation.Entity.ID = fmt.Sprint("another uid for each attempt ", i)
		return r
	}
	for i := 1; i <= 5; i++ {
		wantStates(t, s.Send(t.Context(), []sink.Item{item(repeated(i))}), sink.Delivered)
	}
	if len(api.events) != 1 {
		t.Fatalf("there are %d events: %v", len(api.events), api.requests)
	}
	for _, event := range api.events {
		if event.Count != 5 || event.FirstTimestamp.Unix() != 1_700_000_001 || event.LastTimestamp.Unix() != 1_700_000_005 || event.Labels[LabelID] != sinktest.ID(1) {
			t.Errorf("%d times from %v to %v", event.Count, event.FirstTimestamp, event.LastTimestamp)
		}
	}
	// The answer to a patch is lost, and the patch repeated.
	api.refuse = func(verb, namespace, name string) *metav1.Status {
		if event := api.events[namespace+"/"+name]; verb == http.MethodPatch {
			event.Count++
			return failure(500, metav1.StatusReasonInternalError, nil)
		}
		return nil
	}
	wantStates(t, s.Send(t.Context(), []sink.Item{item(repeated(6))}), sink.Retry)
	api.refuse = nil
	wantStates(t, s.Send(t.Context(), []sink.Item{item(repeated(6))}), sink.Delivered)
	for _, event := range api.events {
		if event.Count != 6 {
			t.Errorf("it is counted %d times", event.Count)
		}
	}
	// Events are deleted after an hour.
	clear(api.events)
	wantStates(t, s.Send(t.Context(), []sink.Item{item(repeated(7)), item(repeated(8))}), sink.Delivered, sink.Delivered)
	if len(api.events) != 1 {
		t.Errorf("there are %d events", len(api.events))
	}
	for _, event := range api.events {
		if event.Count != 2 || event.Labels[LabelID] != sinktest.ID(7) {
			t.Errorf("%s is there %d times", event.Labels[LabelID], event.Count)
		}
	}
	// What differs in anything that matters is another event.
	for name, change := range map[string]func(*sink.Result){
		"policy":     func(r *sink.Result) { r.Validation.Policy.ID = "another" },
		"message":    func(r *sink.Result) { r.Validation.Message = "another" },
		"occurrence": func(r *sink.Result) { r.Validation.Occurrences = nil },
		"object":     func(r *sink.Result) { r.Validation.Entity.Name = "another" },
		"namespace":  func(r *sink.Result) { r.Validation.Entity.Namespace = "another" },
		"revision": func(r *sink.Result) {
			r.App = &sink.App{Kind: r.App.Kind, Name: r.App.Name, Namespace: r.App.Namespace, Revision: "x"}
		},
		"status":   func(r *sink.Result) { r.Validation.Status = "Excepted" },
		"resolved": func(r *sink.Result) { r.Life = sink.Resolved },
		"trigger":  func(r *sink.Result) { r.Validation.Trigger = "UPDATE" },
	} {
		before := len(api.events)
		r := repeated(100 + before)
		change(&r)
		wantStates(t, s.Send(t.Context(), []sink.Item{item(r)}), sink.Delivered)
		if len(api.events) != before+1 {
			t.Errorf("with another %s, it is counted as a repeat", name)
		}
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	s := start(t, &server{}, func(o *Options) { o.Remembered = 10 })
	s.Send(t.Context(), items(0, 50))
	if s.known.Len() != 10 {
		t.Errorf("%d events are remembered", s.known.Len())
	}
}

func TestAResultThatComesAgainIsNoSecondEvent(t *testing.T) {
	api := &server{}
	for range 2 { // of different processes, which remember nothing of each other
		wantStates(t, start(t, api, nil).Send(t.Context(), items(0, 2)), sink.Delivered, sink.Delivered)
	}
	if twice := api.Want(t, 0, 2); twice != 0 || len(api.requests) != 4 {
		t.Errorf("%d twice, %v", twice, api.requests)
	}
}

func TestAnEventWithoutNamespaceGoesToDefault(t *testing.T) {
	missing := failure(404, metav1.StatusReasonNotFound, &metav1.StatusDetails{Kind: "namespaces", Name: "flux-system"})
	terminating := failure(403, metav1.StatusReasonForbidden, &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}})
	for name, test := range map[string]struct {
		status *metav1.Status
		want   []sink.State
	}{
		"missing":     {missing, []sink.State{sink.Retry, sink.Retry, sink.Delivered}},
		"terminating": {terminating, []sink.State{sink.Delivered}},
	} {
		t.Run(name, func(t *testing.T) {
			api := &server{refuse: func(_, namespace, _ string) *metav1.Status {
				if namespace == "flux-system" {
					return test.status
				}
				return nil
			}}
			s := start(t, api, nil)
			for _, want := range test.want {
				wantStates(t, s.Send(t.Context(), items(1, 2)), want)
			}
			if len(api.events) != 1 {
				t.Fatalf("there are %d events", len(api.events))
			}
			for _, event := range api.events {
				if event.Namespace != "default" || event.InvolvedObject.Namespace != "" || event.Annotations[AnnotationNamespace] != "flux-system" {
					t.Errorf("%+v", event)
				}
			}
			if s.missing.Len() != 0 {
				t.Error("what was delivered is remembered")
			}
		})
	}
	t.Run("comes later", func(t *testing.T) {
		away := true
		api := &server{refuse: func(string, string, string) *metav1.Status {
			if away {
				return missing
			}
			return nil
		}}
		s := start(t, api, nil)
		wantStates(t, s.Send(t.Context(), items(1, 2)), sink.Retry)
		away = false
		wantStates(t, s.Send(t.Context(), items(1, 2)), sink.Delivered)
		for _, event := range api.events {
			if event.Namespace != "flux-system" {
				t.Errorf("it is in %s", event.Namespace)
			}
		}
	})
	t.Run("no name of one", func(t *testing.T) {
		r := sinktest.Result(1)
		r.App = &sink.App{Kind: "Kustomization", Name: "apps", Namespace: "Not_A_Namespace"}
		api := &server{}
		wantStates(t, start(t, api, nil).Send(t.Context(), []sink.Item{item(r)}), sink.Delivered)
		for _, event := range api.events {
			if event.Namespace != "default" || event.Annotations[AnnotationNamespace] != "Not_A_Namespace" {
				t.Errorf("%+v", event)
			}
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]Options{
		"no server":      {},
		"negative limit": {Config: &rest.Config{}, QPS: -1},
		"negative burst": {Config: &rest.Config{}, Burst: -1},
		"bad server":     {Config: &rest.Config{Host: "http://[", TLSClientConfig: rest.TLSClientConfig{CAFile: "/does/not/exist"}}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	config := &rest.Config{Host: "http://127.0.0.1:1", QPS: 3}
	if _, err := New(Options{Config: config}); err != nil || config.QPS != 3 {
		t.Errorf("%v, and the caller's limit is %v", err, config.QPS)
	}
}

func BenchmarkEncode(b *testing.B) {
	r := sinktest.Result(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := encode(&r, "host", true); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSend is about HTTP and JSON; the real API server's part is measured end to end.
func BenchmarkSend(b *testing.B) {
	s := start(b, &server{}, nil)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s.Send(b.Context(), items(i, i+1))
		i++
	}
	b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "events/s")
}

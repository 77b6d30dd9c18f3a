package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/sqlite"
	"github.com/assay-gitops/assay/internal/sink"
	sinkevents "github.com/assay-gitops/assay/internal/sink/events"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
)

// numbered is the n-th event of an old agent, about an object of its own.
func numbered(t testing.TB, n int) *corev1.Event {
	event := fixture(t, "old/2.5.0.yaml")
	event.Name = fmt.Sprintf("my-deployment.%x", n)
	event.Labels[sinkevents.LabelID] = sinktest.ID(n)
	event.ResourceVersion = fmt.Sprint(100 + n)
	event.InvolvedObject.Name = fmt.Sprint("web-", n)
	delete(event.Annotations, "entity_manifest")
	return event
}

// answers of an API server: what it says to each request, in this order. A real one is asked in TestClusterEventsAreKept; this one fails when
// it is told to.
type answers struct {
	t   testing.TB
	mu  sync.Mutex
	all []func(w http.ResponseWriter, r *http.Request)
	// asked are the queries.
	asked []string
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.asked = append(a.asked, r.URL.RawQuery)
	var answer func(http.ResponseWriter, *http.Request)
	if len(a.all) > 0 {
		answer, a.all = a.all[0], a.all[1:]
	}
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if answer == nil {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done() // a watch in which nothing happens
		return
	}
	answer(w, r)
}

func (a *answers) write(w http.ResponseWriter, value any) {
	if err := json.NewEncoder(w).Encode(value); err != nil {
		a.t.Error(err)
	}
}

func (a *answers) list(next, version string, events ...*corev1.Event) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		list := corev1.EventList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "EventList"}, ListMeta: metav1.ListMeta{Continue: next, ResourceVersion: version}}
		for _, e := range events {
			list.Items = append(list.Items, *e)
		}
		a.write(w, list)
	}
}

func (a *answers) watch(kind string, objects ...any) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, object := range objects {
			a.write(w, map[string]any{"type": kind, "object": object})
		}
	}
}

func (a *answers) status(code int, reason metav1.StatusReason) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		a.write(w, expired(code, reason))
	}
}

func expired(code int, reason metav1.StatusReason) metav1.Status {
	return metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason} //nolint:gosec // a code of HTTP
}

// keeping is a store that tells what it was given, and fails as often as it is told to.
type keeping struct {
	*sqlite.Store
	failures int
	added    chan int
}

func (k *keeping) Add(ctx context.Context, cluster string, results []*sink.Result) (int, error) {
	if k.failures > 0 {
		k.failures--
		return 0, errors.New("the disk is full")
	}
	n, err := k.Store.Add(ctx, cluster, results)
	if err == nil {
		k.added <- n
	}
	return n, err
}

// run reads until enough was added, and ends the reader.
func run(t *testing.T, config *rest.Config, k *keeping, enough func(added int) bool) (r *Reader, logged string) {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	r, err = New(Options{Client: client, Cluster: "home", Store: k, Logger: slog.New(slog.NewJSONHandler(&log, nil)), Wait: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	ended := make(chan struct{})
	go func() { defer close(ended); r.Run(ctx) }()
	for got := 0; !enough(got); {
		select {
		case n := <-k.added:
			got += n
		case <-ctx.Done():
			t.Fatalf("%d results came in a minute, which are not enough", got)
		}
	}
	end()
	<-ended
	return r, log.String()
}

func TestEventsAreReadWhateverTheAPIServerDoes(t *testing.T) {
	broken, own := numbered(t, 90), fixture(t, "object.yaml")
	broken.Labels[sinkevents.LabelType] = "s3cret"
	bad := numbered(t, 91)
	bad.Annotations["standards"] = `"s3cret"`
	a := &answers{t: t}
	a.all = []func(http.ResponseWriter, *http.Request){
		a.status(http.StatusForbidden, metav1.StatusReasonForbidden),
		a.list("more", "200", numbered(t, 0), broken, own),
		a.status(http.StatusGone, metav1.StatusReasonExpired), // the continuation is too old: from the beginning
		a.list("more", "201", numbered(t, 0), broken),
		a.list("", "201", numbered(t, 1), bad),
		a.watch("ADDED", numbered(t, 2), numbered(t, 2)),
		a.watch("MODIFIED", numbered(t, 3)),
		a.watch("DELETED", numbered(t, 3)),
		a.watch("BOOKMARK", &corev1.Event{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Event"}, ObjectMeta: metav1.ObjectMeta{ResourceVersion: "300"}}),
		a.watch("ERROR", expired(http.StatusGone, metav1.StatusReasonExpired)),
		a.list("", "301", numbered(t, 0), numbered(t, 1), numbered(t, 4)),
		a.status(http.StatusInternalServerError, metav1.StatusReasonInternalError),
		a.list("", "302", numbered(t, 5)),
	}
	server := httptest.NewServer(a)
	defer server.Close()
	k := &keeping{Store: opened(t), failures: 2, added: make(chan int, 1000)}
	r, logged := run(t, &rest.Config{Host: server.URL, QPS: -1}, k, func(added int) bool { return added == 7 })
	if found := violations(t, k.Store); len(found) != 7 {
		t.Errorf("%d violations are kept: %+v", len(found), found)
	}
	if strings.Contains(logged, "s3cret") || !strings.Contains(logged, "docs/hub.md") || !strings.Contains(logged, "could not be read") || !strings.Contains(logged, "left alone") {
		t.Errorf("the log says: %s", logged)
	}
	for outcome, want := range map[string]float64{added: 7, rejected: 2, partly: 1, ours: 1} {
		if got := testutil.ToFloat64(r.events.WithLabelValues(outcome)); got != want {
			t.Errorf("%v are %s, want %v", got, outcome, want)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := strings.Join(a.asked, "\n")
	for _, want := range []string{"labelSelector=pac.weave.works%2Ftype&limit=100", "continue=more", "resourceVersion=201", "resourceVersion=102", "resourceVersion=103", "resourceVersion=300"} {
		if !strings.Contains(asked, want) {
			t.Errorf("it never asked for %s:\n%s", want, asked)
		}
	}
}

func TestAResultThatTheStoreRefusesDisturbsNoOther(t *testing.T) {
	k := &keeping{Store: opened(t), added: make(chan int, 1000)}
	r, err := New(Options{Client: &kubernetes.Clientset{}, Cluster: "home", Store: k, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var results []*sink.Result
	for n := range 20 {
		results = append(results, read(t, numbered(t, n)))
	}
	results[7].Life, results[13].Life = "s3cret", "s3cret"
	if err := r.add(t.Context(), results); err != nil {
		t.Fatal(err)
	}
	if found := violations(t, k.Store); len(found) != 18 {
		t.Errorf("%d are kept", len(found))
	}
	if got := testutil.ToFloat64(r.events.WithLabelValues(rejected)); got != 2 {
		t.Errorf("%v are rejected", got)
	}
}

func TestAReaderNeedsWhatItWorksWith(t *testing.T) {
	if _, err := New(Options{Cluster: "home"}); err == nil {
		t.Error("made without a client")
	}
}

var _ store.Store = (*keeping)(nil)

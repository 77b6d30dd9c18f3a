package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/assay-gitops/assay/internal/hub/auth/authtest"
	"github.com/assay-gitops/assay/internal/hub/changes"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/sink"
)

// often is a pace for which tests need not wait.
func often() pace {
	return pace{heartbeat: time.Hour, recheck: 5 * time.Millisecond, patience: time.Minute}
}

// liveBed is a bed whose store tells of what is added.
type liveBed struct {
	*bed
	registry *prometheus.Registry
}

func newLiveBed(t *testing.T, pace pace, more ...func(*Options)) *liveBed {
	t.Helper()
	l := &liveBed{registry: prometheus.NewRegistry()}
	l.bed = newBed(t, append([]func(*Options){func(o *Options) {
		kept, err := changes.New(o.Store, changes.Options{Logger: o.Logger})
		if err != nil {
			t.Fatal(err)
		}
		o.Store, o.Metrics, o.pace = kept, l.registry, pace
	}}, more...)...)
	return l
}

// happens adds results to the store that is followed.
func (l *liveBed) happens(t *testing.T, cluster string, results ...*sink.Result) {
	t.Helper()
	if _, err := l.handler.changes.Add(t.Context(), cluster, results); err != nil {
		t.Fatal(err)
	}
}

// streamEvent is a server-sent event.
type streamEvent struct{ name, id, data, comment string }

func (e streamEvent) violation(t *testing.T) Violation {
	t.Helper()
	var v Violation
	if err := json.Unmarshal([]byte(e.data), &v); err != nil {
		t.Fatalf("%v: %+v", err, e)
	}
	return v
}

// watcher is a stream that is read.
type watcher struct {
	lines *bufio.Reader
	body  io.ReadCloser
}

// open begins a stream, of which the first event has come.
func (b *bed) open(t *testing.T, token, query string, headers ...string) (*watcher, streamEvent) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+changesPath+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	r := &watcher{bufio.NewReader(response.Body), response.Body}
	begin, err := r.next()
	if err != nil || begin.id == "" || begin.name != "" {
		t.Fatalf("the beginning is %+v, %v", begin, err)
	}
	return r, begin
}

func (r *watcher) next() (streamEvent, error) {
	var e streamEvent
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return e, err
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			return e, nil
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "":
			e.comment = value
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		}
	}
}

func (r *watcher) want(t *testing.T, name, object string) streamEvent {
	t.Helper()
	e, err := r.next()
	if err != nil {
		t.Fatal(err)
	}
	if e.name != name || e.id == "" || object != "" && e.violation(t).Object.Name != object {
		t.Fatalf("got %+v, want %s of %s", e, name, object)
	}
	return e
}

func (r *watcher) wantEnd(t *testing.T) {
	t.Helper()
	if e, err := r.next(); !errors.Is(err, io.EOF) {
		t.Fatalf("the stream did not end well: %+v, %v", e, err)
	}
}

func TestReadersAreToldOfChangesThatTheyMaySee(t *testing.T) {
	b := newLiveBed(t, often())
	own, _ := b.open(t, tenant, "")
	all, _ := b.open(t, platform, "")
	open, _ := b.open(t, platform, "?status=open&namespace=shop")
	// What comes before it was told is told as one.
	b.happens(t, foreign+"-cluster", storetest.Result("f1", storetest.Object("Deployment", "shop", foreign)))
	all.want(t, "opened", foreign)
	b.happens(t, "here", storetest.Result("f2", storetest.Object("ClusterRole", "", foreign)))
	all.want(t, "opened", foreign)
	b.happens(t, "here", storetest.Result("r1"))
	opened := own.want(t, "opened", "web").violation(t)
	b.happens(t, "here", storetest.Result("r2", storetest.Object("Deployment", "shop", "api"), storetest.Admission(true)))
	refused := own.want(t, "resolved", "api").violation(t)
	b.happens(t, "here", storetest.Result("r3", storetest.Life(sink.Changed, ""), storetest.After(time.Minute)))
	own.want(t, "changed", "web")
	b.happens(t, "here", storetest.Result("r4", storetest.Life(sink.Unchanged, ""), storetest.After(2*time.Minute)))
	b.happens(t, "here", storetest.Result("r3", storetest.Life(sink.Changed, ""), storetest.After(time.Minute))) // once more
	b.happens(t, "here", storetest.Result("r5", storetest.Life(sink.Resolved, "object fixed"), storetest.After(3*time.Minute)))
	resolved := own.want(t, "resolved", "web").violation(t)
	if opened.Status != "open" || refused.Resolution != "denied" || resolved.Status != "resolved" || resolved.Resolution != "object fixed" {
		t.Errorf("got %+v\n%+v\n%+v", opened, refused, resolved)
	}
	if listed := ask[Violations](t, b.bed, tenant, "/v1/violations?name=web").Items; cmp.Diff(listed, []Violation{resolved}) != "" {
		t.Error(cmp.Diff(listed, []Violation{resolved}))
	}
	all.want(t, "opened", "web")
	// What was open and is not any more concerns who looks at what is open; what was refused never was.
	open.want(t, "opened", foreign)
	open.want(t, "opened", "web")
	open.want(t, "changed", "web")
	open.want(t, "resolved", "web")
	if got := b.metric(t, "assay_hub_streams", ""); got != 3 {
		t.Errorf("%v streams", got)
	}
}

// metric is the value of one with a reason, if it has any.
func (l *liveBed) metric(t *testing.T, name, reason string) float64 {
	t.Helper()
	families, err := l.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (len(m.GetLabel()) == 0 || m.GetLabel()[0].GetValue() == reason) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// ended waits until a stream has ended for a reason.
func (l *liveBed) ended(t *testing.T, reason ending) {
	t.Helper()
	for l.metric(t, "assay_hub_streams_ended_total", string(reason)) == 0 {
		select {
		case <-t.Context().Done():
			t.Fatalf("no stream ended: %s", reason)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestAStreamGoesOnWhereItWas(t *testing.T) {
	b := newLiveBed(t, often())
	first, begin := b.open(t, tenant, "")
	b.happens(t, "here", storetest.Result("r1", storetest.Object("Deployment", "shop", "a")))
	seen := first.want(t, "opened", "a")
	b.happens(t, "here", storetest.Result("r2", storetest.Object("Deployment", "shop", "b")), storetest.Result("f2", storetest.Object("Deployment", foreign+"-ns", foreign)))
	first.want(t, "opened", "b")
	_ = first.body.Close()
	// Nobody follows, and it is kept nevertheless.
	b.ended(t, byClient)
	b.happens(t, "here", storetest.Result("r3", storetest.Object("Deployment", "shop", "c")))

	again, _ := b.open(t, tenant, "", "Last-Event-ID", seen.id)
	again.want(t, "opened", "b")
	again.want(t, "opened", "c")
	fromBeginning, _ := b.open(t, tenant, "?name=c", "Last-Event-ID", begin.id)
	fromBeginning.want(t, "opened", "c")
	for _, id := range []string{"1", strings.Repeat("x", 48), "%00"} {
		unknown, _ := b.open(t, tenant, "", "Last-Event-ID", id)
		if e := unknown.want(t, "lost", ""); !strings.Contains(e.data, "not known any more") {
			t.Errorf("got %+v", e)
		}
	}
	if got := b.get(t, tenant, changesPath, "Last-Event-ID", strings.Repeat("x", 201)); got.status != http.StatusUnprocessableEntity {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := b.get(t, tenant, changesPath+"?nmae=x"); got.status != http.StatusBadRequest {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestAStreamBeats(t *testing.T) {
	quick := often()
	quick.heartbeat = time.Millisecond
	b := newLiveBed(t, quick)
	stream, _ := b.open(t, tenant, "?name=nothing")
	for range 3 {
		if e, err := stream.next(); err != nil || e.comment == "" || e.name != "" || e.data != "" || e.id == "" {
			t.Fatalf("got %+v, %v", e, err)
		}
	}
}

func TestWhoLosesARightIsShownNothingMore(t *testing.T) {
	b := newLiveBed(t, often())
	forward := func(d time.Duration) { b.ahead.Add(int64(d)) }
	stream, _ := b.open(t, tenant, "")
	other, _ := b.open(t, platform, "")
	b.happens(t, "here", storetest.Result("r1"))
	stream.want(t, "opened", "web")
	// One of two namespaces is taken away, and what happens there then is not shown.
	b.cluster.Allow(authtest.Grant{Name: "tenant", Verbs: []string{"list"}, Namespaces: []string{"empty"}}, authtest.Grant{Name: "platform", Verbs: []string{"list"}})
	forward(11 * time.Second)
	b.happens(t, "here", storetest.Result("r2", storetest.Object("Deployment", "shop", foreign)), storetest.Result("r3", storetest.Object("Deployment", "empty", "mine")))
	if e := stream.want(t, "lost", ""); !strings.Contains(e.data, "may see") {
		t.Errorf("got %+v", e)
	}
	stream.want(t, "opened", "mine")
	// The last one is.
	b.cluster.Allow(authtest.Grant{Name: "platform", Verbs: []string{"list"}})
	forward(11 * time.Second)
	stream.wantEnd(t)
	for _, name := range []string{"web", foreign, "mine"} {
		other.want(t, "opened", name)
	}
	// A token ends.
	b.cluster.Revoke(platform)
	forward(11 * time.Second)
	other.wantEnd(t)
	b.ended(t, byRights)
	if got := b.get(t, platform, changesPath); got.status != http.StatusUnauthorized {
		t.Errorf("got %d", got.status)
	}
}

func TestAClientThatDoesNotReadIsDropped(t *testing.T) {
	impatient := often()
	impatient.patience = time.Second
	b := newLiveBed(t, impatient)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\r\n\r\n", changesPath, platform); err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 1)
	if _, err := conn.Read(one); err != nil {
		t.Fatal(err)
	}
	fine, _ := b.open(t, platform, "")
	message := strings.Repeat("x", 1<<20)
	for i := range 24 {
		b.happens(t, "here", storetest.Result(fmt.Sprint("r", i), storetest.Object("Deployment", "shop", fmt.Sprint("web-", i)), func(r *sink.Result) { r.Validation.Message = message }))
		fine.want(t, "opened", fmt.Sprint("web-", i))
	}
	b.ended(t, bySlowness)
	if got := b.metric(t, "assay_hub_streams", ""); got != 1 {
		t.Errorf("%v streams", got)
	}
}

func TestAHubEndsItsStreams(t *testing.T) {
	b := newLiveBed(t, pace{time.Hour, time.Hour, time.Hour})
	server := NewServer(b.handler, slog.New(slog.DiscardHandler))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	b.url = "http://" + listener.Addr().String()
	stream, _ := b.open(t, tenant, "")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	stream.wantEnd(t)
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

func TestStreamsAreFew(t *testing.T) {
	s := &streams{each: map[string]int{}}
	var releases []func()
	for range maxStreamsOfClient {
		release, err := s.take("a")
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	if _, err := s.take("a"); err == nil || !strings.Contains(err.Error(), "a follows changes 20 times already") {
		t.Errorf("got %v", err)
	}
	for i := range maxStreams - maxStreamsOfClient {
		if _, err := s.take(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.take("b"); err == nil || !strings.Contains(err.Error(), "too many follow changes") {
		t.Errorf("got %v", err)
	}
	releases[0]()
	if _, err := s.take("a"); err != nil {
		t.Error(err)
	}

	b := newLiveBed(t, often())
	for range maxStreamsOfClient {
		b.open(t, tenant, "")
	}
	got := b.get(t, tenant, changesPath)
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "5" {
		t.Errorf("got %d %v", got.status, got.header)
	}
	got.problem(t)
}

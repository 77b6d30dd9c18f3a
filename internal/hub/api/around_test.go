package api

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/assay-gitops/assay/internal/hub/store/storetest"
)

func TestAnswersSayWhatABrowserMayDo(t *testing.T) {
	b := newBed(t)
	for _, path := range []string{"/v1/violations", "/docs", "/openapi.json", "/healthz", "/nowhere"} {
		got := b.get(t, platform, path)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, got.header.Get(name))
			}
		}
		if !strings.HasPrefix(got.header.Get("Content-Security-Policy"), "default-src 'none'") || got.header.Get("X-Request-Id") == "" || got.header.Get("Cache-Control") == "" {
			t.Errorf("%s: %v", path, got.header)
		}
		if got.header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: there is no TLS to insist on", path)
		}
	}
}

func TestWhoHasAnAnswerIsToldSo(t *testing.T) {
	b := newBed(t)
	b.add(t, "here", storetest.Result("r1"))
	got := b.get(t, platform, "/v1/violations")
	tag := got.header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) || got.header.Get("Cache-Control") != "private, no-cache" || !strings.Contains(strings.Join(got.header.Values("Vary"), ","), "Authorization") {
		t.Fatalf("got %v", got.header)
	}
	for _, condition := range []string{tag, `"x", ` + tag, "*", strings.TrimPrefix(tag, "W/")} {
		if again := b.get(t, platform, "/v1/violations", "If-None-Match", condition); again.status != http.StatusNotModified || again.body != "" || again.header.Get("ETag") != tag {
			t.Errorf("%s: %d %s", condition, again.status, again.body)
		}
	}
	// Whoever may not see it is not told that it is still the same.
	if stranger := b.get(t, nobody, "/v1/violations", "If-None-Match", tag); stranger.status != http.StatusForbidden {
		t.Errorf("got %d", stranger.status)
	}
	b.add(t, "here", storetest.Result("r2", storetest.Object("Job", "shop", "other")))
	if changed := b.get(t, platform, "/v1/violations", "If-None-Match", tag); changed.status != http.StatusOK || changed.header.Get("ETag") == tag {
		t.Errorf("got %d %v", changed.status, changed.header)
	}
}

func TestLongAnswersPassWithoutATag(t *testing.T) {
	part := strings.Repeat("x", 1<<20)
	handler := revalidated(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 5 {
			if _, err := io.WriteString(w, part); err != nil {
				t.Error(err)
			}
		}
	}))
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/violations", nil))
	if recorder.Body.Len() != 5<<20 || recorder.Header().Get("ETag") != "" {
		t.Errorf("%d bytes, tag %q", recorder.Body.Len(), recorder.Header().Get("ETag"))
	}
}

func TestAnswersAreCompressedForWhoTakesIt(t *testing.T) {
	b := newBed(t)
	plain := b.get(t, platform, "/openapi.json", "Accept-Encoding", "identity")
	small := b.get(t, platform, "/openapi.json", "Accept-Encoding", "gzip")
	reader, err := gzip.NewReader(strings.NewReader(small.body))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(reader)
	if err != nil || string(content) != plain.body || len(small.body) > len(plain.body)/4 || small.header.Get("ETag") != plain.header.Get("ETag") {
		t.Errorf("%v: %d of %d bytes", err, len(small.body), len(plain.body))
	}
}

func TestAClientThatAsksTooMuchHasToWait(t *testing.T) {
	var mu sync.Mutex
	at := now()
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return at
	}
	b := newBed(t, func(o *Options) { o.Rate, o.Now = 2, clock })
	var last answer
	answered := 0
	for range 30 {
		if last = b.get(t, platform, "/v1/clusters"); last.status == http.StatusOK {
			answered++
		}
	}
	if answered != 2*burst || last.status != http.StatusTooManyRequests || last.header.Get("Retry-After") != "1" {
		t.Errorf("%d were answered, then %d %v", answered, last.status, last.header)
	}
	last.problem(t)
	if probe := b.get(t, anonymous, "/healthz"); probe.status != http.StatusOK {
		t.Errorf("the kubelet is turned away: %d", probe.status)
	}
	mu.Lock()
	at = at.Add(time.Second)
	mu.Unlock()
	if got := b.get(t, platform, "/v1/clusters"); got.status != http.StatusOK {
		t.Errorf("got %d", got.status)
	}
}

func TestGuessingIsSlow(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Rate = 2 })
	guesses := 0
	for i := range 30 {
		if got := b.get(t, fmt.Sprint("guess-", i), "/v1/clusters"); got.status == http.StatusUnauthorized {
			guesses++
		}
	}
	if guesses > 4 {
		t.Errorf("%d guesses at once", guesses)
	}
}

func TestClientsAreToldApart(t *testing.T) {
	l := newLimiter(1, now, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	for _, test := range []struct{ from, forwarded, want string }{
		{"192.0.2.1:1234", "", "192.0.2.1"},
		{"192.0.2.1:1234", "198.51.100.7", "192.0.2.1"},
		{"10.0.0.1:1234", "198.51.100.7", "198.51.100.7"},
		{"10.0.0.1:1234", "203.0.113.9, 198.51.100.7, 10.1.1.1", "198.51.100.7"},
		{"10.0.0.1:1234", "nonsense", "10.0.0.1"},
		{"10.0.0.1:1234", "", "10.0.0.1"},
		{"[::ffff:192.0.2.1]:1", "", "192.0.2.1"},
		{"[2001:db8:1:2:3::4]:1", "", "2001:db8:1:2::/64"},
		{"[fe80::1%eth0]:1", "", "fe80::/64"},
		{"pipe", "", "unknown"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = test.from
		if test.forwarded != "" {
			r.Header.Set("X-Forwarded-For", test.forwarded)
		}
		if got := l.client(r); got != test.want {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}

func TestTheLogTellsWhoAskedAndNoSecret(t *testing.T) {
	b := newBed(t)
	b.get(t, tenant, "/v1/violations?text=what-somebody-looks-for")
	b.get(t, "secret-guess", "/v1/clusters")
	b.get(t, platform, "/v1/violations/a%0ab")
	log := b.log.String()
	if !regexp.MustCompile(`msg=request method=GET path=/v1/violations route=/v1/violations status=200 bytes=\d+ took=\S+ who=tenant way=token client=127.0.0.1 request=\w+`).MatchString(log) {
		t.Errorf("there is no line for the request:\n%s", log)
	}
	for _, secret := range []string{"token-of", "secret-guess", "what-somebody-looks-for"} {
		if strings.Contains(log, secret) {
			t.Errorf("%s is in the log:\n%s", secret, log)
		}
	}
}

func TestAPanicIsAnAnswer(t *testing.T) {
	log := &safeBuffer{}
	registered, err := newMetrics(prometheus.NewRegistry(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{logger: slog.New(slog.NewTextHandler(log, nil)), metrics: registered}
	begun := false
	server := httptest.NewServer(s.watched(newLimiter(-1, now, nil), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if begun {
			w.WriteHeader(http.StatusOK)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		}
		panic("out of luck")
	})))
	defer server.Close()
	b := &bed{url: server.URL}
	got := b.get(t, platform, "/v1/violations")
	if got.status != http.StatusInternalServerError || !strings.Contains(got.problem(t), got.header.Get("X-Request-Id")) || strings.Contains(got.body, "luck") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if !strings.Contains(log.String(), "out of luck") || !strings.Contains(log.String(), "stack=") {
		t.Error("the log does not tell what and where")
	}
	begun = true
	response, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadAll(response.Body); err == nil {
		t.Error("an answer that broke off looks whole")
	}
}

func TestFailuresAreTheHubsBusiness(t *testing.T) {
	b := newBed(t)
	b.add(t, "here", storetest.Result("r1"))
	if err := b.store.Close(); err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, anonymous, "/readyz"); got.status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d %s", got.status, got.body)
	}
	if got := b.get(t, anonymous, "/healthz"); got.status != http.StatusOK {
		t.Errorf("/healthz: %d %s", got.status, got.body)
	}
	got := b.send(t, http.MethodPost, agent, intakePath, batchJSON(past()), "Content-Type", "application/json")
	if got.status != http.StatusInternalServerError || !strings.Contains(got.problem(t), "its log says more") || strings.Contains(got.body, "sql") {
		t.Errorf("%d %s", got.status, got.body)
	}
	b.cluster.SetDown(true)
	if got := b.get(t, "another", "/v1/violations"); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || strings.Contains(got.body, "etcd") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	b := newBed(t)
	for _, test := range []struct {
		method, path string
		status       int
		allow, says  string
	}{
		{http.MethodGet, "/v2/violations", 404, "", "/docs"},
		{http.MethodPost, "/v1/violations", 405, "GET", "GET"},
		{http.MethodDelete, "/v1/violations/x", 405, "GET", "GET"},
		{http.MethodGet, intakePath, 405, "POST", "POST"},
		{http.MethodPut, sessionPath, 405, "GET, POST, DELETE", "DELETE"},
	} {
		got := b.send(t, test.method, platform, test.path, "")
		if got.status != test.status || got.header.Get("Allow") != test.allow || !strings.Contains(got.problem(t), test.says) {
			t.Errorf("%s %s: %d %v %s", test.method, test.path, got.status, got.header, got.body)
		}
	}
	if got := b.send(t, http.MethodGet, platform, "/v1/violations", "{}"); got.status != http.StatusBadRequest || !strings.Contains(got.problem(t), "body") {
		t.Errorf("a body where none is taken: %d %s", got.status, got.body)
	}
	if got := b.send(t, http.MethodPut, platform, intakePath, "{}"); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "POST" {
		t.Errorf("another method, with a body: %d %s", got.status, got.body)
	}
	if got := b.send(t, http.MethodHead, platform, "/v1/violations", ""); got.status != http.StatusOK || got.body != "" {
		t.Errorf("HEAD: %d %s", got.status, got.body)
	}
}

func TestMetricsTellHowTheHubDoes(t *testing.T) {
	b := newBed(t)
	b.seed(t)
	b.get(t, tenant, "/v1/violations")
	b.get(t, tenant, "/v1/violations/x")
	b.get(t, anonymous, "/no/such/path")
	b.send(t, http.MethodPost, agent, intakePath, batchJSON(past()), "Content-Type", "application/json")
	got := b.get(t, anonymous, "/metrics").body
	for _, want := range []string{
		`assay_hub_request_duration_seconds_count{code="200",route="/v1/violations"} 1`,
		`assay_hub_request_duration_seconds_count{code="404",route="/v1/violations/{id}"} 1`,
		`assay_hub_request_duration_seconds_count{code="404",route="none"} 1`,
		`assay_hub_results_total{outcome="added"} 1`,
		`assay_hub_kept_results 8`,
		`assay_hub_kept_violations{open="true"} 5`,
		`assay_hub_store_bytes `,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %s in:\n%s", want, got)
		}
	}
	if strings.Contains(got, foreign) {
		t.Error("metrics tell names")
	}
}

func TestThePageOfTheDocumentNeedsNothingElse(t *testing.T) {
	b := newBed(t)
	got := b.get(t, anonymous, "/docs")
	for _, want := range []string{"GET /v1/violations", "POST /v1/intake", "get-violation-history", "firstSeen", "config_ref", "lastSeen, firstSeen, severity, policy, object"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("there is no %s", want)
		}
	}
	for _, outside := range []string{"<script", "<link", "src=", "http://", "https://", "@import", "url("} {
		if strings.Contains(got.body, outside) {
			t.Errorf("it has %s", outside)
		}
	}
	anchor := regexp.MustCompile(`href="#([^"]+)"`)
	for _, match := range anchor.FindAllStringSubmatch(got.body, -1) {
		if !strings.Contains(got.body, `id="`+match[1]+`"`) {
			t.Errorf("#%s leads nowhere", match[1])
		}
	}
}

func TestWhatTakesTooLongEnds(t *testing.T) {
	b := newBed(t)
	b.seed(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/violations", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	// The right is known already: only the store has no time.
	b.get(t, platform, "/v1/clusters")
	request = request.WithContext(ctx)
	request.Header.Set("Authorization", "Bearer "+platform)
	recorder := httptest.NewRecorder()
	b.handler.ServeHTTP(recorder, request)
	if recorder.Code != http.StatusServiceUnavailable || !strings.Contains(recorder.Body.String(), "ask for less") || recorder.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", recorder.Code, recorder.Body)
	}
}

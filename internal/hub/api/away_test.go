package api

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/internal/hub/store/search"
	"github.com/assay-gitops/assay/internal/searchserver"
)

// A search server that is away takes the findings with it, and nothing else.
func TestAStoreThatIsAway(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	s, err := search.Open(t.Context(), search.Options{Server: searchserver.Options{Address: gone.URL, Username: "hub", Password: "hunter2"}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t, func(o *Options) { o.Store = s })
	for path, want := range map[string]int{
		"/v1/violations": http.StatusServiceUnavailable,
		"/v1/violations/" + strings.Repeat("0", 32): http.StatusServiceUnavailable,
		"/v1/summary":   http.StatusServiceUnavailable,
		"/v1/timeline":  http.StatusServiceUnavailable,
		"/v1/clusters":  http.StatusServiceUnavailable,
		"/v1/policies":  http.StatusOK,
		"/openapi.json": http.StatusOK,
	} {
		got := b.get(t, platform, path)
		if got.status != want {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
		if want == http.StatusServiceUnavailable && (!strings.Contains(got.problem(t), "the store of the hub is away") || got.header.Get("Retry-After") == "") {
			t.Errorf("%s: %v %s", path, got.header, got.body)
		}
	}
	for path, want := range map[string]int{"/readyz": http.StatusServiceUnavailable, "/healthz": http.StatusOK} {
		if got := b.get(t, anonymous, path); got.status != want {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	// Agents keep what they send.
	got := b.send(t, http.MethodPost, agent, intakePath, `{"version": 1, "results": [`+past()+`]}`, "Content-Type", "application/json")
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	if strings.Contains(b.log.String(), "hunter2") || !strings.Contains(b.log.String(), strings.TrimPrefix(gone.URL, "http://")) {
		t.Errorf("the log: %s", b.log.String())
	}
}

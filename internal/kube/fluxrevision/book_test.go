package fluxrevision_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/assay-gitops/assay/internal/kube/fluxrevision"
	"github.com/assay-gitops/assay/internal/kube/objects"
	"github.com/assay-gitops/assay/policy"
)

// server is an API server that streams lists and changes of Flux's objects; the end-to-end tests have a real one.
type server struct {
	mu sync.Mutex
	// missing resources answer with the code.
	missing map[string]int
	events  map[string][]string
	changed chan struct{}
	watches map[string]int
	// cut ends the watches that are open, as an API server does whose history is too short.
	cut chan struct{}
}

func (s *server) add(resource, event, object string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[resource] = append(s.events[resource], fmt.Sprintf(`{"type":%q,"object":%s}`, event, object))
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	resource := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	s.mu.Lock()
	code := s.missing[resource]
	s.watches[resource]++
	cut := s.cut
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if code != 0 {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
			"reason": map[int]string{403: "Forbidden", 404: "NotFound"}[code], "message": "no"})
		return
	}
	if r.URL.Query().Get("sendInitialEvents") != "true" {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	for n := 0; ; {
		s.mu.Lock()
		n = min(n, len(s.events[resource])) // what there was may be forgotten
		events, changed := s.events[resource][n:], s.changed
		s.mu.Unlock()
		for _, e := range events {
			fmt.Fprintln(w, e)
			n++
		}
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-cut:
			fmt.Fprintln(w, `{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","code":410,"reason":"Expired","message":"too old"}}`)
			return
		case <-r.Context().Done():
			return
		}
	}
}

const complete = `{"apiVersion":"x/v1","kind":"X","metadata":{"resourceVersion":"5","annotations":{"k8s.io/initial-events-end":"true"}}}`

func object(kind, name, rest string) string {
	return fmt.Sprintf(`{"apiVersion":"x/v1","kind":%q,"metadata":{"namespace":"shop","name":%q,"resourceVersion":"6"},%s}`, kind, name, rest)
}

func kustomization(name, status string) string {
	return object("Kustomization", name, `"status":{`+status+`}`)
}

func start(t *testing.T, s *server) (*fluxrevision.Book, *bytes.Buffer, func()) {
	t.Helper()
	s.changed, s.cut, s.watches = make(chan struct{}), make(chan struct{}), map[string]int{}
	served := httptest.NewServer(s)
	client, err := dynamic.NewForConfig(&rest.Config{Host: served.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	b := fluxrevision.New(fluxrevision.Options{
		Reader: &objects.Reader{Client: client}, Retry: 10 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	stop := sync.OnceFunc(func() { cancel(); <-done; served.Close() })
	t.Cleanup(stop)
	return b, &log, stop
}

func want(t *testing.T, b *fluxrevision.Book, kind, name string, want fluxrevision.Revisions) {
	t.Helper()
	end := time.Now().Add(time.Minute)
	for {
		got := b.Of(policy.App{Kind: kind, Namespace: "shop", Name: name})
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s %s: %+v, want %+v", kind, name, got, want)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestRevisions(t *testing.T) {
	s := &server{events: map[string][]string{}}
	b, _, _ := start(t, s)
	long := strings.Repeat("x", 600)
	s.add("kustomizations", "ADDED", kustomization("applied", `"lastAttemptedRevision":"main@sha1:a","lastAppliedRevision":"main@sha1:a"`))
	s.add("kustomizations", "ADDED", kustomization("failed", `"lastAttemptedRevision":"main@sha1:b","lastAppliedRevision":"main@sha1:a"`))
	s.add("kustomizations", "ADDED", kustomization("oci", `"lastAttemptedRevision":"latest@sha256:1","lastAppliedRevision":"latest@sha256:1","lastAppliedOriginRevision":"main@sha1:a"`))
	s.add("kustomizations", "ADDED", kustomization("newer-oci", `"lastAttemptedRevision":"latest@sha256:2","lastAppliedRevision":"latest@sha256:1","lastAppliedOriginRevision":"main@sha1:a"`))
	s.add("kustomizations", "ADDED", kustomization("no-revision", `"lastAttemptedRevision":"`+long+`","lastAppliedRevision":7`))
	s.add("kustomizations", "BOOKMARK", complete)
	history := `"history":[{"chartVersion":"6.6.0","status":"failed"},{"chartVersion":"6.5.0","status":"deployed"},{"chartVersion":"6.4.0","status":"deployed"}]`
	s.add("helmreleases", "ADDED", object("HelmRelease", "chart", `"status":{"helmChart":"shop/shop-chart","lastAttemptedRevision":"6.6.0",`+history+`}`))
	s.add("helmreleases", "ADDED", object("HelmRelease", "git", `"status":{"helmChart":"shop/shop-git","lastAttemptedRevision":"6.5.0",`+history+`}`))
	s.add("helmreleases", "ADDED", object("HelmRelease", "git-failed", `"status":{"helmChart":"shop/shop-git","lastAttemptedRevision":"6.6.0",`+history+`}`))
	s.add("helmreleases", "BOOKMARK", complete)
	s.add("helmcharts", "ADDED", object("HelmChart", "shop-chart", `"spec":{"sourceRef":{"kind":"HelmRepository"}},"status":{"observedSourceArtifactRevision":"sha256:index"}`))
	s.add("helmcharts", "ADDED", object("HelmChart", "shop-git", `"spec":{"sourceRef":{"kind":"GitRepository"}},"status":{"observedSourceArtifactRevision":"main@sha1:c"}`))
	s.add("helmcharts", "BOOKMARK", complete)
	want(t, b, "HelmRelease", "git", fluxrevision.Revisions{Attempted: "main@sha1:c", Applied: "main@sha1:c"})
	want(t, b, "HelmRelease", "git-failed", fluxrevision.Revisions{Attempted: "main@sha1:c", Applied: "6.5.0"})
	want(t, b, "HelmRelease", "chart", fluxrevision.Revisions{Attempted: "6.6.0", Applied: "6.5.0"})
	want(t, b, "Kustomization", "applied", fluxrevision.Revisions{Attempted: "main@sha1:a", Applied: "main@sha1:a"})
	want(t, b, "Kustomization", "failed", fluxrevision.Revisions{Attempted: "main@sha1:b", Applied: "main@sha1:a"})
	want(t, b, "Kustomization", "oci", fluxrevision.Revisions{Attempted: "main@sha1:a", Applied: "main@sha1:a"})
	want(t, b, "Kustomization", "newer-oci", fluxrevision.Revisions{Attempted: "latest@sha256:2", Applied: "main@sha1:a"})
	want(t, b, "Kustomization", "no-revision", fluxrevision.Revisions{})
	want(t, b, "Kustomization", "nobody-knows", fluxrevision.Revisions{})
	want(t, b, "HelmRelease", "applied", fluxrevision.Revisions{})

	s.add("kustomizations", "MODIFIED", kustomization("applied", `"lastAttemptedRevision":"main@sha1:d","lastAppliedRevision":"main@sha1:a"`))
	want(t, b, "Kustomization", "applied", fluxrevision.Revisions{Attempted: "main@sha1:d", Applied: "main@sha1:a"})
	s.add("kustomizations", "DELETED", kustomization("applied", `"lastAttemptedRevision":"main@sha1:d"`))
	want(t, b, "Kustomization", "applied", fluxrevision.Revisions{})
}

func TestWhatWentWhileNobodyWatchedIsForgotten(t *testing.T) {
	s := &server{events: map[string][]string{"kustomizations": nil, "helmreleases": nil, "helmcharts": nil}}
	b, _, _ := start(t, s)
	s.add("kustomizations", "ADDED", kustomization("old", `"lastAttemptedRevision":"main@sha1:a"`))
	s.add("kustomizations", "BOOKMARK", complete)
	want(t, b, "Kustomization", "old", fluxrevision.Revisions{Attempted: "main@sha1:a"})
	s.mu.Lock()
	s.events["kustomizations"] = nil
	close(s.cut)
	s.cut = make(chan struct{})
	s.mu.Unlock()
	s.add("kustomizations", "ADDED", kustomization("new", `"lastAttemptedRevision":"main@sha1:b"`))
	s.add("kustomizations", "BOOKMARK", complete)
	want(t, b, "Kustomization", "new", fluxrevision.Revisions{Attempted: "main@sha1:b"})
	want(t, b, "Kustomization", "old", fluxrevision.Revisions{})
}

func TestFluxMayComeLaterAndMayBeForbidden(t *testing.T) {
	s := &server{events: map[string][]string{}, missing: map[string]int{"kustomizations": 404, "helmreleases": 403, "helmcharts": 404}}
	b, log, stop := start(t, s)
	for tried := false; !tried; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		tried = s.watches["kustomizations"] > 3 && s.watches["helmreleases"] > 6
		s.mu.Unlock()
	}
	s.mu.Lock()
	delete(s.missing, "kustomizations")
	s.mu.Unlock()
	s.add("kustomizations", "ADDED", kustomization("late", `"lastAttemptedRevision":"main@sha1:a"`))
	s.add("kustomizations", "BOOKMARK", complete)
	want(t, b, "Kustomization", "late", fluxrevision.Revisions{Attempted: "main@sha1:a"})
	stop()
	if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "helmreleases.helm.toolkit.fluxcd.io") {
		t.Errorf("%d warnings: %s", n, log)
	}
}

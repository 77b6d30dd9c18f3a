package api

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	healthPath  = "/healthz"
	readyPath   = "/readyz"
	metricsPath = "/metrics"
	anything    = "/"

	// readyTimeout bounds one look at the store, readyFor is how long it counts: strangers may ask.
	readyTimeout = 2 * time.Second
	readyFor     = time.Second
)

// registerProbes serves what is for the kubelet and Prometheus, who do not say who they are: nothing of it names an object or a user.
func (s *service) registerProbes(mux *http.ServeMux, registry *prometheus.Registry) {
	plain := func(w http.ResponseWriter, status int, text string) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		// Who does not take the answer has gone.
		_, _ = w.Write([]byte(text + "\n"))
	}
	mux.HandleFunc("GET "+healthPath, func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	var (
		mu    sync.Mutex
		at    time.Time
		fault error
	)
	mux.HandleFunc("GET "+readyPath, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(at) > readyFor {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), readyTimeout)
			defer cancel()
			_, err := s.store.Clusters(ctx)
			if err != nil && fault == nil {
				s.logger.ErrorContext(ctx, "the hub is not ready: its store does not answer", "error", err)
			}
			at, fault = time.Now(), err
		}
		if fault != nil {
			plain(w, http.StatusServiceUnavailable, "the store does not answer; the hub's log says why")
			return
		}
		plain(w, http.StatusOK, "ok")
	})
	mux.Handle("GET "+metricsPath, promhttp.HandlerFor(registry, promhttp.HandlerOpts{Timeout: 2 * statsTimeout, DisableCompression: true}))
}

// registerNothing answers what is asked for and is not there.
func registerNothing(mux *http.ServeMux) {
	mux.HandleFunc(anything, func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != anything && pattern != "" {
				allowed = append(allowed, method)
			}
		}
		if allowed != nil {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			writeProblem(w, http.StatusMethodNotAllowed, "this is for "+strings.Join(allowed, ", "))
			return
		}
		writeProblem(w, http.StatusNotFound, "there is nothing here: "+docsPath+" says what there is")
	})
}

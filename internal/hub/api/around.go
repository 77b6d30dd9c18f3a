package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/assay-gitops/assay/internal/hub/state"
	"github.com/assay-gitops/assay/internal/words"
)

const (
	// minCompressed is what fits into one packet anyway.
	minCompressed = 1400
	// writeTimeout is how long a client may take to read an answer, or a part of an export.
	writeTimeout = time.Minute
)

// notes are what the log wants to know of a request and only those further inside find out.
type notes struct {
	id, who, way, route string
	// script is that a program in a browser asks, which would have the browser ask for a password if it were told that one is taken.
	script bool
}

func note(ctx context.Context) *notes {
	if n, ok := ctx.Value(noteKey).(*notes); ok {
		return n
	}
	return &notes{}
}

func requestID(ctx context.Context) string { return note(ctx).id }

// around puts around the operations what all of them need; what is named first is outermost.
func (s *service) around(mux *http.ServeMux) (http.Handler, error) {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := note(r.Context())
		// The pattern is known when the operation is over, also when it did not end well.
		defer func() { n.route = r.Pattern }()
		mux.ServeHTTP(w, r)
	})
	// A zstd answer would be smaller still; browsers that matter take it, and so do few tools.
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(minCompressed), gzhttp.EnableZstd(false))
	if err != nil {
		return nil, fmt.Errorf("making the compression of answers: %w", err)
	}
	whole := compress(revalidated(bounded(inner)))
	return s.watched(s.limiter, secured(s.limiter.limited(s.sameOrigin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == changesPath {
			// Events are not to wait for enough of them to be compressed.
			bounded(inner).ServeHTTP(w, r)
			return
		}
		whole.ServeHTTP(w, r)
	}))))), nil
}

// watched logs and counts requests, and turns a panic into an answer.
func (s *service) watched(limiter *limiter, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		n := &notes{id: rand.Text(), script: r.Header.Get("Sec-Fetch-Dest") == "empty"}
		w.Header().Set("X-Request-Id", n.id)
		seen := &seenWriter{ResponseWriter: w}
		r = r.WithContext(context.WithValue(r.Context(), noteKey, n))
		defer func() {
			fault := recover()
			if fault != nil && fault != http.ErrAbortHandler {
				s.logger.ErrorContext(r.Context(), "a request failed", "error", fmt.Sprint(fault), "stack", string(debug.Stack()), "request", n.id)
				if seen.status == 0 {
					writeProblem(seen, http.StatusInternalServerError, "the hub failed; its log says more about request "+n.id)
					fault = nil
				} else {
					fault = http.ErrAbortHandler
				}
			}
			s.told(r, n, seen, time.Since(began), limiter)
			if fault != nil {
				// The client must not take what it has for all there is.
				panic(fault)
			}
		}()
		next.ServeHTTP(seen, r)
	})
}

func (s *service) told(r *http.Request, n *notes, seen *seenWriter, took time.Duration, limiter *limiter) {
	status := seen.status
	if status == 0 {
		status = http.StatusOK
	}
	_, route, _ := strings.Cut(n.route, " ")
	if route == "" || n.route == anything {
		route = "none"
	}
	s.metrics.requests.WithLabelValues(route, fmt.Sprint(status)).Observe(took.Seconds())
	if status == http.StatusUnauthorized {
		limiter.punish(r)
	}
	level := slog.LevelInfo
	if !strings.HasPrefix(route, "/v1/") && !strings.HasPrefix(route, "/auth/") && status < http.StatusInternalServerError {
		level = slog.LevelDebug
	}
	// No query: what somebody looks for is not the log's business. No header: tokens are there.
	s.logger.Log(r.Context(), level, "request", "method", words.OneLine(r.Method, 16), "path", words.OneLine(r.URL.Path, 200), "route", route,
		"status", status, "bytes", seen.bytes, "took", took, "who", words.OneLine(n.who, 200), "way", n.way, "client", limiter.client(r), "request", n.id)
}

// sameOrigin refuses what changes something or begins a session when a page of another site has the browser ask, with the cookies or the
// password that it has for the hub. What is no browser says nothing of where it comes from, and passes.
func (s *service) sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.origins.Check(r); err != nil {
			s.logger.WarnContext(r.Context(), "a page of another site had a browser ask", "origin", words.OneLine(r.Header.Get("Origin"), 200), "error", err, "request", requestID(r.Context()))
			w.Header().Set("Connection", "close")
			writeProblem(w, http.StatusForbidden, "this was asked by a page of another site")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// seenWriter knows what was answered.
type seenWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader notes the status.
func (w *seenWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *seenWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Flush is for exports and streams.
func (w *seenWriter) Flush() {
	if flusher, ok := w.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}

// Unwrap is for http.ResponseController.
func (w *seenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// secured says to browsers what answers are: data of this reader, and nothing to run.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		header.Set("Cache-Control", "no-store")
		if r.TLS != nil {
			header.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// bounded ends what takes too long. An export, a stream of changes and what agents send have times of their own.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		// A recorder of tests has no deadlines; the server does.
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
		taking := []string{intakePath, state.Path, oldPath, impactPath, sessionPath}
		if (r.Method != http.MethodPost || !slices.Contains(taking, r.URL.Path)) && r.ContentLength != 0 {
			// Nobody reads it.
			w.Header().Set("Connection", "close")
			if slices.Contains(taking, r.URL.Path) {
				// Another method is the first thing that is wrong with it.
				next.ServeHTTP(w, r)
				return
			}
			writeProblem(w, http.StatusBadRequest, "this request has a body, and only POST of "+strings.Join(taking, ", ")+" takes one")
			return
		}
		if r.URL.Path != exportPath && r.URL.Path != changesPath {
			ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
			defer cancel()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

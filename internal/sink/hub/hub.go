// Package hub is the sink that sends results to Assay's hub.
//
// A request is a POST to /v1/intake of {"version": 1, "results": […]}, compressed with zstd, each element a sink.Result, with a
// bearer token that tells the hub which cluster they are of. In all else it is like a webhook: see package webhook.
package hub

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/assay-gitops/assay/internal/sink/webhook"
)

// Options of the sink. URL and TokenFile are required.
type Options struct {
	// URL of the hub, http or https, without a path.
	URL string
	// TokenFile holds the token. It is read for every request, since such tokens are exchanged all the time.
	TokenFile string
	// Client to send with; it must not follow redirects. The default one is that of package webhook.
	Client *http.Client
	// UserAgent, such as assay/1.0.
	UserAgent string
}

// New checks the options. It does not speak to the hub.
func New(o Options) (*webhook.Sink, error) {
	encoder, err := newEncoder()
	if err != nil {
		return nil, err
	}
	return webhook.New(webhook.Options{
		URL: strings.TrimSuffix(o.URL, "/") + "/v1/intake", Name: "the hub", Client: o.Client, UserAgent: o.UserAgent,
		Header: func() (http.Header, error) { return token(o.TokenFile) },
		Encode: func(results [][]byte) ([]byte, http.Header, error) {
			body := slices.Concat([]byte(`{"version":1,"results":[`), bytes.Join(results, []byte(",")), []byte("]}"))
			return encoder.EncodeAll(body, nil), http.Header{"Content-Encoding": {"zstd"}}, nil
		},
	})
}

func newEncoder() (*zstd.Encoder, error) {
	// One goroutine, and small windows: results are small, and the agent's memory is not its own.
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("setting up compression: %w", err)
	}
	return encoder, nil
}

func token(path string) (http.Header, error) {
	content, err := os.ReadFile(path) //nolint:gosec // the file that the configuration names
	if err != nil {
		return nil, fmt.Errorf("reading the token: %w", err)
	}
	text := string(bytes.TrimSpace(content))
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the file of the token holds none") // and what it holds may be secret
	}
	return http.Header{"Authorization": {"Bearer " + text}}, nil
}

package provider

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"
)

const (
	// askTimeout bounds one question to the provider, maxAnswer its answer.
	askTimeout = 10 * time.Second
	maxAnswer  = 1 << 20
)

func newClient(authorities string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if authorities != "" {
		content, err := os.ReadFile(authorities)
		if err != nil {
			return nil, fmt.Errorf("reading the authorities of the provider: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("reading the authorities of the provider: %s has no certificate in PEM", authorities)
		}
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	return &http.Client{
		Timeout:   askTimeout,
		Transport: boundedAnswers{transport},
		CheckRedirect: func(r *http.Request, before []*http.Request) error {
			if len(before) > 5 || !private(r.URL) {
				return errors.New("the provider leads elsewhere too often, or to a URL that does not begin with https://")
			}
			return nil
		},
	}, nil
}

// boundedAnswers ends answers that are too long with an error.
type boundedAnswers struct{ http.RoundTripper }

// RoundTrip asks.
func (b boundedAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = http.MaxBytesReader(nil, response.Body, maxAnswer)
	}
	return response, err //nolint:wrapcheck // a transport's errors are the client's
}

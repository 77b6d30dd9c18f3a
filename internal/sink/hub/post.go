package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/assay-gitops/assay/internal/sink/webhook"
)

// Client sends the hub what is no result. It is safe for concurrent use.
type Client struct {
	o       Options
	host    string
	encoder *zstd.Encoder
}

// NewClient checks the options. It does not speak to the hub.
func NewClient(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the hub's URL must begin with https:// or http:// and name a host") // it may have a password in it
	}
	if o.Client == nil {
		o.Client = webhook.Client()
	}
	encoder, err := newEncoder()
	if err != nil {
		return nil, err
	}
	return &Client{o: o, host: u.Host, encoder: encoder}, nil
}

// StatusError is an answer that is no success.
type StatusError struct {
	Status int
	said   string
}

// Error has the beginning of what the hub said.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%d %s: %q", e.Status, http.StatusText(e.Status), e.said)
}

// Post sends a value as compressed JSON to a path of the hub. The answer of a hub that does not take it is a *StatusError.
func (c *Client) Post(ctx context.Context, path string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding for the hub at %s: %w", c.host, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.o.URL, "/")+path, bytes.NewReader(c.encoder.EncodeAll(body, nil)))
	if err != nil {
		return fmt.Errorf("making a request for the hub at %s failed", c.host)
	}
	if request.Header, err = token(c.o.TokenFile); err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Content-Encoding", "zstd")
	if c.o.UserAgent != "" {
		request.Header.Set("User-Agent", c.o.UserAgent)
	}
	response, err := c.o.Client.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return fmt.Errorf("sending to the hub at %s: %w", c.host, err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("the hub at %s answered %w", c.host, &StatusError{response.StatusCode, string(said[:min(len(said), 200)])})
	}
	if err != nil {
		return fmt.Errorf("reading the answer of the hub at %s: %w", c.host, err)
	}
	return nil
}

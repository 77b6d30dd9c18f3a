package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/sink"
)

// Options of the sink. URL is required.
type Options struct {
	// URL to send to, http or https, without user and password.
	URL string
	// Secrets sign the requests, each by itself, so that they can be exchanged one after the other. It is asked for every
	// request. Nil leaves requests unsigned.
	Secrets func() ([][]byte, error)
	// Header is sent as well, such as Authorization. It is asked for every request.
	Header func() (http.Header, error)
	// Encode makes the body of a request, with the headers that say how, of the JSON of results; {"results": […]} when nil.
	Encode func(results [][]byte) ([]byte, http.Header, error)
	// Name is what errors call the server; the webhook when empty.
	Name string
	// Client to send with; it must not follow redirects. The default one has no timeout of its own, as the runner has one.
	Client *http.Client
	// UserAgent, such as assay/1.0.
	UserAgent string
}

// Secret reads a secret as Standard Webhooks writes it, whsec_ and base64, and takes any other text as it is.
func Secret(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	encoded, found := strings.CutPrefix(text, "whsec_")
	if !found {
		if text == "" {
			return nil, errors.New("the webhook's secret is empty")
		}
		return []byte(text), nil
	}
	secret, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(secret) == 0 {
		return nil, errors.New("the webhook's secret begins with whsec_, and what follows is not base64") // not what it is
	}
	return secret, nil
}

// Sink sends to a server.
type Sink struct {
	o    Options
	host string
}

// Client is one that follows no redirects: where results go is said by the configuration alone.
func Client() *http.Client {
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// New checks the options. It does not speak to the server.
func New(o Options) (*Sink, error) {
	if o.Name == "" {
		o.Name = "the webhook"
	}
	if o.Encode == nil {
		o.Encode = plain
	}
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("%s's URL cannot be read", o.Name) // it may have a password in it, and so has the error
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s's URL must begin with https:// or http:// and name a host", o.Name)
	}
	if u.User != nil {
		return nil, fmt.Errorf("%s's URL must not have a user and a password; give a header", o.Name)
	}
	if o.Client == nil {
		o.Client = Client()
	}
	return &Sink{o, u.Host}, nil
}

// Send posts the items in one request, or in more when some are refused.
func (s *Sink) Send(ctx context.Context, items []sink.Item) []sink.Outcome {
	if len(items) == 0 {
		return nil
	}
	o := s.post(ctx, items)
	if o.State != sink.Refused || len(items) == 1 {
		return sink.Same(items, o)
	}
	half := len(items) / 2
	first := s.Send(ctx, items[:half])
	if after := first[len(first)-1]; after.State == sink.Retry {
		// The server has other sorrows now.
		return append(first, sink.Same(items[half:], after)...)
	}
	return append(first, s.Send(ctx, items[half:])...)
}

// post sends one request and says what came of all its items.
func (s *Sink) post(ctx context.Context, items []sink.Item) sink.Outcome {
	request, err := s.request(ctx, items, time.Now())
	if err != nil {
		return sink.Outcome{State: sink.Retry, Err: err}
	}
	response, err := s.o.Client.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // its text has the whole URL, whose path may be a secret
		}
		return sink.Outcome{State: sink.Retry, Err: fmt.Errorf("sending to %s at %s: %w", s.o.Name, s.host, err)}
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if response.StatusCode/100 == 2 {
		if err != nil {
			return sink.Outcome{State: sink.Retry, Err: fmt.Errorf("reading the answer of %s at %s: %w", s.o.Name, s.host, err)}
		}
		return sink.Outcome{State: sink.Delivered}
	}
	o := sink.Outcome{
		State: sink.Retry,
		Err:   fmt.Errorf("%s at %s answered %s: %q", s.o.Name, s.host, response.Status, said[:min(len(said), 200)]),
		After: sink.RetryAfter(response.Header.Get("Retry-After"), time.Now()),
	}
	switch response.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		o.State = sink.Refused
	}
	return o
}

func (s *Sink) request(ctx context.Context, items []sink.Item, now time.Time) (*http.Request, error) {
	results := make([][]byte, len(items))
	id := sha256.New()
	for i, item := range items {
		results[i] = item.Raw
		id.Write([]byte(item.ID + "\n"))
	}
	body, encoding, err := s.o.Encode(results)
	if err != nil {
		return nil, fmt.Errorf("encoding results for %s at %s: %w", s.o.Name, s.host, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.URL, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making a request for %s at %s failed", s.o.Name, s.host)
	}
	if s.o.Header != nil {
		header, err := s.o.Header()
		if err != nil {
			return nil, fmt.Errorf("reading the headers for %s at %s: %w", s.o.Name, s.host, err)
		}
		request.Header = header.Clone()
	}
	request.Header.Set("Content-Type", "application/json")
	for name, values := range encoding {
		request.Header[name] = values
	}
	if s.o.UserAgent != "" {
		request.Header.Set("User-Agent", s.o.UserAgent)
	}
	// The same results have the same id, whenever they are sent.
	messageID := "msg_" + base64.RawURLEncoding.EncodeToString(id.Sum(nil)[:16])
	timestamp := strconv.FormatInt(now.Unix(), 10)
	request.Header.Set("webhook-id", messageID)
	request.Header.Set("webhook-timestamp", timestamp)
	if s.o.Secrets == nil {
		return request, nil
	}
	secrets, err := s.o.Secrets()
	if err == nil && len(secrets) == 0 {
		err = errors.New("there is none")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the secret of %s at %s: %w", s.o.Name, s.host, err)
	}
	var signatures []string
	for _, secret := range secrets {
		signatures = append(signatures, sign(secret, messageID, timestamp, body))
	}
	request.Header.Set("webhook-signature", strings.Join(signatures, " "))
	return request, nil
}

func plain(results [][]byte) ([]byte, http.Header, error) {
	return slices.Concat([]byte(`{"results":[`), bytes.Join(results, []byte(",")), []byte("]}")), nil, nil
}

func sign(secret []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

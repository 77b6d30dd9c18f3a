package flux

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/assay-gitops/assay/internal/sink"
)

// Options of the sink. Address is required.
type Options struct {
	// Address of notification-controller, http or https, without user and password, such as
	// http://notification-controller.flux-system.svc.cluster.local./
	Address string
	// Instance is the name of this process, such as its pod's.
	Instance string
	// Timeout of one event; 15 s, as long as the controller itself takes at most.
	Timeout time.Duration
	// Client to send with; it must not follow redirects.
	Client *http.Client
	// UserAgent, such as assay/1.0.
	UserAgent string
}

// Sink sends to notification-controller.
type Sink struct {
	o    Options
	host string
}

// New checks the options. It does not speak to the controller.
func New(o Options) (*Sink, error) {
	u, err := url.Parse(o.Address)
	if err != nil {
		return nil, errors.New("the address of notification-controller cannot be read as a URL") // it may have a password in it, and so has the error
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the address of notification-controller must begin with http:// or https:// and name a host")
	}
	if u.User != nil {
		return nil, errors.New("the address of notification-controller must not have a user and a password; it asks for none")
	}
	if o.Timeout < 0 {
		return nil, fmt.Errorf("the timeout of an event for notification-controller is %s, which is negative", o.Timeout)
	}
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}
	if o.Client == nil {
		o.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Sink{o, u.Host}, nil
}

// patience is after how many failures in a row the controller is left alone. More than one, so that an event that fails by itself
// does not hold up those after it.
const patience = 3

// Send posts the items one after the other.
func (s *Sink) Send(ctx context.Context, items []sink.Item) []sink.Outcome {
	outcomes := make([]sink.Outcome, len(items))
	failures := 0
	var last error
	for i, item := range items {
		switch {
		case item.Result.App == nil:
			outcomes[i].State = sink.Useless
			continue
		case failures == patience || failures > 0 && ctx.Err() != nil:
			outcomes[i] = sink.Outcome{State: sink.Untried, Err: last}
			continue
		}
		outcomes[i] = s.post(ctx, item.Result)
		if outcomes[i].State == sink.Retry {
			failures, last = failures+1, outcomes[i].Err
		} else {
			failures = 0
		}
	}
	return outcomes
}

// post sends one event.
func (s *Sink) post(ctx context.Context, result *sink.Result) sink.Outcome {
	body, err := json.Marshal(event(result, s.o.Instance))
	if err != nil {
		return sink.Outcome{State: sink.Refused, Err: fmt.Errorf("encoding the event for notification-controller: %w", err)}
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.Address, bytes.NewReader(body))
	if err != nil {
		return sink.Outcome{State: sink.Retry, Err: fmt.Errorf("making a request for notification-controller at %s failed", s.host)}
	}
	request.Header.Set("Content-Type", "application/json")
	if s.o.UserAgent != "" {
		request.Header.Set("User-Agent", s.o.UserAgent)
	}
	response, err := s.o.Client.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // its text has the whole URL
		}
		return sink.Outcome{State: sink.Retry, Err: fmt.Errorf("sending to notification-controller at %s: %w", s.host, err)}
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	switch {
	case response.StatusCode/100 == 2 && err == nil, merged(response):
		return sink.Outcome{State: sink.Delivered}
	case response.StatusCode/100 == 2:
		return sink.Outcome{State: sink.Retry, Err: fmt.Errorf("reading the answer of notification-controller at %s: %w", s.host, err)}
	}
	o := sink.Outcome{
		State: sink.Retry,
		Err:   fmt.Errorf("notification-controller at %s answered %s: %q", s.host, response.Status, said[:min(len(said), 200)]),
		After: sink.RetryAfter(response.Header.Get("Retry-After"), time.Now()),
	}
	switch response.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		o.State = sink.Refused
	}
	return o
}

// merged tells the controller's answer to an event that it had already from that of something on the way that is too busy. The
// controller's limiter allows one event by token and interval and says so.
func merged(r *http.Response) bool {
	return r.StatusCode == http.StatusTooManyRequests && r.Header.Get("X-RateLimit-Limit") == "1" && r.Header.Get("X-RateLimit-Remaining") == "0"
}

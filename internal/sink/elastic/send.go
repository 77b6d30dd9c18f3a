package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/searchserver"
	"github.com/assay-gitops/assay/internal/sink"
)

// Send writes the items in one request, or in more when it is too large for the server. Before the first it prepares the
// index.
func (s *Sink) Send(ctx context.Context, items []sink.Item) []sink.Outcome {
	if len(items) == 0 {
		return nil
	}
	if err := s.prepareOnce(ctx); err != nil {
		return sink.Same(items, sink.Outcome{State: sink.Retry, Err: fmt.Errorf("preparing the index %s: %w", s.o.Index, err)})
	}
	return s.bulk(ctx, items)
}

func (s *Sink) prepareOnce(ctx context.Context) error {
	s.mu.Lock()
	ready := s.ready || s.o.NoTemplate
	s.mu.Unlock()
	if ready {
		return nil
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	s.setReady(true)
	return nil
}

func (s *Sink) setReady(ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = ready
}

// target is the line before a document.
type target struct {
	Index string `json:"_index"`
	ID    string `json:"_id"`
	// Version and VersionType let an older result, tried again, not replace a newer one.
	Version     int64  `json:"version,omitempty"`
	VersionType string `json:"version_type,omitempty"`
}

func (s *Sink) body(items []sink.Item) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	for _, item := range items {
		v := &item.Result.Validation
		action := map[string]target{"create": {Index: s.index(v.CreatedAt), ID: item.ID}}
		if s.o.Mode == Upsert {
			action = map[string]target{"index": {s.index(v.CreatedAt), upsertID(v), max(v.CreatedAt.UnixNano(), 1), "external_gte"}}
		}
		if err := errors.Join(encoder.Encode(action), encoder.Encode(documentOf(item.Result))); err != nil {
			return nil, fmt.Errorf("encoding the result %s: %w", item.ID, err)
		}
	}
	return body.Bytes(), nil
}

// bulkItem is what came of one document; the name of its only field is the action.
type bulkItem map[string]struct {
	Status int                  `json:"status"`
	Error  searchserver.Failure `json:"error"`
}

// bulk sends one request, and its halves when the server does not take it as a whole.
func (s *Sink) bulk(ctx context.Context, items []sink.Item) []sink.Outcome {
	body, err := s.body(items)
	if err != nil {
		return sink.Same(items, sink.Outcome{State: sink.Retry, Err: err})
	}
	var result struct {
		Items []bulkItem `json:"items"`
	}
	got, err := s.server.Call(ctx, http.MethodPost, "/_bulk?filter_path=items.*.status,items.*.error", body, &result)
	switch {
	case got.Status == http.StatusRequestEntityTooLarge, got.Status == http.StatusBadRequest && got.ErrorType != "": // not of who knows what server
		return s.halves(ctx, items, err)
	case err != nil:
		return sink.Same(items, sink.Outcome{State: sink.Retry, Err: err, After: sink.RetryAfter(got.RetryAfter, time.Now())})
	case len(result.Items) != len(items):
		err := fmt.Errorf("the search server at %s answered for %d of %d results; is the address right?", s.server.Host(), len(result.Items), len(items))
		return sink.Same(items, sink.Outcome{State: sink.Retry, Err: err})
	}
	outcomes := make([]sink.Outcome, len(items))
	for i, item := range result.Items {
		if len(item) != 1 {
			outcomes[i] = sink.Outcome{State: sink.Retry, Err: fmt.Errorf("the search server at %s did not say what came of it", s.server.Host())}
		}
		for _, done := range item {
			outcomes[i] = s.outcome(done.Status, &done.Error)
		}
	}
	return outcomes
}

// halves finds the documents that keep the server from taking the others.
func (s *Sink) halves(ctx context.Context, items []sink.Item, why error) []sink.Outcome {
	if len(items) == 1 {
		return []sink.Outcome{{State: sink.Refused, Err: why}}
	}
	half := len(items) / 2
	first := s.bulk(ctx, items[:half])
	if last := first[len(first)-1]; last.State == sink.Retry || last.State == sink.Untried || ctx.Err() != nil {
		// The server has other sorrows now.
		return append(first, sink.Same(items[half:], sink.Outcome{State: sink.Untried, Err: why, After: last.After})...)
	}
	return append(first, s.bulk(ctx, items[half:])...)
}

// outcome of one document.
func (s *Sink) outcome(status int, failed *searchserver.Failure) sink.Outcome {
	switch {
	case status/100 == 2:
		return sink.Outcome{State: sink.Delivered}
	case status == http.StatusConflict:
		// It is there since an earlier attempt, or a newer one is.
		return sink.Outcome{State: sink.Delivered}
	}
	o := sink.Outcome{State: sink.Retry, Err: fmt.Errorf("the search server at %s answered %d for it: %s", s.server.Host(), status, searchserver.Brief(failed.String()))}
	switch {
	case status == http.StatusNotFound:
		s.setReady(false) // the index is gone
	case status == http.StatusBadRequest && !concernsAll(failed):
		o.State = sink.Refused
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		o.After = time.Second
	}
	return o
}

// concernsAll tells whether the server refuses a document for what is not its own fault.
func concernsAll(failed *searchserver.Failure) bool {
	if failed.Type == "invalid_index_name_exception" || failed.Type == "index_closed_exception" {
		return true
	}
	for _, text := range []string{"no write index", "data stream", "pipeline", "cluster currently has", "maximum shards"} {
		if strings.Contains(failed.Reason, text) {
			return true
		}
	}
	return false
}

package search

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/assay-gitops/assay/internal/searchserver"
	"github.com/assay-gitops/assay/internal/sink"
)

const (
	// attempts at what a server that is busy refuses, and how long to wait before the second one. Each wait is twice the one before.
	attempts   = 5
	firstPause = 50 * time.Millisecond
	maxPause   = 5 * time.Second
	// maxBulk is how long a request is, in bytes, unless it is of one document: what the smallest servers take (http.max_content_length) is 10 MiB.
	maxBulk = 5 << 20
)

// pause waits before another attempt; false when the context ends first, which is when there is no time for it either.
func pause(ctx context.Context, attempt int, least time.Duration) bool {
	wait := min(max(firstPause<<attempt, least), maxPause)
	wait += rand.N(wait/4 + 1) //nolint:gosec // so that hubs do not come together
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// busy are answers that another attempt may make better.
func busy(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// call sends what is encoded as JSON, or bytes as they are. Everything that is sent here can be sent twice.
func (s *Store) call(ctx context.Context, method, path string, body, result any) (searchserver.Answer, error) {
	var content []byte
	switch body := body.(type) {
	case nil:
	case []byte:
		content = body
	default:
		var err error
		if content, err = json.Marshal(body); err != nil {
			return searchserver.Answer{}, fmt.Errorf("encoding a request: %w", err)
		}
	}
	for attempt := 0; ; attempt++ {
		answer, err := s.server.Call(ctx, method, path, content, result)
		switch {
		case err == nil:
			return answer, nil
		case ctx.Err() != nil:
			return answer, fmt.Errorf("asking the search server: %w", ctx.Err())
		case busy(answer.Status):
			if attempt+1 < attempts && pause(ctx, attempt, sink.RetryAfter(answer.RetryAfter, time.Now())) {
				continue
			}
			return answer, unavailable(err)
		case answer.Status == 0:
			return answer, unavailable(err)
		case answer.Status == http.StatusNotFound && answer.ErrorType == "index_not_found_exception":
			s.gone()
			return answer, unavailable(err)
		}
		return answer, err //nolint:wrapcheck // it says what was asked
	}
}

// hit is a document that was found.
type hit struct {
	ID          string          `json:"_id"`
	Found       bool            `json:"found"`
	SeqNo       int64           `json:"_seq_no"`
	PrimaryTerm int64           `json:"_primary_term"`
	Source      json.RawMessage `json:"_source"`
	Sort        []any           `json:"sort"`
}

type found struct {
	TimedOut bool `json:"timed_out"`
	Hits     struct {
		Hits []hit `json:"hits"`
	} `json:"hits"`
	Aggregations map[string]aggregation `json:"aggregations"`
}

type aggregation struct {
	Buckets []struct {
		Key   json.RawMessage `json:"key"`
		Count int             `json:"doc_count"`
	} `json:"buckets"`
}

var errTimedOut = errors.New("the search server did not look at everything in time")

// search answers with all or nothing.
func (s *Store) search(ctx context.Context, x *index, body object) (*found, error) {
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	if err := s.refresh(ctx, x); err != nil {
		return nil, err
	}
	body["track_total_hits"] = false
	var f found
	if _, err := s.call(ctx, http.MethodPost, "/"+x.name+"/_search?allow_partial_search_results=false", body, &f); err != nil {
		return nil, err
	}
	if f.TimedOut {
		return nil, unavailable(errTimedOut)
	}
	return &f, nil
}

// each goes through all documents that a query finds, in pages of a size, by fields of which the last is different in each. What comes or
// goes meanwhile may be left out.
func (s *Store) each(ctx context.Context, x *index, body object, size int, do func([]hit) error) error {
	body["size"] = size
	for {
		page, err := s.search(ctx, x, body)
		if err != nil {
			return err
		}
		hits := page.Hits.Hits
		if len(hits) > 0 {
			if err := do(hits); err != nil {
				return err
			}
		}
		if len(hits) < size {
			return nil
		}
		body["search_after"] = hits[len(hits)-1].Sort
	}
}

// count documents that a query finds.
func (s *Store) count(ctx context.Context, x *index, query object) (int, error) {
	if err := s.refresh(ctx, x); err != nil {
		return 0, err
	}
	var counted struct {
		Count int `json:"count"`
	}
	_, err := s.call(ctx, http.MethodPost, "/"+x.name+"/_count", object{"query": query}, &counted)
	return counted.Count, err
}

// maxGet is how many documents are read at a time.
const maxGet = 500

// get reads documents as they are now, by their ids; fields is what is read of each. Those that are not there are left out.
func (s *Store) get(ctx context.Context, x *index, ids []string, fields ...string) (map[string]*hit, error) {
	documents := make(map[string]*hit, len(ids))
	for len(ids) > 0 {
		part := ids[:min(maxGet, len(ids))]
		ids = ids[len(part):]
		path := "/" + x.name + "/_mget?_source=false"
		for i, field := range fields {
			if i == 0 {
				path = "/" + x.name + "/_mget?_source_includes="
			} else {
				path += ","
			}
			path += field
		}
		var got struct {
			Docs []hit `json:"docs"`
		}
		if _, err := s.call(ctx, http.MethodPost, path, object{"ids": part}, &got); err != nil {
			return nil, err
		}
		for i := range got.Docs {
			if d := &got.Docs[i]; d.Found {
				documents[d.ID] = d
			}
		}
	}
	return documents, nil
}

// operation of a bulk request.
type operation struct {
	// action is create, index, update or delete.
	action string
	index  *index
	id     string
	// seen is the document as it was read, which must not have changed; nil for no matter.
	seen *hit
	// retries is how often the server tries an update again that met another.
	retries int
	// body is nil for delete.
	body any
}

type target struct {
	Index       string `json:"_index"`
	ID          string `json:"_id"`
	SeqNo       *int64 `json:"if_seq_no,omitempty"`
	PrimaryTerm *int64 `json:"if_primary_term,omitempty"`
	Retries     int    `json:"retry_on_conflict,omitempty"`
}

// outcome of an operation.
type outcome struct {
	Status int                  `json:"status"`
	Error  searchserver.Failure `json:"error"`
}

func (o *outcome) done() bool     { return o.Status/100 == 2 }
func (o *outcome) conflict() bool { return o.Status == http.StatusConflict }
func (o *outcome) missing() bool  { return o.Status == http.StatusNotFound }

// bulk does operations in as many requests as their length needs, and tells what came of each, in their order. What is refused because the
// server is busy is tried again. An outcome is done, a conflict, or missing; everything else is an error.
func (s *Store) bulk(ctx context.Context, operations []operation) ([]outcome, error) {
	outcomes := make([]outcome, len(operations))
	var body bytes.Buffer
	var places []int
	send := func() error {
		if len(places) == 0 {
			return nil
		}
		err := s.sendBulk(ctx, operations, body.Bytes(), places, outcomes)
		body.Reset()
		places = places[:0]
		return err
	}
	for i := range operations {
		line, err := operations[i].lines()
		if err != nil {
			return nil, err
		}
		if body.Len()+len(line) > maxBulk {
			if err := send(); err != nil {
				return nil, err
			}
		}
		body.Write(line)
		places = append(places, i)
	}
	return outcomes, send()
}

func (o *operation) lines() ([]byte, error) {
	t := target{Index: o.index.name, ID: o.id, Retries: o.retries}
	if o.seen != nil {
		t.SeqNo, t.PrimaryTerm = &o.seen.SeqNo, &o.seen.PrimaryTerm
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(map[string]target{o.action: t})
	if err == nil && o.body != nil {
		err = encoder.Encode(o.body)
	}
	if err != nil {
		return nil, fmt.Errorf("encoding the document %s: %w", o.id, err)
	}
	return lines.Bytes(), nil
}

func (s *Store) sendBulk(ctx context.Context, operations []operation, body []byte, places []int, outcomes []outcome) error {
	for attempt := 0; ; attempt++ {
		var result struct {
			Items []map[string]outcome `json:"items"`
		}
		// An index that is gone is not made anew without its mappings, as nothing else has the alias.
		_, err := s.call(ctx, http.MethodPost, "/_bulk?require_alias=true&filter_path=items.*.status,items.*.error", body, &result)
		for _, i := range places {
			operations[i].index.wrote() // perhaps, when there was no answer
		}
		if err != nil {
			return err
		}
		if len(result.Items) != len(places) {
			return unavailable(fmt.Errorf("the search server at %s answered for %d of %d documents; is the address right?", s.server.Host(), len(result.Items), len(places)))
		}
		var again []int
		var refused *outcome
		for n, item := range result.Items {
			i := places[n]
			for _, o := range item {
				outcomes[i] = o
			}
			switch o := &outcomes[i]; {
			case o.done() || o.conflict() || o.missing() && o.Error.Type == "":
			case o.missing() && o.Error.Type == "document_missing_exception":
			case o.Error.Type == "index_not_found_exception":
				s.gone()
				refused, again = o, append(again, i)
			case busy(o.Status):
				refused, again = o, append(again, i)
			default:
				return fmt.Errorf("the search server at %s answered %d for the document %s of %s: %s", s.server.Host(), o.Status, operations[i].id, operations[i].index.name, searchserver.Brief(o.Error.String()))
			}
		}
		if len(again) == 0 {
			return nil
		}
		if refused.Error.Type == "index_not_found_exception" || attempt+1 >= attempts || !pause(ctx, attempt, 0) {
			return unavailable(fmt.Errorf("the search server at %s answered %d for %d documents: %s", s.server.Host(), refused.Status, len(again), searchserver.Brief(refused.Error.String())))
		}
		var left bytes.Buffer
		for _, i := range again {
			line, err := operations[i].lines()
			if err != nil {
				return err
			}
			left.Write(line)
		}
		body, places = left.Bytes(), again
	}
}

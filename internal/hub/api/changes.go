package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/changes"
	"github.com/assay-gitops/assay/internal/hub/store"
)

const (
	changesPath = violationsPath + "/changes"
	// maxStreams and maxStreamsOfClient bound who follows at a time. A stream takes a connection and no more.
	maxStreams         = 500
	maxStreamsOfClient = 20
	// streamBatch is how many changes are written before rights are looked at again.
	streamBatch = 64
	// reconnectAfter is what browsers are told to wait before they come again.
	reconnectAfter = 5 * time.Second
)

// pace is how often a stream does what.
type pace struct {
	// heartbeat is how often a stream is written to at least, recheck how often rights are looked at when there is nothing to write.
	heartbeat, recheck time.Duration
	// patience is how long a client may not read before it is dropped.
	patience time.Duration
}

func usualPace() pace {
	return pace{heartbeat: 15 * time.Second, recheck: 5 * time.Second, patience: 20 * time.Second}
}

// Lost tells a client to list again.
type Lost struct {
	Reason string `json:"reason" doc:"Why it has to."`
}

type changesInput struct {
	Filter
	LastEventID string `header:"Last-Event-ID" maxLength:"200" doc:"The id that came last, to go on from there."`

	request *http.Request
	writer  http.ResponseWriter
}

// Resolve keeps the request.
func (i *changesInput) Resolve(ctx huma.Context) []error {
	i.request, i.writer = humago.Unwrap(ctx)
	return i.Filter.Resolve(ctx)
}

// registerChanges serves changes as they happen. huma's own server-sent events have a type for each event and numbers as ids.
func (s *service) registerChanges() {
	schemas := s.api.OpenAPI().Components.Schemas
	schemas.Schema(reflect.TypeFor[Lost](), true, "")
	huma.Register(s.api, s.forReaders(auth.List, huma.Operation{
		OperationID: "follow-violations", Method: http.MethodGet, Path: changesPath, Tags: []string{"Violations"},
		Summary: "Tells of changes as they happen",
		Description: "Of violations that you may see and that the filters mean, or meant before they changed. Events are opened, changed and resolved, whose data is a " +
			"Violation, and lost, whose data is Lost: list again. To miss nothing, list when the stream has begun. A comment comes every " + usualPace().heartbeat.String() + ".",
		Responses: map[string]*huma.Response{"200": {Description: "Server-sent events.", Content: map[string]*huma.MediaType{
			"text/event-stream": {Schema: eventSchema()},
		}}},
	}), s.follow)
}

// eventSchema is of each event: there is no better place for it in OpenAPI 3.1.
func eventSchema() *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, Description: "Each event.", Required: []string{"event", "id", "data"},
		Properties: map[string]*huma.Schema{
			"event": {Type: huma.TypeString, Enum: []any{"opened", "changed", "resolved", "lost"}},
			"id":    {Type: huma.TypeString, Description: "For Last-Event-ID."},
			"data":  {Type: huma.TypeString, Description: "JSON: a Violation or, of lost, Lost."},
		},
	}
}

// follow answers with a problem when there are too many streams.
func (s *service) follow(ctx context.Context, in *changesInput) (*huma.StreamResponse, error) {
	release, err := s.streams.take(s.limiter.client(in.request))
	if err != nil {
		return nil, err
	}
	stream := &stream{
		service: s, query: in.query(scopeOf(ctx)), request: in.request.WithContext(ctx), writer: in.writer,
		follower: s.changes.Follow(in.LastEventID),
	}
	stream.encoder = json.NewEncoder(&stream.buffer)
	stream.encoder.SetEscapeHTML(false)
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		defer release()
		defer stream.follower.Leave()
		hctx.SetHeader("Content-Type", "text/event-stream")
		hctx.SetHeader("X-Accel-Buffering", "no") // or nginx keeps events to itself
		hctx.SetStatus(http.StatusOK)
		if in.request.Method == http.MethodHead {
			return
		}
		s.metrics.streams.Inc()
		defer s.metrics.streams.Dec()
		s.metrics.streamsEnded.WithLabelValues(string(stream.run(ctx))).Inc()
	}}, nil
}

// streams counts those that there are.
type streams struct {
	mu   sync.Mutex
	all  int
	each map[string]int
}

// take has a client begin a stream. The error is a problem.
func (s *streams) take(client string) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.each[client] >= maxStreamsOfClient:
		return nil, after(huma.Error429TooManyRequests(fmt.Sprintf("%s follows changes %d times already: end one first", client, maxStreamsOfClient)), reconnectAfter)
	case s.all >= maxStreams:
		return nil, after(huma.Error503ServiceUnavailable("too many follow changes already: list violations from time to time instead, or try again later"), reconnectAfter)
	}
	s.all++
	s.each[client]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.each[client]--; s.each[client] == 0 {
			delete(s.each, client)
		}
	}, nil
}

// ending is why a stream ended.
type ending string

const (
	byClient   ending = "client"   // it went away
	bySlowness ending = "slow"     // it did not read
	byRights   ending = "rights"   // it has none any more, or they could not be looked up
	byShutdown ending = "shutdown" // the hub ends
)

// stream is what one client is told.
type stream struct {
	*service
	query    store.Query
	request  *http.Request
	writer   http.ResponseWriter
	follower *changes.Follower
	// buffer is one event, which encoder writes to.
	buffer  bytes.Buffer
	encoder *json.Encoder
}

func (s *stream) run(ctx context.Context) ending {
	heartbeat, recheck := time.NewTicker(s.pace.heartbeat), time.NewTicker(s.pace.recheck)
	defer heartbeat.Stop()
	defer recheck.Stop()
	begin := fmt.Sprintf("retry: %d\nid: %s\n\n", reconnectAfter.Milliseconds(), s.follower.Place())
	for err := s.send(begin); ; {
		if err != nil {
			return s.failed(ctx, err)
		}
		beat := false
		batch, lost, more := s.follower.Next(streamBatch)
		if len(batch) == 0 && !lost {
			select {
			case <-ctx.Done():
				return byClient
			case <-s.changes.Ended():
				return byShutdown
			case <-more:
				continue
			case <-heartbeat.C:
				beat = true
			case <-recheck.C:
			}
		}
		if ctx.Err() != nil {
			return byClient
		}
		// Nothing is shown that was not looked up in the time for which rights are believed.
		reader, denied := s.auth.Reader(s.request, auth.List, auth.Violations)
		if denied != nil {
			s.logger.InfoContext(ctx, "changes are not shown any more: the reader's rights", "error", denied, "request", requestID(ctx))
			return byRights
		}
		err = s.tell(reader.Scope, batch, lost, beat)
	}
}

// failed tells why a stream could not be written to.
func (s *stream) failed(ctx context.Context, err error) ending {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.logger.InfoContext(ctx, "a client that follows changes was dropped: it does not read", "request", requestID(ctx))
		return bySlowness
	}
	return byClient
}

// tell writes what came, to who may see the scope now.
func (s *stream) tell(scope store.Scope, batch []changes.Change, lost, beat bool) error {
	if !reflect.DeepEqual(scope, s.query.Scope) {
		s.query.Scope = scope
		if err := s.event("lost", s.follower.Place(), Lost{"what you may see has changed"}); err != nil {
			return err
		}
	}
	if lost {
		if err := s.event("lost", s.follower.Place(), Lost{"changes before this are not known any more"}); err != nil {
			return err
		}
	}
	for i := range batch {
		c := &batch[i]
		if !c.Concerns(&s.query) {
			continue
		}
		if err := s.event(string(c.Kind), s.follower.After(c), shown(&c.Violation)); err != nil {
			return err
		}
	}
	if beat {
		// The id is for who hears nothing for long: what it heard last would be forgotten.
		return s.send(": still here\nid: " + s.follower.Place() + "\n\n")
	}
	return nil
}

func (s *stream) event(name, id string, data any) error {
	s.buffer.Reset()
	fmt.Fprintf(&s.buffer, "event: %s\nid: %s\ndata: ", name, id)
	// It ends the line, and writes no other end of a line.
	if err := s.encoder.Encode(data); err != nil {
		return fmt.Errorf("writing an event: %w", err)
	}
	s.buffer.WriteByte('\n')
	return s.send(s.buffer.String())
}

// send waits no longer than a client may not read.
func (s *stream) send(text string) error {
	control := http.NewResponseController(s.writer)
	if err := ignoringUnsupported(control.SetWriteDeadline(time.Now().Add(s.pace.patience))); err != nil {
		return fmt.Errorf("writing an event: %w", err)
	}
	if _, err := s.writer.Write([]byte(text)); err != nil {
		return fmt.Errorf("writing an event: %w", err)
	}
	if err := control.Flush(); err != nil {
		return fmt.Errorf("writing an event: %w", err)
	}
	return nil
}

package agent

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/agentconfig"
	"github.com/assay-gitops/assay/internal/gate/audit"
	"github.com/assay-gitops/assay/internal/hub/state"
	"github.com/assay-gitops/assay/internal/sink/hub"
)

const (
	// tellSettle is how long changes are gathered before the hub is told: a policy comes, and its status soon after.
	tellSettle = 2 * time.Second
	// tellAgain is how often it is told without a reason, so that a hub that lost its database has it again.
	tellAgain = time.Hour
	// tellRetry is the time after a failure, at first; it doubles until it is tellAgain.
	tellRetry = 5 * time.Second
	// tellTimeout bounds one request.
	tellTimeout = 30 * time.Second
)

// teller tells the hubs that get results by what this cluster is judged, and of its full audits. Both are states, which are told again until
// a hub has them, and so need no journal.
type teller struct {
	hubs []*told
	// sources are what is in the cluster now.
	sources func(context.Context) (engine.Sources, error)
	wanted  signal
	logger  *slog.Logger

	mu sync.Mutex
	// passes are the newest, by when they were told of.
	passes []audit.Pass
}

// told is a hub and what it knows.
type told struct {
	client *hub.Client
	// sum is of the objects that it has, at when it was told; passes are those that it has, by id and end.
	sum    [sha256.Size]byte
	at     time.Time
	passes map[string]time.Time
	// failures in a row, next when it is tried again.
	failures int
	next     time.Time
}

// newTeller makes one for the hubs of the configuration, each once.
func newTeller(c *agentconfig.Config, b sinkBuilder, sources func(context.Context) (engine.Sources, error)) (*teller, error) {
	t := &teller{sources: sources, wanted: newSignal(), logger: b.logger}
	var known []agentconfig.HubSink
	for _, s := range []*agentconfig.HubSink{c.Audit.Sinks.HubSink, c.Admission.Sinks.HubSink, c.TFAdmission.Sinks.HubSink} {
		if s == nil || slices.ContainsFunc(known, func(k agentconfig.HubSink) bool { return k.URL == s.URL && k.TokenFile == s.TokenFile }) {
			continue
		}
		known = append(known, *s)
		o, err := b.hubOptions(s)
		if err != nil {
			return nil, err
		}
		client, err := hub.NewClient(o)
		if err != nil {
			return nil, fmt.Errorf("setting up a client of the hub: %w", err)
		}
		t.hubs = append(t.hubs, &told{client: client, passes: map[string]time.Time{}})
	}
	return t, nil
}

// audited notes a pass that began or ended.
func (t *teller) audited(p *audit.Pass) {
	if len(t.hubs) == 0 {
		return
	}
	t.mu.Lock()
	t.passes = append(slices.DeleteFunc(t.passes, func(known audit.Pass) bool { return known.ID == p.ID }), *p)
	t.passes = t.passes[max(0, len(t.passes)-state.MaxAudits):]
	t.mu.Unlock()
	t.wanted.notify()
}

// run tells until the context ends.
func (t *teller) run(ctx context.Context) {
	if len(t.hubs) == 0 {
		return
	}
	for {
		if !pause(ctx, tellSettle) {
			return
		}
		next := t.tellAll(ctx)
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-t.wanted:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// tellAll tells each hub what it does not know, and returns when to look again.
func (t *teller) tellAll(ctx context.Context) (next time.Time) {
	now := time.Now()
	next = now.Add(tellAgain)
	sources, err := t.sources(ctx)
	if err != nil {
		t.logger.WarnContext(ctx, "the hub is not told by what this cluster is judged, since that could not be read", "error", err, "retry", tellRetry)
		return now.Add(tellRetry)
	}
	objects := state.Objects(sources)
	text, err := json.Marshal(objects)
	if err != nil {
		t.logger.ErrorContext(ctx, "the hub is not told by what this cluster is judged", "error", err)
		return next
	}
	sum := sha256.Sum256(text)
	t.mu.Lock()
	passes := slices.Clone(t.passes)
	t.mu.Unlock()
	for _, h := range t.hubs {
		due := h.at.Add(tellAgain)
		again := !now.Before(due)
		news := slices.DeleteFunc(slices.Clone(passes), func(p audit.Pass) bool {
			end, known := h.passes[p.ID]
			return known && end.Equal(p.End) && !again
		})
		switch {
		case now.Before(h.next):
			due = h.next
		case len(news) > 0 || sum != h.sum || again:
			due = t.tell(ctx, h, state.State{Version: state.Version, At: now.UTC(), Objects: objects, Audits: news}, sum)
			maps.DeleteFunc(h.passes, func(id string, _ time.Time) bool {
				return !slices.ContainsFunc(passes, func(p audit.Pass) bool { return p.ID == id })
			})
		}
		if due.Before(next) {
			next = due
		}
	}
	return next
}

// tell tells one hub, and returns when to tell it again.
func (t *teller) tell(ctx context.Context, h *told, s state.State, sum [sha256.Size]byte) time.Time {
	now := s.At
	bound, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	err := h.client.Post(bound, state.Path, s)
	if err == nil {
		if h.failures > 0 {
			t.logger.InfoContext(ctx, "the hub knows again by what this cluster is judged")
		}
		h.sum, h.at, h.failures, h.next = sum, now, 0, time.Time{}
		for _, p := range s.Audits {
			h.passes[p.ID] = p.End
		}
		return now.Add(tellAgain)
	}
	if ctx.Err() != nil {
		return now.Add(tellAgain)
	}
	retry := min(tellRetry<<min(h.failures, 16), tellAgain)
	var answered *hub.StatusError
	if errors.As(err, &answered) && (answered.Status == http.StatusNotFound || answered.Status == http.StatusMethodNotAllowed) {
		retry = tellAgain // a hub of before: it takes results all the same
	}
	if h.failures == 0 {
		t.logger.WarnContext(ctx, "the hub does not know by what this cluster is judged", "error", err, "retry", retry)
	}
	h.failures++
	h.next = now.Add(retry)
	return h.next
}

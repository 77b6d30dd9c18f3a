package agent

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/agentconfig"
	"github.com/assay-gitops/assay/internal/gate/audit"
	"github.com/assay-gitops/assay/internal/hub/state"
)

// toldHub is an HTTP server that takes states, or answers with a status.
type toldHub struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	states []state.State
}

func newToldHub(t *testing.T) *toldHub {
	t.Helper()
	h := &toldHub{status: http.StatusOK}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		decoder, err := zstd.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		defer decoder.Close()
		content, err := io.ReadAll(decoder)
		var told state.State
		if err != nil || json.Unmarshal(content, &told) != nil || r.URL.Path != state.Path || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("%v: %s %s", err, r.URL, content)
		}
		w.WriteHeader(h.status)
		if h.status == http.StatusOK {
			h.states = append(h.states, told)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *toldHub) answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

// got are the states that came since it was asked last.
func (h *toldHub) got() []state.State {
	h.mu.Lock()
	defer h.mu.Unlock()
	states := h.states
	h.states = nil
	return states
}

func TestHubsAreToldWhatTheyDoNotKnow(t *testing.T) {
	near, far := newToldHub(t), newToldHub(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sink := func(url string) agentconfig.Sinks {
		return agentconfig.Sinks{HubSink: &agentconfig.HubSink{URL: url, TokenFile: token}}
	}
	c := &agentconfig.Config{}
	c.Audit.Sinks, c.Admission.Sinks, c.TFAdmission.Sinks = sink(near.URL), sink(near.URL), sink(far.URL)
	rule := &v2.Policy{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
	teller, err := newTeller(c, sinkBuilder{logger: slog.New(slog.DiscardHandler)}, func(context.Context) (engine.Sources, error) {
		return engine.Sources{Policies: []*v2.Policy{rule.DeepCopy()}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(teller.hubs) != 2 {
		t.Fatalf("%d hubs", len(teller.hubs))
	}
	tell := func(nears, fars int) (near1, far1 state.State) {
		t.Helper()
		next := teller.tellAll(t.Context())
		if time.Until(next) > tellAgain {
			t.Errorf("next at %s", next)
		}
		a, b := near.got(), far.got()
		if len(a) != nears || len(b) != fars {
			t.Fatalf("told %d and %d times, want %d and %d", len(a), len(b), nears, fars)
		}
		if nears > 0 {
			near1 = a[0]
		}
		if fars > 0 {
			far1 = b[0]
		}
		return near1, far1
	}
	first, _ := tell(1, 1)
	if len(first.Objects) != 1 || first.Objects[0].Metadata.Name != "a" || first.At.IsZero() || first.Audits != nil {
		t.Errorf("%+v", first)
	}
	tell(0, 0)

	// A pass is told when it begins and when it ends, and a policy when it changes.
	teller.audited(&audit.Pass{ID: "1", Start: time.Now()})
	began, _ := tell(1, 1)
	teller.audited(&audit.Pass{ID: "1", Start: time.Now(), End: time.Now()})
	ended, _ := tell(1, 1)
	if len(began.Audits) != 1 || !began.Audits[0].End.IsZero() || len(ended.Audits) != 1 || ended.Audits[0].End.IsZero() {
		t.Errorf("%+v, %+v", began.Audits, ended.Audits)
	}
	tell(0, 0)
	rule.Spec.Name = "other"
	if changed, _ := tell(1, 1); len(changed.Audits) != 0 {
		t.Errorf("what is known is told again: %+v", changed.Audits)
	}

	// A hub that fails is left alone for a while, and gets everything then; the other one is told meanwhile.
	far.answer(http.StatusServiceUnavailable)
	rule.Spec.Name = "third"
	tell(1, 0)
	far.answer(http.StatusOK)
	teller.audited(&audit.Pass{ID: "2", Start: time.Now()})
	tell(1, 0)
	teller.hubs[1].next = time.Now()
	if _, late := tell(0, 1); len(late.Audits) != 1 || late.Audits[0].ID != "2" {
		t.Errorf("%+v", late)
	}

	// After a while everything is told again: a hub may have lost its database.
	teller.hubs[0].at = time.Now().Add(-tellAgain)
	if again, _ := tell(1, 0); len(again.Audits) != 2 {
		t.Errorf("%+v", again)
	}

	// A hub of before knows no such path, and is not asked all the time.
	far.answer(http.StatusNotFound)
	rule.Spec.Name = "fourth"
	tell(1, 0)
	if wait := time.Until(teller.hubs[1].next); wait < tellAgain-time.Minute {
		t.Errorf("tried again after %s", wait)
	}
}

func TestNoMorePassesAreKeptThanOneRequestTakes(t *testing.T) {
	teller := &teller{hubs: []*told{{}}, wanted: newSignal()}
	for i := range state.MaxAudits + 10 {
		teller.audited(&audit.Pass{ID: strings.Repeat("x", i)})
	}
	if len(teller.passes) != state.MaxAudits || len(teller.passes[0].ID) != 10 {
		t.Errorf("%d passes, the first %q", len(teller.passes), teller.passes[0].ID)
	}
}

package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/sink"
)

// State is how one replica is doing, as the probes' port tells it at /status.
type State struct {
	Instance string `json:"instance"`
	Version  string `json:"version"`
	// Leader says that this replica does what one replica does for all.
	Leader bool `json:"leader"`
	// Checks are those of /readyz.
	Checks []CheckState `json:"checks"`
	// Brake is why the emergency brake is on; nil while it is off.
	Brake *string `json:"brake,omitempty"`
	// Policies are in force, since they were compiled at Compiled; nil until then.
	Policies *PoliciesState `json:"policies,omitempty"`
	// Journal is nil when no sink is configured.
	Journal *JournalState `json:"journal,omitempty"`
	Sinks   []SinkState   `json:"sinks"`
	// Audit is nil in replicas that do not audit.
	Audit *AuditState `json:"audit,omitempty"`
}

// AuditState is how the audit is doing.
type AuditState struct {
	// Objects are followed, Open findings told and not resolved.
	Objects int `json:"objects"`
	Open    int `json:"open"`
	// Unreadable are the kinds that policies target and that cannot be read, sorted.
	Unreadable []UnreadableKind `json:"unreadable,omitempty"`
	// LastFull is when the last full audit ended, and Errors how many things it could not look at; nil before the first.
	LastFull *time.Time `json:"lastFull,omitempty"`
	Errors   int        `json:"errors,omitempty"`
	// Running says that a full audit goes on.
	Running bool `json:"running,omitempty"`
}

// UnreadableKind is a kind that is not audited.
type UnreadableKind struct {
	// Kind is a resource such as deployments.apps.
	Kind string `json:"kind"`
	// Forbidden says that the agent lacks the right to list and watch it.
	Forbidden bool   `json:"forbidden,omitempty"`
	Trouble   string `json:"trouble,omitempty"`
}

// String says it in a few words.
func (u UnreadableKind) String() string {
	if u.Forbidden {
		return u.Kind + " (forbidden)"
	}
	return u.Kind + " (" + u.Trouble + ")"
}

// CheckState is something that must hold for the replica to get requests. Trouble is empty when it does.
type CheckState struct {
	Name    string `json:"name"`
	Trouble string `json:"trouble,omitempty"`
}

// PoliciesState is what the replica judges by.
type PoliciesState struct {
	InForce  int       `json:"inForce"`
	Problems int       `json:"problems"`
	Compiled time.Time `json:"compiled"`
}

// JournalState is the state of the journal. Counts are since the replica began.
type JournalState struct {
	Open bool `json:"open"`
	// Trouble is why it is not open, or why its disk cannot be written.
	Trouble string `json:"trouble,omitempty"`
	Bytes   int64  `json:"bytes"`
	// Buffered results are in memory because the disk cannot be written.
	Buffered int `json:"buffered"`
	// Dropped results were removed before every sink had them, Unwritten ones never were in the journal.
	Dropped   uint64 `json:"dropped"`
	Unwritten uint64 `json:"unwritten"`
}

// SinkState is the state of one sink.
type SinkState struct {
	Name string `json:"name"`
	// Lag is how many results are in the journal that the sink does not have yet, those that it does not want included.
	Lag uint64 `json:"lag"`
	// Counts of results since the replica began, by what became of them: see sink.Event.
	Counts map[sink.Event]uint64 `json:"counts"`
	// Trouble is why results are not delivered at the moment, since when and after how many attempts.
	Trouble  string     `json:"trouble,omitempty"`
	Since    *time.Time `json:"since,omitempty"`
	Attempts int        `json:"attempts,omitempty"`
	// LastSent is when something was delivered.
	LastSent *time.Time `json:"lastSent,omitempty"`
}

// state asks everybody how they are doing.
func (a *agent) state(ctx context.Context, checks []check) State {
	s := State{Instance: a.identity, Version: a.options.Version, Leader: a.leadership.leads.Load()}
	for _, c := range checks {
		checked := CheckState{Name: c.name}
		if err := c.holds(ctx); err != nil {
			checked.Trouble = err.Error()
		}
		s.Checks = append(s.Checks, checked)
	}
	if reason, on := a.brake.state(); on {
		s.Brake = &reason
	}
	if e := a.book.current.Load(); e != nil {
		s.Policies = &PoliciesState{InForce: len(e.snapshot.Policies()), Problems: len(e.problems), Compiled: e.at}
	}
	s.Journal, s.Sinks = a.results.state()
	s.Audit = a.auditing.state()
	return s
}

func (s State) answer(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	// Who does not read the answer to its end does not want it.
	_ = json.NewEncoder(w).Encode(s)
}

// state of the audit; nil when this replica does not audit.
func (a *auditing) state() *AuditState {
	auditor := a.current.Load()
	if auditor == nil {
		return nil
	}
	found := auditor.Status()
	s := &AuditState{Running: found.Running != nil}
	for _, n := range found.Open {
		s.Open += n
	}
	for kind, k := range found.Kinds {
		s.Objects += k.Objects
		if k.Forbidden || k.Trouble != "" {
			s.Unreadable = append(s.Unreadable, UnreadableKind{kind, k.Forbidden, k.Trouble})
		}
	}
	slices.SortFunc(s.Unreadable, func(a, b UnreadableKind) int { return strings.Compare(a.Kind, b.Kind) })
	if found.Last != nil {
		s.LastFull, s.Errors = &found.Last.End, len(found.Last.Errors)
	}
	return s
}

// notes on the audit. What cannot be audited does not keep anybody from being served.
func (a *auditing) notes() []note {
	s := a.state()
	if s == nil {
		return nil
	}
	n := note{name: "audit"}
	if len(s.Unreadable) > 0 {
		all := make([]string, len(s.Unreadable))
		for i, u := range s.Unreadable {
			all[i] = u.String()
		}
		n.trouble = "kinds that policies target and that cannot be read: " + strings.Join(all, ", ")
	}
	return []note{n}
}

// state of the journal and the sinks.
func (r *results) state() (*JournalState, []SinkState) {
	sinks := []SinkState{}
	if len(r.sinks) == 0 {
		return nil, sinks
	}
	j := &JournalState{Unwritten: r.unwritten.Load()}
	opened := r.journal.Load()
	if opened == nil {
		if failure := r.failure.Load(); failure != nil {
			j.Trouble = (*failure).Error()
		}
		return j, sinks
	}
	stats := opened.Stats()
	j.Open, j.Bytes, j.Buffered, j.Dropped = true, stats.Bytes, stats.Buffered, stats.Dropped
	if stats.Failure != nil {
		j.Trouble = stats.Failure.Error()
	}
	for _, status := range r.statuses() {
		s := SinkState{Name: status.Name, Lag: status.Lag, Counts: status.Counts, Attempts: status.Attempts}
		if status.Err != nil {
			s.Trouble, s.Since = status.Err.Error(), &status.ErrSince
		}
		if !status.LastSent.IsZero() {
			s.LastSent = &status.LastSent
		}
		sinks = append(sinks, s)
	}
	return j, sinks
}

// notes on the journal and the sinks. An agent that cannot deliver still judges, so they never make it unready.
func (r *results) notes() []note {
	j, sinks := r.state()
	if j == nil {
		return nil
	}
	all := []note{{"results", j.Trouble}}
	for _, s := range sinks {
		n := note{name: "sink " + s.Name}
		if s.Trouble != "" {
			n.trouble = fmt.Sprintf("%d results wait, delivering fails since %s: %s", s.Lag, s.Since.UTC().Format(time.RFC3339), s.Trouble)
		}
		all = append(all, n)
	}
	return all
}

package fold

import (
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
)

// State is what is known of a violation but for what its key says. P is how a store refers to a policy; its zero value is none. Times are
// nanoseconds since 1970. Stores that keep it as JSON rely on the names.
type State[P comparable] struct {
	Gate      string `json:"gate"`
	API       string `json:"api"`
	Workspace string `json:"workspace"`
	// App is Kind/namespace/name.
	App        string       `json:"app"`
	Revision   string       `json:"revision"`
	Policy     P            `json:"policy"`
	Message    string       `json:"message"`
	Status     store.Status `json:"status"`
	Resolution string       `json:"resolution"`
	// Said and SaidWhy are what the newest result says by itself, Closed and ClosedWhy when audit said last that the violation is resolved.
	Said      store.Status `json:"said"`
	SaidWhy   string       `json:"saidWhy"`
	Closed    int64        `json:"closed"`
	ClosedWhy string       `json:"closedWhy"`
	Enforced  bool         `json:"enforced"`
	Hidden    bool         `json:"hidden"`
	First     int64        `json:"first"`
	Last      int64        `json:"last"`
	// Newest is the ID of the newest result.
	Newest string `json:"newest"`
	// Results are all that ever came, without those that say that nothing changed.
	Results int `json:"results"`
}

// New is the state of a violation of which the item is the first result, before that is taken.
func New[P comparable](it *Item) State[P] {
	r := it.Result
	return State[P]{
		Gate: string(r.Gate), API: r.Validation.Entity.APIVersion, Hidden: true, Message: r.Validation.Message, Said: store.Open, Status: store.Open,
	}
}

// Take adds what a result says that is not known yet. Stub tells whether of a policy only the name is known.
func (s *State[P]) Take(it *Item, policy P, stub func(P) bool) (newest bool) {
	r := it.Result
	newest = s.Newest == "" || it.At > s.Last || it.At == s.Last && it.ID > s.Newest
	s.Results++
	if r.Life == sink.Unchanged {
		s.Results--
	}
	s.Hidden = s.Hidden && !it.Reading.Violates
	if s.First == 0 || it.At < s.First {
		s.First = it.At
	}
	e := &r.Validation.Entity
	var none P
	switch {
	case !newest && s.Said == store.Open:
	case !newest || r.Life == sink.Resolved:
		// Fills in what is not known otherwise.
		s.API, s.Workspace = either(newest, e.APIVersion, s.API), either(newest, r.Workspace, s.Workspace)
		if app, revision := application(r.App); s.App == "" || newest && app != "" {
			s.App, s.Revision = app, revision
		}
		if s.Policy == none || newest && !stub(policy) || stub(s.Policy) {
			s.Policy = policy
		}
	default:
		s.API, s.Workspace, s.Policy = e.APIVersion, r.Workspace, policy
		s.App, s.Revision = application(r.App)
	}
	if newest {
		s.Last, s.Newest = it.At, it.ID
		s.Said, s.SaidWhy = it.Reading.Status, it.Reading.Resolution
		s.Message = either(true, r.Validation.Message, s.Message)
		if it.Reading.Wrong {
			s.Enforced = it.Reading.Enforced
		}
	} else if s.Message == "" {
		s.Message = r.Validation.Message
	}
	s.conclude()
	return newest
}

// either is the first text, or the second when it is preferred or the first is empty.
func either(first bool, a, b string) string {
	if a == "" || !first && b != "" {
		return b
	}
	return a
}

// Close notes that audit says that the violation is resolved. Noting it again changes nothing.
func (s *State[P]) Close(at int64, why string) {
	if at > s.Closed || at == s.Closed && why > s.ClosedWhy {
		s.Closed, s.ClosedWhy = at, why
		s.conclude()
	}
}

// conclude sets the status. What audit says of the object ends a warning of admission.
func (s *State[P]) conclude() {
	s.Status, s.Resolution = s.Said, s.SaidWhy
	if s.Gate == string(sink.Admission) && s.Said == store.Open && s.Closed != 0 && s.Closed >= s.Last {
		s.Status, s.Resolution = store.Resolved, s.ClosedWhy
	}
}

// application is an App as a query has it, and its revision.
func application(app *sink.App) (name, revision string) {
	if app == nil {
		return "", ""
	}
	return app.Kind + "/" + app.Namespace + "/" + app.Name, app.Revision
}

// Facts are what is looked for of a policy.
type Facts struct {
	PolicyID  string           `json:"id"`
	Name      string           `json:"name"`
	Category  string           `json:"category"`
	Severity  string           `json:"severity"`
	Standards []store.Standard `json:"standards"`
	// Stub is a policy of which only the name was known when the result was made.
	Stub bool `json:"stub"`
}

// FactsOf a policy.
func FactsOf(p *weave.Policy) Facts {
	f := Facts{
		PolicyID: p.ID, Name: p.Name, Category: p.Category, Severity: p.Severity,
		Stub: p.Severity == "" && p.Category == "" && p.Code == "" && p.CEL == nil && (p.Name == p.ID || p.Name == ""),
	}
	for _, s := range p.Standards {
		f.Standards = append(f.Standards, store.Standard{ID: s.ID, Controls: s.Controls})
	}
	return f
}

// Show is the violation as people are told, but for what its key says: cluster, kind, namespace and name.
func (s *State[P]) Show(key store.Key, f *Facts) store.Violation {
	shown := store.Violation{
		ID: key.String(), Gate: sink.Gate(s.Gate), Status: s.Status, Resolution: s.Resolution, Enforced: s.Enforced,
		PolicyID: f.PolicyID, PolicyName: f.Name, Category: f.Category, Severity: f.Severity, Standards: f.Standards,
		APIVersion: s.API, Workspace: s.Workspace, Message: s.Message,
		FirstSeen: time.Unix(0, s.First).UTC(), LastSeen: time.Unix(0, s.Last).UTC(), Count: s.Results,
	}
	if parts := strings.SplitN(s.App, "/", 3); len(parts) == 3 {
		shown.App = &sink.App{Kind: parts[0], Namespace: parts[1], Name: parts[2], Revision: s.Revision}
	}
	return shown
}

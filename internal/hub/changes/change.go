package changes

import (
	"slices"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/sink"
)

// Kind is what became of a violation.
type Kind string

// The kinds.
const (
	// Opened is open now and was not: new, or there again.
	Opened Kind = "opened"
	// Changed is seen again or says something else, or an exception accepts it.
	Changed Kind = "changed"
	// Resolved is resolved now. What a gate refuses is so from its beginning, and each time.
	Resolved Kind = "resolved"
)

// Change of a violation.
type Change struct {
	Kind Kind
	// Violation as it is after the change, without its document.
	Violation store.Violation
	// before is the status it had; empty when there was no such violation.
	before store.Status
	// place is how many changes there were with it.
	place uint64
}

// Concerns tells whether the query means the violation, as it is or by the status it had: who looks at what is open wants to know of what
// is not any more.
func (c *Change) Concerns(q *store.Query) bool {
	if q.Means(&c.Violation) {
		return true
	}
	if c.before == "" || c.before == c.Violation.Status {
		return false
	}
	was := c.Violation
	was.Status = c.before
	return q.Means(&was)
}

// size is about what a change takes in memory.
func (c *Change) size() int {
	const rest = 1 << 10
	return rest + len(c.Violation.Message)
}

// news is what is new of a violation.
type news struct {
	// results are their ids.
	results map[string]bool
	// wrong tells whether one of them says that something is wrong.
	wrong bool
}

// change says what new results did to a violation, whose history is as it was before the violation was read; nil when they did nothing.
func change(v *store.Violation, history []store.Event, new *news) *Change {
	c := &Change{Violation: *v, before: before(v, history, new)}
	c.Violation.Document = nil
	switch {
	case v.Status == store.Resolved && c.before == store.Resolved && !new.wrong:
		return nil // complied before, and complies
	case v.Status != store.Resolved && len(new.results) == 0:
		return nil // another gate's results did not resolve it
	case v.Status == store.Resolved && (new.wrong || c.before != store.Resolved):
		c.Kind = Resolved
	case v.Status == store.Open && c.before != store.Open:
		c.Kind = Opened
	default:
		c.Kind = Changed
	}
	return c
}

// before is the status that a violation had before new results came.
func before(v *store.Violation, history []store.Event, new *news) store.Status {
	// What says that nothing changed may have come after them.
	history = history[max(0, slices.IndexFunc(history, func(e store.Event) bool { return e.Life != sink.Unchanged })):]
	var oldest store.Event
	for i, e := range history {
		switch {
		case new.results[e.ResultID]:
			oldest = e
		case i == 0 && len(new.results) > 0:
			return v.Status // they came late, and the newest is another
		default:
			return e.Status
		}
	}
	if v.FirstSeen.Before(oldest.Time) {
		return store.Open // its older results are forgotten, as happens only to what is open
	}
	return ""
}

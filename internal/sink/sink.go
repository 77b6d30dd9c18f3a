package sink

import (
	"context"
	"time"
)

// Sink is a destination.
type Sink interface {
	// Send tries once to deliver the items and says for each what came of it, in their order. Waiting and trying again is
	// the runner's work. It ends when the context does.
	Send(ctx context.Context, items []Item) []Outcome
}

// Item is a result on its way.
type Item struct {
	// ID is the result's; the same when it is sent again.
	ID     string
	Result *Result
	// Raw is the JSON of the result as it is in the journal.
	Raw []byte
}

// State is what came of an item.
type State int

// The states.
const (
	// Delivered: the destination has it.
	Delivered State = iota
	// Retry: it could not be delivered now. It may have been nevertheless.
	Retry
	// Refused: the destination will never take it.
	Refused
	// Untried: it was not sent this time, because others took too long or met what it would have met too. It is tried
	// again, and no attempt is counted against it.
	Untried
	// Useless: the sink has no use for it, whatever the filter says.
	Useless
)

// Outcome of one item. Err says why it was not delivered, and names no secrets.
type Outcome struct {
	State State
	Err   error
	// After is how long the destination wants to be left alone, zero when it did not say.
	After time.Duration
}

// Same gives all items one outcome.
func Same(items []Item, o Outcome) []Outcome {
	all := make([]Outcome, len(items))
	for i := range all {
		all[i] = o
	}
	return all
}

// Event is something that a runner counts in results.
type Event string

// The events.
const (
	// Sent: delivered.
	Sent Event = "sent"
	// Failed: an attempt did not deliver it.
	Failed Event = "failed"
	// Retried: tried again.
	Retried Event = "retried"
	// DeadLettered: the destination refused it; it is in the file of dead letters.
	DeadLettered Event = "dead-lettered"
	// Lost: gone from the journal before the sink could read it.
	Lost Event = "lost"
	// Skipped: the filter does not want it, or the sink has no use for it.
	Skipped Event = "skipped"
)

// Metrics is told what happens. It is called from the goroutine of Runner.Run.
type Metrics interface {
	Count(sink string, event Event, results int)
}

// Status is how a sink is doing.
type Status struct {
	Name string
	// Lag is how many results are in the journal and not delivered, and Since the time of the last that was.
	Lag   uint64
	Since time.Time
	// Counts since the runner began.
	Counts map[Event]uint64
	// Err is why results are not delivered at the moment, since when and after how many attempts; nil when all is well.
	Err      error
	ErrSince time.Time
	Attempts int
	// LastSent is when something was delivered; zero when nothing was since the runner began.
	LastSent time.Time
}

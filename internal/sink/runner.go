package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/assay-gitops/assay/internal/journal"
)

// Options of a runner. Name, Sink, Journal and DeadLetters are required; zero means the default elsewhere.
type Options struct {
	// Name is that of the reader of the journal: see journal.Journal.Reader.
	Name    string
	Sink    Sink
	Journal *journal.Journal
	Filter  Filter
	// DeadLetters is the file for what the destination refuses.
	DeadLetters string
	// MaxItems and MaxBytes bound a batch (500, 4 MiB), Linger is how long one that is not full waits for more (1 s).
	MaxItems, MaxBytes int
	Linger             time.Duration
	// SendTimeout bounds one attempt; 30 s.
	SendTimeout time.Duration
	// MinBackoff and MaxBackoff bound the pause after a failed attempt, which doubles (500 ms, 1 min).
	MinBackoff, MaxBackoff time.Duration
	// MaxAttempts is how often one item is tried while others of its batch are delivered, before it counts as refused; 10. A
	// destination that takes nothing is tried for ever.
	MaxAttempts int
	// Drain is how long Run goes on delivering after its context ended; 5 s. What is left is delivered next time.
	Drain   time.Duration
	Metrics Metrics
	Logger  *slog.Logger
}

// maxRetryAfter bounds what a destination can ask for.
const maxRetryAfter = 10 * time.Minute

// Runner takes results from the journal to one sink.
type Runner struct {
	o       Options
	letters deadLetters

	mu     sync.Mutex
	status Status
}

// NewRunner checks the options.
func NewRunner(o Options) (*Runner, error) {
	if o.Name == "" || o.Sink == nil || o.Journal == nil || o.DeadLetters == "" {
		return nil, errors.New("a sink needs a name, a destination, a journal and a file for dead letters")
	}
	if err := o.Filter.Validate(); err != nil {
		return nil, fmt.Errorf("sink %s: %w", o.Name, err)
	}
	setDefault(&o.MaxItems, 500)
	setDefault(&o.MaxBytes, 4<<20)
	setDefault(&o.Linger, time.Second)
	setDefault(&o.SendTimeout, 30*time.Second)
	setDefault(&o.MinBackoff, 500*time.Millisecond)
	setDefault(&o.MaxBackoff, time.Minute)
	setDefault(&o.MaxAttempts, 10)
	setDefault(&o.Drain, 5*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Logger = o.Logger.With("sink", o.Name)
	return &Runner{o: o, letters: deadLetters{path: o.DeadLetters}, status: Status{Name: o.Name, Counts: map[Event]uint64{}}}, nil
}

func setDefault[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// Run delivers until the context ends, and then for Options.Drain what is there already. It fails only when the journal
// does. It may be called once at a time.
func (r *Runner) Run(ctx context.Context) error {
	reader, err := r.o.Journal.Reader(r.o.Name)
	if err != nil {
		return fmt.Errorf("sink %s: %w", r.o.Name, err)
	}
	defer func() {
		if err := errors.Join(reader.Close(), r.letters.close()); err != nil {
			r.o.Logger.Warn("closing a sink", "error", err)
		}
	}()
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	drained := make(chan struct{})
	defer close(drained)
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(r.o.Drain)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-drained:
		}
	})
	defer stop()
	for work.Err() == nil {
		batches, err := r.gather(ctx, reader)
		switch {
		case errors.Is(err, journal.ErrClosed) || ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
			return nil
		case err != nil:
			r.failed(err, 1)
			if !pause(ctx, r.o.MinBackoff) {
				return fmt.Errorf("sink %s: %w", r.o.Name, err)
			}
			continue
		}
		if !r.deliver(work, r.items(batches)) {
			break
		}
		for _, batch := range batches {
			if err := reader.Commit(batch); err != nil {
				// What was delivered will be delivered again if the process dies before a later one succeeds.
				r.o.Logger.Warn("the place of a sink in the journal cannot be written", "error", err)
			}
		}
	}
	return nil
}

// gather waits for a batch and lingers for more when it is not full.
func (r *Runner) gather(ctx context.Context, reader *journal.Reader) ([]journal.Batch, error) {
	first, err := reader.Next(ctx, r.o.MaxItems, r.o.MaxBytes)
	if err != nil {
		return nil, err
	}
	batches := []journal.Batch{first}
	n, bytes := size(first)
	linger, cancel := context.WithTimeout(ctx, r.o.Linger)
	defer cancel()
	for n < r.o.MaxItems && bytes < r.o.MaxBytes {
		more, err := reader.Next(linger, r.o.MaxItems-n, r.o.MaxBytes-bytes)
		if err != nil {
			break // it comes again, if it was not the end of lingering
		}
		k, b := size(more)
		n, bytes = n+k, bytes+b
		batches = append(batches, more)
	}
	return batches, nil
}

func size(b journal.Batch) (items, bytes int) {
	for i := range b.Records {
		bytes += len(b.Records[i].Payload)
	}
	return len(b.Records), bytes
}

// pending is an item that is not delivered yet.
type pending struct {
	item     Item
	attempts int
	// refused is why it goes to the dead letters, when it could not be written there yet.
	refused error
}

// items are those that the filter wants.
func (r *Runner) items(batches []journal.Batch) []pending {
	var items []pending
	for _, batch := range batches {
		if batch.Lost > 0 {
			r.count(Lost, int(batch.Lost))
			r.o.Logger.Error("results were gone from the journal before the sink could read them", "results", batch.Lost)
		}
		for _, record := range batch.Records {
			result, err := Decode(record)
			switch {
			case err != nil:
				items = append(items, pending{item: Item{ID: record.ID, Raw: record.Payload}, refused: err})
			case r.o.Filter.Wants(result):
				items = append(items, pending{item: Item{record.ID, result, record.Payload}})
			default:
				r.count(Skipped, 1)
			}
		}
	}
	return items
}

// deliver tries until nothing is left; false when the context ended before.
func (r *Runner) deliver(ctx context.Context, left []pending) bool {
	fresh := wait.Backoff{Duration: r.o.MinBackoff, Factor: 2, Jitter: 0.5, Steps: 1 << 30, Cap: r.o.MaxBackoff}
	backoff := fresh
	for attempt := 1; ; attempt++ {
		before := len(left)
		var after time.Duration
		var err error
		left, after, err = r.attempt(ctx, left)
		if len(left) == 0 {
			r.well()
			return true
		}
		if len(left) < before {
			backoff = fresh
		}
		r.failed(err, attempt)
		if !pause(ctx, max(min(backoff.Step(), r.o.MaxBackoff*3/2), min(after, maxRetryAfter))) {
			return false
		}
		r.count(Retried, len(left))
	}
}

// attempt tries all once and returns those that are left, how long to wait at least, and why.
func (r *Runner) attempt(ctx context.Context, all []pending) (left []pending, after time.Duration, why error) {
	var tried []pending
	var items []Item
	for _, p := range all {
		if p.refused == nil {
			tried = append(tried, p)
			items = append(items, p.item)
		} else if err := r.bury(p); err != nil {
			left, why = append(left, p), err
		}
	}
	if len(items) == 0 {
		return left, 0, why
	}
	attempt, cancel := context.WithTimeout(ctx, r.o.SendTimeout)
	outcomes := r.o.Sink.Send(attempt, items)
	cancel()
	if len(outcomes) != len(items) {
		outcomes = Same(items, Outcome{State: Retry, Err: fmt.Errorf("the sink gave %d answers for %d results, which is a bug", len(outcomes), len(items))})
	}
	counts := map[State]int{}
	for _, o := range outcomes {
		counts[o.State]++
	}
	sent := counts[Delivered]
	r.count(Sent, sent)
	r.count(Skipped, counts[Useless])
	r.count(Failed, counts[Retry]+counts[Refused])
	for i, o := range outcomes {
		p := tried[i]
		if o.State == Delivered || o.State == Useless {
			continue
		}
		if o.Err == nil {
			o.Err = errors.New("the sink did not say why")
		}
		if o.State != Untried {
			p.attempts++
		}
		switch {
		case o.State == Untried:
		case o.State == Refused:
			p.refused = o.Err
		case sent == 0:
			p.attempts = 0 // the destination is the reason, not the item
		case p.attempts >= r.o.MaxAttempts:
			p.refused = fmt.Errorf("given up after %d attempts in which others were delivered: %w", p.attempts, o.Err)
		}
		if p.refused != nil {
			err := r.bury(p)
			if err == nil {
				continue
			}
			o.Err = err
		}
		left, after, why = append(left, p), max(after, o.After), o.Err
	}
	return left, after, why
}

// bury writes an item to the dead letters.
func (r *Runner) bury(p pending) error {
	if err := r.letters.write(r.o.Name, p.item.ID, p.refused, p.item.Raw); err != nil {
		return err
	}
	r.count(DeadLettered, 1)
	r.o.Logger.Error("a result was refused by its destination and is in the file of dead letters", "id", p.item.ID, "file", r.letters.path, "reason", p.refused)
	return nil
}

func (r *Runner) count(event Event, n int) {
	if n == 0 {
		return
	}
	if r.o.Metrics != nil {
		r.o.Metrics.Count(r.o.Name, event, n)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Counts[event] += uint64(n)
	if event == Sent {
		r.status.LastSent = time.Now()
	}
}

// failed notes and, the first time and then ever more seldom, logs that delivery does not get on.
func (r *Runner) failed(err error, attempt int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.status.Err == nil {
		r.status.ErrSince = time.Now()
	}
	r.status.Err, r.status.Attempts = err, attempt
	if attempt&(attempt-1) == 0 {
		r.o.Logger.Warn("results cannot be delivered; they are kept and tried again", "attempt", attempt, "since", r.status.ErrSince, "error", err)
	}
}

func (r *Runner) well() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.status.Err != nil {
		r.o.Logger.Info("results are delivered again", "after", time.Since(r.status.ErrSince).Round(time.Millisecond))
	}
	r.status.Err, r.status.Attempts, r.status.ErrSince = nil, 0, time.Time{}
}

// Status may be called at any time.
func (r *Runner) Status() Status {
	stats := r.o.Journal.Stats()
	reader, known := stats.Readers[r.o.Name]
	if !known {
		reader.Lag = stats.Newest + 1 - stats.Oldest // the runner begins with the oldest
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Counts = maps.Clone(s.Counts)
	s.Lag, s.Since = reader.Lag, reader.Since
	return s
}

// pause tells whether it was not ended by the context.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

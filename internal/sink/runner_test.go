package sink_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/journal"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
)

// destination answers as it is told.
type destination struct {
	sinktest.Received
	mu     sync.Mutex
	answer func(id string) sink.Outcome
	calls  int
	most   int
}

func (d *destination) Send(ctx context.Context, items []sink.Item) []sink.Outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	d.most = max(d.most, len(items))
	outcomes := make([]sink.Outcome, len(items))
	for i, item := range items {
		if d.answer != nil {
			outcomes[i] = d.answer(item.ID)
		}
		if outcomes[i].State == sink.Delivered {
			d.Add(item.ID)
		}
	}
	return outcomes
}

func (d *destination) answers(answer func(id string) sink.Outcome) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = answer
}

// counted is a sink.Metrics.
type counted struct {
	mu sync.Mutex
	n  map[sink.Event]int
}

func (c *counted) Count(name string, event sink.Event, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[sink.Event]int{}
	}
	c.n[event] += n
}

func options(t *testing.T, j *journal.Journal, d sink.Sink) sink.Options {
	return sink.Options{
		Name: "test", Sink: d, Journal: j, DeadLetters: filepath.Join(t.TempDir(), "dead"),
		Linger: time.Millisecond, MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond, Drain: 50 * time.Millisecond,
	}
}

func later(string) sink.Outcome {
	return sink.Outcome{State: sink.Retry, Err: errors.New("come back later")}
}

func TestADestinationThatIsDownIsTriedUntilItIsBack(t *testing.T) {
	j := sinktest.Journal(t, t.TempDir())
	d, metrics := &destination{answer: later}, &counted{}
	o := options(t, j, d)
	o.MaxItems, o.Metrics = 7, metrics
	r, _ := sinktest.Run(t, o)
	sinktest.Append(t, j, 0, 100)
	sinktest.Wait(t, "many attempts", func() bool { return r.Status().Attempts > o.MaxItems+10 })
	if s := r.Status(); s.Err == nil || s.Err.Error() != "come back later" || s.Lag != 100 || s.ErrSince.IsZero() {
		t.Errorf("%+v", s)
	}
	d.answers(nil)
	sinktest.Wait(t, "the lag to end", func() bool { s := r.Status(); return s.Lag == 0 && s.Err == nil })
	if twice := d.Want(t, 0, 100); twice > 0 || d.most > 7 {
		t.Errorf("%d twice, batches of %d", twice, d.most)
	}
	metrics.mu.Lock()
	defer metrics.mu.Unlock()
	if metrics.n[sink.Sent] != 100 || metrics.n[sink.DeadLettered] != 0 || metrics.n[sink.Failed] == 0 || metrics.n[sink.Retried] == 0 {
		t.Errorf("%v", metrics.n)
	}
}

func TestWhatIsRefusedIsADeadLetterAndHoldsNothingUp(t *testing.T) {
	j := sinktest.Journal(t, t.TempDir())
	attempts := 0
	d := &destination{answer: func(id string) sink.Outcome {
		switch id {
		case sinktest.ID(3):
			return sink.Outcome{State: sink.Refused, Err: errors.New("do not like it")}
		case sinktest.ID(5):
			attempts++
			return later(id)
		}
		return sink.Outcome{}
	}}
	o := options(t, j, d)
	// One that never gets through while others do counts as refused.
	o.MaxAttempts, o.MaxItems, o.Linger = 1, 10, time.Minute
	sinktest.Append(t, j, 0, 7)
	if err := j.Append(context.Background(), journal.Record{ID: "strange", Payload: []byte("not json")}); err != nil {
		t.Fatal(err)
	}
	sinktest.Append(t, j, 7, 9)
	r, stop := sinktest.Run(t, o)
	sinktest.Wait(t, "the lag to end", func() bool { return r.Status().Lag == 0 })
	stop()
	d.Want(t, 0, 9, sinktest.ID(3), sinktest.ID(5))
	content, err := os.ReadFile(o.DeadLetters)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"id":"` + sinktest.ID(3) + `","reason":"do not like it","result":{"version":1,`,
		`"id":"` + sinktest.ID(5) + `","reason":"given up after 1 attempts in which others were delivered: come back later"`,
		`"id":"strange","reason":"decoding the result strange: invalid character 'o' in literal null (expecting 'u')","raw":"bm90IGpzb24="`,
	} {
		if !strings.Contains(string(content), want) {
			t.Errorf("no %s in %s", want, content)
		}
	}
	if n := bytes.Count(content, []byte("\n")); n != 3 {
		t.Errorf("%d dead letters", n)
	}
}

func TestDeadLettersThatCannotBeWrittenAreKept(t *testing.T) {
	j := sinktest.Journal(t, t.TempDir())
	d := &destination{answer: func(string) sink.Outcome { return sink.Outcome{State: sink.Refused} }}
	o := options(t, j, d)
	folder := filepath.Join(t.TempDir(), "later")
	o.DeadLetters = filepath.Join(folder, "dead")
	sinktest.Append(t, j, 0, 1)
	r, _ := sinktest.Run(t, o)
	sinktest.Wait(t, "some attempts", func() bool { return r.Status().Attempts > 3 })
	if err := r.Status().Err; err == nil || !strings.Contains(err.Error(), "opening the file of dead letters") {
		t.Error(err)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	sinktest.Wait(t, "the lag to end", func() bool { return r.Status().Lag == 0 })
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls != 1 {
		t.Errorf("what was refused was sent %d times", d.calls)
	}
}

func TestRunEndsThoughTheDestinationIsDownAndGoesOnNextTime(t *testing.T) {
	j := sinktest.Journal(t, t.TempDir())
	d := &destination{answer: later}
	o := options(t, j, d)
	o.Drain = time.Millisecond
	sinktest.Append(t, j, 0, 20)
	r, stop := sinktest.Run(t, o)
	sinktest.Wait(t, "an attempt", func() bool { return r.Status().Err != nil })
	stop()
	d.answers(nil)
	o.Drain = time.Minute
	_, stop = sinktest.Run(t, o)
	sinktest.Wait(t, "one to arrive", func() bool { return d.Len() > 0 })
	stop() // what is there is delivered
	d.Want(t, 0, 20)
}

func TestRetryAfterIsHeeded(t *testing.T) {
	j := sinktest.Journal(t, t.TempDir())
	d := &destination{answer: func(id string) sink.Outcome {
		o := later(id)
		o.After = time.Hour
		return o
	}}
	sinktest.Append(t, j, 0, 1)
	r, _ := sinktest.Run(t, options(t, j, d))
	sinktest.Wait(t, "an attempt", func() bool { return r.Status().Err != nil })
	d.answers(nil)
	// With backoff alone, dozens of attempts would come meanwhile. That none does cannot be waited for.
	time.Sleep(100 * time.Millisecond)
	if d.Len() != 0 {
		t.Error("it did not wait")
	}
}

func TestWhatIsNotTriedOrOfNoUseIsNeverADeadLetter(t *testing.T) {
	j := sinktest.Journal(t, t.TempDir())
	attempts, d := 0, &destination{}
	d.answers(func(id string) sink.Outcome {
		switch {
		case id == sinktest.ID(0):
			return sink.Outcome{State: sink.Useless}
		case id == sinktest.ID(99) && attempts < 40:
			attempts++
			return sink.Outcome{State: sink.Untried, Err: errors.New("no time left")}
		case id > sinktest.ID(attempts) && id != sinktest.ID(99): // one more is delivered each time
			return sink.Outcome{State: sink.Untried, Err: errors.New("no time left")}
		}
		return sink.Outcome{}
	})
	o := options(t, j, d)
	o.Linger, o.MaxBackoff = time.Minute, time.Millisecond
	o.MaxItems, o.MaxAttempts = 100, 3
	r, _ := sinktest.Run(t, o)
	sinktest.Append(t, j, 0, 100)
	sinktest.Wait(t, "some attempts", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return attempts == 40 })
	d.answers(func(id string) sink.Outcome { return sink.Outcome{} })
	sinktest.Wait(t, "the lag to end", func() bool { return r.Status().Lag == 0 })
	d.Want(t, 1, 100)
	if c := r.Status().Counts; c[sink.Sent] != 99 || c[sink.Skipped] != 1 || c[sink.Failed] != 0 || c[sink.DeadLettered] != 0 {
		t.Errorf("%v", c)
	}
}

func TestAFilterSkipsAndMovesOn(t *testing.T) {
	j := sinktest.Journal(t, t.TempDir())
	d := &destination{}
	o := options(t, j, d)
	o.Filter = sink.Filter{Severities: []string{"high"}}
	sinktest.Append(t, j, 0, 30)
	r, _ := sinktest.Run(t, o)
	sinktest.Wait(t, "the lag to end", func() bool { return r.Status().Lag == 0 })
	if s := r.Status(); d.Len() != 10 || s.Counts[sink.Skipped] != 20 || s.Counts[sink.Sent] != 10 {
		t.Errorf("%d, %+v", d.Len(), s)
	}
}

func TestASinkThatAnswersTooLittleIsNotTrusted(t *testing.T) {
	j := sinktest.Journal(t, t.TempDir())
	sinktest.Append(t, j, 0, 2)
	r, _ := sinktest.Run(t, options(t, j, mute{}))
	sinktest.Wait(t, "an attempt", func() bool { return r.Status().Err != nil })
	if s := r.Status(); s.Lag != 2 || !strings.Contains(s.Err.Error(), "0 answers for 2 results") {
		t.Errorf("%+v", s)
	}
}

type mute struct{}

func (mute) Send(context.Context, []sink.Item) []sink.Outcome { return nil }

func TestOptionsAreChecked(t *testing.T) {
	if _, err := sink.NewRunner(sink.Options{}); err == nil {
		t.Error("a sink without anything")
	}
	o := options(t, sinktest.Journal(t, t.TempDir()), mute{})
	o.Filter.Gates = []sink.Gate{"x"}
	if _, err := sink.NewRunner(o); err == nil || !strings.HasPrefix(err.Error(), "sink test: ") {
		t.Error(err)
	}
}

package changes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/sqlite"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
)

var everything = store.Query{Scope: store.Scope{All: true}}

func newStore(t testing.TB, o Options) *Store {
	t.Helper()
	kept, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(kept, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func add(t testing.TB, s *Store, results ...*sink.Result) {
	t.Helper()
	if _, err := s.Add(t.Context(), "here", results); err != nil {
		t.Fatal(err)
	}
}

// read waits until all that was added has been read.
func read(s *Store) { s.worker.Wait() }

// told is what a follower is told, in short.
func told(f *Follower) []string {
	all := []string{}
	for {
		batch, lost, _ := f.Next(2)
		if lost {
			all = append(all, "lost")
		}
		for _, c := range batch {
			all = append(all, fmt.Sprintf("%s %s %s", c.Kind, c.Violation.Gate, c.Violation.Status))
		}
		if len(batch) == 0 && !lost {
			return all
		}
	}
}

func TestWhatBecameOfAViolationIsToldByWhatItWasBefore(t *testing.T) {
	at := func(minutes int) func(*sink.Result) { return storetest.After(time.Duration(minutes) * time.Minute) }
	opened, changed, unchanged := storetest.Life(sink.Opened, ""), storetest.Life(sink.Changed, ""), storetest.Life(sink.Unchanged, "")
	resolved := storetest.Life(sink.Resolved, "object fixed")
	warned, refused := storetest.Admission(false), storetest.Admission(true)
	complied := func(r *sink.Result) { warned(r); storetest.Status(weave.StatusCompliance)(r) }
	n := 0
	result := func(changes ...func(*sink.Result)) *sink.Result {
		n++
		return storetest.Result(fmt.Sprintf("%08d-0000-4000-8000-000000000000", n), changes...)
	}
	type batch = []*sink.Result
	for name, test := range map[string]struct {
		batches []batch
		want    []string
	}{
		"its life": {[]batch{{result(opened)}, {result(changed, at(1))}, {result(unchanged, at(2))}, {result(resolved, at(3))}, {result(opened, at(4))}},
			[]string{"opened audit open", "changed audit open", "resolved audit resolved", "opened audit open"}},
		"all at once":               {[]batch{{result(opened), result(changed, at(1)), result(resolved, at(2))}}, []string{"resolved audit resolved"}},
		"new by several results":    {[]batch{{result(opened), result(changed, at(1))}}, []string{"opened audit open"}},
		"resolved without an open":  {[]batch{{result(resolved)}}, []string{"resolved audit resolved"}},
		"an exception":              {[]batch{{result(opened)}, {result(storetest.Accepted("small"), at(1))}, {result(opened, at(2))}}, []string{"opened audit open", "changed audit excepted", "opened audit open"}},
		"refused again and again":   {[]batch{{result(refused)}, {result(refused, at(1))}}, []string{"resolved admission resolved", "resolved admission resolved"}},
		"warned, and then complied": {[]batch{{result(warned)}, {result(warned, at(1))}, {result(complied, at(2))}, {result(complied, at(3))}}, []string{"opened admission open", "changed admission open", "resolved admission resolved"}},
		"only ever complied":        {[]batch{{result(complied)}}, []string{}},
		"resolved by audit":         {[]batch{{result(warned)}, {result(opened, at(1))}, {result(resolved, at(2))}}, []string{"opened admission open", "opened audit open", "resolved audit resolved", "resolved admission resolved"}},
		"too late to matter":        {[]batch{{result(opened, at(5))}, {result(changed, at(1))}}, []string{"opened audit open", "changed audit open"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, Options{})
			f := s.Follow("")
			defer f.Leave()
			got := []string{}
			for _, results := range test.batches {
				add(t, s, results...)
				read(s)
				got = append(got, told(f)...)
				add(t, s, results...) // sent again
				read(s)
			}
			if got = append(got, told(f)...); cmp.Diff(test.want, got) != "" {
				t.Error(cmp.Diff(test.want, got))
			}
		})
	}
}

func TestWhoLooksAtOneStatusIsToldWhenItEnds(t *testing.T) {
	s := newStore(t, Options{})
	f := s.Follow("")
	defer f.Leave()
	open := everything
	open.Statuses = []store.Status{store.Open}
	for i, want := range []bool{true, true, false} {
		add(t, s, storetest.Result(fmt.Sprint(i), []func(*sink.Result){storetest.Life(sink.Opened, ""), storetest.Life(sink.Resolved, "object fixed"), storetest.Admission(true)}[i], storetest.After(time.Duration(i)*time.Minute)))
		read(s)
		batch, _, _ := f.Next(10)
		if len(batch) != 1 || batch[0].Concerns(&open) != want || batch[0].Violation.Document != nil {
			t.Errorf("%d: got %+v", i, batch)
		}
		for _, other := range []store.Query{{}, {Scope: store.Scope{Namespaces: map[string][]string{"here": {"other"}, "there": {"shop"}}}}} {
			if len(batch) == 1 && batch[0].Concerns(&other) {
				t.Errorf("%d concerns %+v", i, other)
			}
		}
	}
}

func TestWhoIsTooSlowIsTold(t *testing.T) {
	s := newStore(t, Options{})
	f, slow := s.Follow(""), s.Follow("")
	defer f.Leave()
	defer slow.Leave()
	message := strings.Repeat("x", maxBytes/4)
	for i := range 8 {
		add(t, s, storetest.Result(fmt.Sprint(i), storetest.Object("Deployment", "shop", fmt.Sprint(i)), func(r *sink.Result) { r.Validation.Message = message }))
		read(s)
		if got := told(f); len(got) != 1 {
			t.Fatalf("got %v", got)
		}
	}
	if got := told(slow); cmp.Diff([]string{"lost"}, got) != "" {
		t.Errorf("got %v", got)
	}
	if s.bytes > maxBytes || len(s.window) > 4 {
		t.Errorf("%d bytes of %d changes are kept", s.bytes, len(s.window))
	}
	add(t, s, storetest.Result("later"))
	read(s)
	if got := told(slow); len(got) != 1 || got[0] == "lost" {
		t.Errorf("got %v", got)
	}
}

func TestPlacesHoldForAWhile(t *testing.T) {
	now := time.Now()
	s := newStore(t, Options{Now: func() time.Time { return now }})
	n := 0
	happens := func() {
		n++
		add(t, s, storetest.Result(fmt.Sprint(n), storetest.Object("Deployment", "shop", fmt.Sprint(n))))
		read(s)
	}
	happens() // nobody knows
	f := s.Follow("")
	begin := f.Place()
	if got := told(f); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	happens()
	batch, _, _ := f.Next(10)
	happens()
	first := f.After(&batch[0])
	f.Leave()
	now = now.Add(linger - time.Second)
	happens()
	for place, want := range map[string]int{begin: 3, first: 2} {
		f := s.Follow(place)
		if got := told(f); len(got) != want || got[0] == "lost" {
			t.Errorf("got %v, want %d", got, want)
		}
		if last := s.Follow(f.Place()); len(told(last)) != 0 {
			t.Error("the place after everything is not the end")
		} else {
			last.Leave()
		}
		f.Leave()
	}
	now = now.Add(linger)
	happens()
	other := newStore(t, Options{})
	stranger := other.Follow("")
	defer stranger.Leave()
	for _, place := range []string{begin, first, "x", "", stranger.Place()} {
		f := s.Follow(place)
		if got := told(f); (len(got) == 1 && got[0] == "lost") != (place != "") {
			t.Errorf("%q: got %v", place, got)
		}
		f.Leave()
	}
	f = s.Follow("")
	defer f.Leave()
	if one, same := f.Place(), f.Place(); one == same {
		t.Error("places can be compared, and who sees nothing learns when something happened")
	}
}

func TestWhatCannotBeReadIsLost(t *testing.T) {
	s := newStore(t, Options{})
	s.Store = broken{s.Store}
	f := s.Follow("")
	defer f.Leave()
	_, _, more := f.Next(1)
	add(t, s, storetest.Result("r1"))
	<-more
	if got := told(f); cmp.Diff([]string{"lost"}, got) != "" {
		t.Errorf("got %v", got)
	}
}

func TestTooMuchAtOnceIsLost(t *testing.T) {
	s := newStore(t, Options{})
	f := s.Follow("")
	defer f.Leave()
	var results []*sink.Result
	for i := range maxWaiting + 1 {
		results = append(results, storetest.Result(fmt.Sprint(i), storetest.Object("Deployment", "shop", fmt.Sprint(i))))
	}
	s.tell("here", results)
	if got := told(f); cmp.Diff([]string{"lost"}, got) != "" {
		t.Errorf("got %v", got)
	}
}

// broken is a store that reads no histories.
type broken struct{ store.Store }

func (broken) History(context.Context, store.Scope, string, int) ([]store.Event, error) {
	return nil, errors.New("the disk is gone")
}

// BenchmarkTelling is what the reader of changes does for each violation, beside intake.
func BenchmarkTelling(b *testing.B) {
	s := newStore(b, Options{})
	f := s.Follow("")
	defer f.Leave()
	var results []*sink.Result
	for i := range 1000 {
		results = append(results, storetest.Result(fmt.Sprint(i), storetest.Object("Deployment", "shop", fmt.Sprint(i))))
	}
	add(b, s, results...)
	read(s)
	b.ResetTimer()
	for range b.N {
		s.tell("here", results)
		read(s)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(results)), "µs/violation")
}

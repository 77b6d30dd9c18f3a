package sqlite

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/sink"
)

// daysOf adds results of so many days to a store whose clock stands at the end of the last: each day every violation is found again with another
// message, and some are resolved.
func daysOf(t *testing.T, s *Store, days, violations int) {
	t.Helper()
	s.options.Now = func() time.Time { return storetest.Start.Add(time.Duration(days) * 24 * time.Hour) }
	for day := range days {
		var results []*sink.Result
		for n := range violations {
			r := storetest.Result(fmt.Sprintf("00000000-0000-4000-%04x-%012x", day, n), storetest.Object("Pod", fmt.Sprint("ns-", n%20), fmt.Sprint("pod-", n)),
				storetest.Life(sink.Changed, ""))
			if n%4 == 0 && day%10 == 9 {
				r.Life, r.Resolution = sink.Resolved, fmt.Sprint("fixed on day ", day)
			}
			r.Validation.CreatedAt = storetest.Start.Add(time.Duration(day) * 24 * time.Hour)
			r.Validation.Message = fmt.Sprintf("on day %d pod %d was found to be what it should not be, as the days before", day, n)
			results = append(results, r)
		}
		add(t, s, "one", results...)
	}
}

// histories of all violations, by ID.
func histories(t *testing.T, s *Store) map[string][]store.Event {
	t.Helper()
	all := map[string][]store.Event{}
	page := store.Page{Order: store.ByObject, Limit: 1000}
	for {
		list, err := s.Violations(context.Background(), whenever(), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range list.Items {
			if all[v.ID], err = s.History(context.Background(), everything.Scope, v.ID, 1000); err != nil {
				t.Fatal(err)
			}
		}
		if page.Cursor = list.Next; page.Cursor == "" {
			return all
		}
	}
}

func TestAStoreThatIsTooLargeForgetsTheOldestAndNoMore(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := open(t, dir)
	daysOf(t, s, 30, 200)
	before, results := histories(t, s), s.results
	used, err := s.Used(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if done, err := s.Shrink(ctx, used); err != nil || done.Results != 0 {
		t.Fatalf("what fits is shrunk: %+v, %v", done, err)
	}
	limit := used * 7 / 10
	done, err := s.Shrink(ctx, limit)
	t.Logf("%d results in %d bytes, limit %d: %+v, %v", results, used, limit, done, err)
	if err != nil || done.After > limit || done.Before != used || s.results != results-done.Results {
		t.Fatalf("%+v, %v", done, err)
	}
	if done.Results > results*6/10 {
		t.Errorf("%d of %d results were forgotten for three tenths of the room, and one more", done.Results, results)
	}
	if done.After < limit*7/10 {
		t.Errorf("of %d bytes %d are left, and %d were allowed", used, done.After, limit)
	}
	// What is left is the newest, whole.
	var cut time.Time
	after := histories(t, s)
	for _, events := range after {
		if oldest := events[len(events)-1].Time; cut.IsZero() || oldest.Before(cut) {
			cut = oldest
		}
	}
	for id, events := range before {
		var want []store.Event
		for _, e := range events {
			if !e.Time.Before(cut) {
				want = append(want, e)
			}
		}
		if diff := cmp.Diff(want, after[id]); diff != "" {
			t.Fatal(diff)
		}
	}
	// What comes afterwards uses what is free: the file does not grow for it.
	var pages, more int
	if err := s.readers.QueryRow(`PRAGMA page_count`).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	add(t, s, "one", batchOf("more")...)
	if err := s.readers.QueryRow(`PRAGMA page_count`).Scan(&more); err != nil || more > pages {
		t.Errorf("%d pages became %d, %v", pages, more, err)
	}
	var check string
	if err := s.readers.QueryRow(`PRAGMA integrity_check`).Scan(&check); err != nil || check != "ok" {
		t.Errorf("%s, %v", check, err)
	}
	want := answers(t, s)
	shut(t, s)
	if diff := cmp.Diff(want, answers(t, open(t, dir))); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsAddedWhileAStoreShrinksIsWhole(t *testing.T) {
	ctx, end := context.WithTimeout(context.Background(), time.Minute)
	defer end()
	s := open(t, t.TempDir())
	daysOf(t, s, 30, 200)
	used, err := s.Used(ctx)
	if err != nil {
		t.Fatal(err)
	}
	now := s.options.Now()
	stop, ended := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { ended <- n }()
		for ; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			// Each message is one of the oldest, which are being swept, and moves to the history with the next.
			r := storetest.Result(fmt.Sprint("while-", n), storetest.Object("Pod", "while", "it-shrinks"), storetest.Life(sink.Changed, ""))
			r.Validation.CreatedAt = now.Add(time.Duration(n) * time.Millisecond)
			r.Validation.Message = fmt.Sprintf("on day 0 pod %d was found to be what it should not be, as the days before", n%200)
			if added, err := s.Add(ctx, "one", []*sink.Result{r}); err != nil || added != 1 {
				t.Errorf("added %d: %v", added, err)
				return
			}
		}
	}()
	done, err := s.Shrink(ctx, used/2)
	close(stop)
	n := <-ended
	t.Logf("%+v, %d were added meanwhile", done, n)
	if err != nil {
		t.Fatal(err)
	}
	var lost int
	if err := s.readers.QueryRow(`SELECT count(*) FROM history h WHERE (h.message > 0 AND h.message NOT IN (SELECT id FROM texts)) OR
		(h.resolution > 0 AND h.resolution NOT IN (SELECT id FROM texts)) UNION ALL
		SELECT count(*) FROM violations WHERE pass > 0 AND pass NOT IN (SELECT id FROM texts) ORDER BY 1 DESC`).Scan(&lost); err != nil || lost > 0 {
		t.Errorf("%d results lost a text, %v", lost, err)
	}
	if err := s.readers.QueryRow(`SELECT count(*) FROM texts WHERE id NOT IN (SELECT coalesce(message, 0) FROM history UNION SELECT resolution FROM history
		UNION SELECT operation FROM history UNION SELECT revision FROM history UNION SELECT pass FROM history)`).Scan(&lost); err != nil || lost > 2*n+200 {
		t.Errorf("%d texts are left that nothing refers to, %v", lost, err)
	}
	if s.writer.used != nil {
		t.Error("the sweep has not ended")
	}
}

func TestTheLastHourIsNeverForgottenForItsSize(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	daysOf(t, s, 10, 100)
	now := s.options.Now()
	var results []*sink.Result
	for n := range 50 {
		r := storetest.Result(fmt.Sprint("new-", n), storetest.Object("Pod", "new", fmt.Sprint(n)))
		r.Validation.CreatedAt = now.Add(-time.Minute)
		results = append(results, r)
	}
	add(t, s, "one", results...)
	done, err := s.Shrink(ctx, 4096)
	if !errors.Is(err, ErrTooSmall) || s.results != 50 {
		t.Errorf("%d results are left, %+v, %v", s.results, done, err)
	}
	if done, err = s.Shrink(ctx, 4096); !errors.Is(err, ErrTooSmall) || done.Results != 0 {
		t.Errorf("again: %+v, %v", done, err)
	}
}

func TestPoliciesThatNothingRefersToAreForgotten(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := open(t, dir)
	s.options.Now = func() time.Time { return storetest.Start.Add(100 * 24 * time.Hour) }
	result := func(day int, name, code string, change func(*sink.Result)) *sink.Result {
		return storetest.Result(fmt.Sprint(name, "-", day), storetest.Object("Pod", "shop", name), change, storetest.After(time.Duration(day)*24*time.Hour),
			func(r *sink.Result) { r.Validation.Policy.Code = code })
	}
	opened, resolved := storetest.Life(sink.Opened, ""), storetest.Life(sink.Resolved, "object fixed")
	add(t, s, "one",
		result(1, "gone", "first", opened), result(2, "gone", "second", resolved), result(1, "open", "third", opened),
		result(1, "changed", "fourth", opened), result(50, "changed", "fifth", opened), result(1, "changes", "sixth", opened))
	used := s.writer.policies
	if len(used) != 6 {
		t.Fatalf("there are %d policies", len(used))
	}
	if _, err := s.Forget(ctx, storetest.Start.Add(10*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := s.readers.QueryRow(`SELECT count(*) FROM policies`).Scan(&left); err != nil || left != 3 || len(s.writer.policies) != 3 || len(s.writer.byID) != 3 {
		t.Errorf("%d, %d and %d are left, %v", left, len(s.writer.policies), len(s.writer.byID), err)
	}
	// What comes again is there again.
	add(t, s, "one", result(60, "gone", "first", opened), result(61, "changes", "seventh", opened))
	want := answers(t, s)
	shut(t, s)
	if diff := cmp.Diff(want, answers(t, open(t, dir))); diff != "" {
		t.Error(diff)
	}
}

// TestPoliciesThatAreUsedWhileTheyAreForgottenStay, whichever of the two is first.
func TestPoliciesThatAreUsedWhileTheyAreForgottenStay(t *testing.T) {
	ctx, end := context.WithTimeout(context.Background(), time.Minute)
	defer end()
	s := open(t, t.TempDir())
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			// Each policy is used again after others were.
			r := storetest.Result(fmt.Sprint("r-", n), storetest.Object("Pod", "shop", "web"), storetest.After(time.Duration(n)*time.Second),
				func(r *sink.Result) { r.Validation.Policy.Code = fmt.Sprint(n % 7) })
			if added, err := s.Add(ctx, "one", []*sink.Result{r}); err != nil || added != 1 {
				t.Errorf("added %d: %v", added, err)
				return
			}
		}
	}()
	for range 50 {
		if err := s.sweepPolicies(ctx); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	<-ended
	var lost int
	if err := s.readers.QueryRow(`SELECT (SELECT count(*) FROM violations WHERE policy NOT IN (SELECT id FROM policies)) +
		(SELECT count(*) FROM documents WHERE policy NOT IN (SELECT id FROM policies))`).Scan(&lost); err != nil || lost > 0 {
		t.Errorf("%d lost their policy, %v", lost, err)
	}
	if s.writer.usedPolicies != nil {
		t.Error("the sweep has not ended")
	}
}

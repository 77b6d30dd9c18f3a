package storetest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/sink"
)

// testPagesWhileAdding pages through a list to which results are added: what was there at first comes once, whatever else does.
func (without Without) testPagesWhileAdding(t *testing.T, s store.Store) {
	for _, order := range orders {
		for _, ascending := range []bool{false, true} {
			cluster := fmt.Sprint(order, ascending)
			n := 0
			grow := func() {
				var results []*sink.Result
				for range 10 {
					n++
					results = append(results, Result(fmt.Sprint(n), Object("Pod", fmt.Sprint("ns-", n%3), fmt.Sprint(n*7919%1000)), After(time.Duration(n*7919%1000)*time.Second),
						Policy(fmt.Sprint(n*31%17), fmt.Sprint(n*31%17), "", []string{"low", "high", ""}[n%3])))
				}
				add(t, s, cluster, len(results), results...)
			}
			for range 5 {
				grow()
			}
			q := store.Query{Scope: everything, Clusters: []string{cluster}}
			page := store.Page{Order: order, Ascending: ascending, Limit: 7}
			first := list(t, s, q, page)
			seen := map[string]int{}
			var all []store.Violation
			for {
				got, err := s.Violations(context.Background(), q, page)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range got.Items {
					seen[v.ID]++
				}
				all = append(all, got.Items...)
				if page.Cursor = got.Next; got.Next == "" {
					break
				}
				if n < min(200, without.of(600)) {
					grow()
				}
			}
			for _, v := range first {
				if seen[v.ID] != 1 {
					t.Errorf("%s: %s came %d times", cluster, v.ID, seen[v.ID])
				}
			}
			for id, times := range seen {
				if times != 1 {
					t.Errorf("%s: %s came %d times", cluster, id, times)
				}
			}
			compare := inOrder(page)
			for i := 1; i < len(all); i++ {
				if compare(all[i-1], all[i]) >= 0 {
					t.Errorf("%s: %s is before %s", cluster, all[i-1].ID, all[i].ID)
				}
			}
		}
	}
}

func testBadQuestions(t *testing.T, s store.Store) {
	ctx := context.Background()
	for i := range 5 {
		add(t, s, "one", 1, Result(fmt.Sprint(i), Object("Pod", "shop", fmt.Sprint(i))))
	}
	q := store.Query{Scope: everything}
	got, err := s.Violations(ctx, q, store.Page{Order: store.ByLastSeen, Limit: 2})
	if err != nil || got.Next == "" {
		t.Fatal(got, err)
	}
	for name, test := range map[string]struct {
		page store.Page
		want error
	}{
		"a cursor of nobody":            {store.Page{Order: store.ByLastSeen, Limit: 2, Cursor: "'; --"}, store.ErrCursor},
		"a cursor with more":            {store.Page{Order: store.ByLastSeen, Limit: 2, Cursor: got.Next[:4]}, store.ErrCursor},
		"a cursor of another order":     {store.Page{Order: store.ByPolicy, Limit: 2, Cursor: got.Next}, store.ErrCursor},
		"a cursor of another direction": {store.Page{Order: store.ByLastSeen, Ascending: true, Limit: 2, Cursor: got.Next}, store.ErrCursor},
		"no order":                      {store.Page{Limit: 2}, store.ErrInvalid},
		"no limit":                      {store.Page{Order: store.ByLastSeen}, store.ErrInvalid},
		"a limit below none":            {store.Page{Order: store.ByLastSeen, Limit: -1}, store.ErrInvalid},
		"a limit above all":             {store.Page{Order: store.ByLastSeen, Limit: 1001}, store.ErrInvalid},
	} {
		if _, err := s.Violations(ctx, q, test.page); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Facets(ctx, q, []store.Dimension{"mood"}, 10); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a dimension that there is not: %v", err)
	}
	if _, err := s.Facets(ctx, q, dimensions, 0); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("no facets: %v", err)
	}
	for name, days := range map[string][2]time.Time{"backwards": {Start, Start.AddDate(0, 0, -1)}, "for ever": {{}, Start}} {
		if _, err := s.Timeline(ctx, store.Query{Scope: everything, From: days[0], To: days[1]}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("a timeline %s: %v", name, err)
		}
	}
	for _, id := range []string{"", "x", "%", got.Items[0].ID + "0", got.Items[0].ID[:30] + "ZZ"} {
		if _, err := s.Violation(ctx, everything, id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("violation %q: %v", id, err)
		}
		if _, err := s.History(ctx, everything, id, 1); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("history of %q: %v", id, err)
		}
	}
	if _, err := s.History(ctx, everything, got.Items[0].ID, 0); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("no history: %v", err)
	}
	q.Text = strings.Repeat("x", store.MaxText+1)
	if _, err := s.Violations(ctx, q, store.Page{Order: store.ByLastSeen, Limit: 2}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a text that is too long: %v", err)
	}
	q.Text = ""
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Violations(ended, q, store.Page{Order: store.ByLastSeen, Limit: 2}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended: %v", err)
	}
}

func testClusters(t *testing.T, s store.Store) {
	before := time.Now()
	add(t, s, "b", 1, Result("1"))
	add(t, s, "a", 0)
	add(t, s, "b", 1, Result("2", func(r *sink.Result) { r.Validation.CreatedAt = time.Now().Add(time.Hour) }))
	add(t, s, "b", 0)
	clusters, err := s.Clusters(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(clusters) != 2 || clusters[0].Name != "a" || clusters[1].Name != "b" {
		t.Fatalf("%+v", clusters)
	}
	b := clusters[1]
	if b.FirstSeen.Before(before) || b.LastSeen.Before(b.FirstSeen) || b.LastSeen.After(time.Now()) || b.Skew < 59*time.Minute || b.Skew > time.Hour {
		t.Errorf("%+v", b)
	}
	if clusters[0].Skew != 0 {
		t.Errorf("%+v", clusters[0])
	}
}

func testForget(t *testing.T, s store.Store) {
	ctx := context.Background()
	day := 24 * time.Hour
	object := func(name string) func(*sink.Result) { return Object("Pod", "shop", name) }
	fixed := Life(sink.Resolved, "object fixed")
	add(t, s, "one", 8,
		Result("open-1", object("open")), Result("open-2", object("open"), After(5*day), Life(sink.Unchanged, "")),
		Result("still-1", object("still")),
		Result("old-1", object("old")), Result("old-2", object("old"), After(day), fixed),
		Result("young-1", object("young")), Result("young-2", object("young"), After(5*day), fixed),
		Result("excepted-1", object("excepted"), Accepted("small")),
	)
	before := Start.Add(day + time.Hour)
	removed, err := s.Forget(ctx, before)
	if err != nil {
		t.Fatal(err)
	}
	if removed != 6 {
		t.Errorf("%d results removed, want 6", removed)
	}
	if removed, err = s.Forget(ctx, before); err != nil || removed != 0 {
		t.Errorf("again: %d, %v", removed, err)
	}
	q := store.Query{Scope: everything, From: Start, To: Start.Add(6 * day)}
	var names []string
	for _, v := range list(t, s, store.Query{Scope: everything}, store.Page{Order: store.ByObject, Limit: 10}) {
		names = append(names, v.Name)
		if full, err := s.Violation(ctx, everything, v.ID); err != nil || full.Document == nil {
			t.Errorf("%s: %v, %v", v.Name, full, err)
		}
	}
	if diff := cmp.Diff([]string{"open", "still", "young"}, names); diff != "" {
		t.Error(diff)
	}
	events, err := s.History(ctx, everything, IDOf("one", Result("", object("open"))), 10)
	if err != nil || len(events) != 1 || events[0].ResultID != "open-2" {
		t.Errorf("%v, %v", events, err)
	}
	if stats, err := s.Stats(ctx); err != nil || stats.Results != 2 || stats.Violations != 3 || stats.Open != 2 {
		t.Errorf("%+v, %v", stats, err)
	}
	// Who comes next has nothing of what was there before.
	add(t, s, "two", 2, Result("next-1", object("next"), After(5*day)), Result("next-2", object("next-2"), After(5*day)))
	q.Scope = store.Scope{Clusters: []string{"two"}}
	days, err := s.Timeline(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range days {
		if want := map[int]int{5: 2}[i]; d.Opened != want || d.Resolved+d.Denied+d.Warned != 0 {
			t.Errorf("day %d: %+v", i, d)
		}
	}
	// What was forgotten may come again.
	add(t, s, "one", 1, Result("old-1", object("old")))
}

func (without Without) testBackup(t *testing.T, s store.Store) {
	ctx := context.Background()
	add(t, s, "one", 1, Result("a"))
	dir := t.TempDir()
	path := filepath.Join(dir, "backup with a ' and %20?#")
	if without.Backups {
		err := s.Backup(ctx, path)
		if files, globErr := filepath.Glob(filepath.Join(dir, "*")); err == nil || globErr != nil || len(files) > 0 {
			t.Errorf("a store without backups made %v: %v, %v", files, err, globErr)
		}
		return
	}
	if err := s.Backup(ctx, path); err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(ctx, path); err == nil {
		t.Error("a backup was overwritten")
	}
	if err := s.Backup(ctx, filepath.Join(dir, "nowhere", "backup")); err == nil {
		t.Error("a backup was written nowhere")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}

// testConcurrent has readers, and writers that do the same work. Each answer must be of one moment, or, without moments, have nothing twice.
func (without Without) testConcurrent(t *testing.T, s store.Store) {
	ctx := context.Background()
	batches, size := without.of(40), 10
	done := make(chan struct{})
	var writers, readers sync.WaitGroup
	var added [2]int
	for w := range added {
		writers.Go(func() {
			for b := range batches {
				// A batch is of one namespace: half of it is never seen.
				var results []*sink.Result
				for i := range size {
					results = append(results, Result(fmt.Sprint(b, "-", i), Object("Pod", fmt.Sprint(b), fmt.Sprint(i))))
				}
				n, err := s.Add(ctx, "one", results)
				if err != nil {
					t.Error(err)
				}
				added[w] += n
			}
		})
	}
	for range 3 {
		readers.Go(func() {
			for {
				facets, err := s.Facets(ctx, store.Query{Scope: everything}, []store.Dimension{store.Namespaces}, 1000)
				if err != nil {
					t.Error(err)
				}
				for _, c := range facets[store.Namespaces] {
					if c.Count > size || c.Count != size && !without.Moments {
						t.Errorf("%d of namespace %s", c.Count, c.Value)
					}
				}
				page, err := s.Violations(ctx, store.Query{Scope: everything}, store.Page{Order: store.ByObject, Limit: 1000})
				if err != nil || len(page.Items)%size != 0 && !without.Moments {
					t.Errorf("%d violations, %v", len(page.Items), err)
				}
				for _, v := range page.Items[:min(1, len(page.Items))] {
					if v, err := s.Violation(ctx, everything, v.ID); err != nil || v.Document == nil {
						t.Errorf("%v, %v", v, err)
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	for _, v := range list(t, s, store.Query{Scope: everything}, store.Page{Order: store.ByObject, Limit: 1000}) {
		if v.Count != 1 {
			t.Errorf("%s/%s counts %d results", v.Namespace, v.Name, v.Count)
		}
	}
	if added[0]+added[1] != batches*size {
		t.Errorf("%d and %d were new, together %d", added[0], added[1], batches*size)
	}
}

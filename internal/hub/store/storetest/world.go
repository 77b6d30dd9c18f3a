package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
)

// Words that are asked for are those that are there, and one that is not. Some are hard to write down.
var (
	worldClusters   = []string{"prod-eu", "prod-us", `o'dev "%_"`}
	worldNamespaces = []string{"", "shop", "shop_2", "shop%", "päy\x00load", "Ünïcode'; DROP TABLE violations; --"}
	worldWorkspaces = []string{"", "team-a", "team-b"}
	worldKinds      = []string{"Deployment", "Pod", "Namespace"}
	worldNames      = []string{"web", "WEB", "a", "100%", "under_score", `qu"ot'e`, "nul\x00name", "日本語", "in", "straße"}
	worldTexts      = []string{"", "web", "WEB", "%", "_", "'", `"`, "eplica", "MINIMUM", "deployment web", "t web (", "in a", "日本", "nul\x00", "ß", "nobody says this", "İ", "s in in", " ("}
)

// world is a store and what it must hold.
type world struct {
	store   store.Store
	random  *rand.Rand
	results map[string][]*sink.Result
	n       int
}

func newWorld(t *testing.T, s store.Store, seed uint64, results int) *world {
	w := &world{store: s, random: rand.New(rand.NewPCG(seed, 1)), results: map[string][]*sink.Result{}}
	w.grow(t, results)
	return w
}

func pick[T any](w *world, list []T) T { return list[w.random.IntN(len(list))] }

// grow adds random results.
func (w *world) grow(t *testing.T, results int) {
	t.Helper()
	for results > 0 {
		cluster := pick(w, worldClusters)
		var batch []*sink.Result
		for range min(results, 1+w.random.IntN(100)) {
			r := w.result()
			batch = append(batch, r)
			id := IDOf(cluster, r)
			w.results[id] = append(w.results[id], r)
		}
		add(t, w.store, cluster, len(batch), batch...)
		results -= len(batch)
	}
}

func (w *world) result() *sink.Result {
	w.n++
	policies := []func(*sink.Result){
		Policy("replicas", "Minimum Replica Count", "reliability", "medium", weave.Standard{ID: "soc2", Controls: []string{"1.1", "a/b"}}, weave.Standard{ID: "cis", Controls: []string{"5"}}),
		Policy("replicas", "Minimum Replica Count, renamed", "reliability", "high"),
		Policy("priv_ileged", "Privileged %", "security", "high", weave.Standard{ID: "cis/k8s", Controls: []string{"5"}}),
		Policy("labels", "labels'", "", "low"),
		Policy("mystery", "mystery", "", ""),
	}
	lives := []func(*sink.Result){
		Life(sink.Opened, ""), Life(sink.Opened, ""), Life(sink.Unchanged, ""), Life(sink.Changed, ""), Life(sink.Resolved, "object fixed"), Accepted("small"), Accepted("large"),
		Admission(false), Admission(true), func(r *sink.Result) { Admission(false)(r); Status(weave.StatusCompliance)(r) },
		func(r *sink.Result) { Admission(true)(r); r.Gate = sink.Terraform },
	}
	return Result(fmt.Sprintf("%08d-0000-4000-8000-000000000000", w.n),
		Object(pick(w, worldKinds), pick(w, worldNamespaces), pick(w, worldNames)), pick(w, policies), pick(w, lives),
		After(time.Duration(w.random.IntN(20*24*60))*time.Minute), func(r *sink.Result) {
			r.Workspace = pick(w, worldWorkspaces)
			if w.random.IntN(3) == 0 {
				r.App = nil
			}
			if w.random.IntN(5) == 0 {
				r.Validation.Message = pick(w, worldTexts)
			}
		})
}

// all violations, by their IDs.
func (w *world) all(t *testing.T) []store.Violation {
	t.Helper()
	var all []store.Violation
	for id := range w.results {
		v, err := w.store.Violation(context.Background(), everything, id)
		if err == store.ErrNotFound {
			continue // only ever compliant
		}
		if err != nil {
			t.Fatal(err)
		}
		v.Document = nil
		all = append(all, *v)
	}
	return all
}

func (w *world) some(words []string) []string {
	if w.random.IntN(5) > 0 {
		return nil
	}
	words = append(slices.Clone(words), "nobody's")
	w.random.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	return words[:1+w.random.IntN(len(words)-1)]
}

func (w *world) scope() store.Scope {
	if w.random.IntN(2) == 0 {
		return everything
	}
	s := store.Scope{Clusters: w.some(worldClusters), Namespaces: map[string][]string{}}
	for _, cluster := range append(worldClusters, "nobody's") {
		s.Namespaces[cluster] = w.some(worldNamespaces)
	}
	return s
}

func (w *world) query() store.Query {
	q := store.Query{
		Scope: w.scope(), Clusters: w.some(worldClusters), Namespaces: w.some(worldNamespaces), Workspaces: w.some(worldWorkspaces),
		Apps: w.some([]string{"Kustomization/flux-system/apps", ""}), Kinds: w.some(worldKinds), Names: w.some(worldNames),
		Policies: w.some([]string{"replicas", "priv_ileged", "labels"}), Categories: w.some([]string{"reliability", "security", ""}),
		Severities: w.some([]string{"high", "medium", "low", ""}), Standards: w.some([]string{"soc2", "cis", "cis/k8s"}),
		Exceptions: w.some([]string{"small", "large", ""}),
		Controls:   w.some([]string{"soc2/1.1", "cis/5", "soc2/a/b", "cis/k8s/5", "cis"}),
	}
	if w.random.IntN(4) == 0 {
		q.Gates = []sink.Gate{pick(w, []sink.Gate{sink.Audit, sink.Admission, sink.Terraform, "nobody's"})}
	}
	if w.random.IntN(4) == 0 {
		q.Statuses = []store.Status{pick(w, []store.Status{store.Open, store.Resolved, store.Excepted, "nobody's"})}
	}
	if w.random.IntN(4) == 0 {
		enforced := w.random.IntN(2) == 0
		q.Enforced = &enforced
	}
	if w.random.IntN(4) == 0 {
		q.From = Start.Add(time.Duration(w.random.IntN(20*24*60)) * time.Minute)
	}
	if w.random.IntN(4) == 0 {
		q.To = Start.Add(time.Duration(w.random.IntN(20*24*60)) * time.Minute)
	}
	if w.random.IntN(6) == 0 {
		q.FirstFrom = Start.Add(time.Duration(w.random.IntN(10*24*60)) * time.Minute)
	}
	if w.random.IntN(6) == 0 {
		q.FirstTo = Start.Add(time.Duration(w.random.IntN(20*24*60)) * time.Minute)
	}
	if w.random.IntN(3) == 0 {
		q.Text = pick(w, worldTexts)
	}
	return q
}

var (
	orders     = []store.Order{store.ByLastSeen, store.ByFirstSeen, store.BySeverity, store.ByPolicy, store.ByObject}
	dimensions = []store.Dimension{
		store.Clusters, store.Namespaces, store.Workspaces, store.Apps, store.Kinds, store.Policies, store.Categories, store.Severities,
		store.Standards, store.Gates, store.Statuses, store.Exceptions,
	}
)

// testQueries compares what is answered to random questions with what plain code says. That is: paging gives each once and in order.
func (without Without) testQueries(t *testing.T, s store.Store) {
	w := newWorld(t, s, 1, without.of(3000))
	all := w.all(t)
	some := 0
	for i := range without.of(200) {
		q := w.query()
		page := store.Page{Order: pick(w, orders), Ascending: w.random.IntN(2) == 0, Limit: pick(w, []int{1, 2, 7, 100, 1000})}
		if page.Limit < 7 {
			q.Names, q.Policies = []string{"web"}, []string{"replicas"}
		}
		var want []store.Violation
		for i := range all {
			meant := sees(q.Scope, &all[i]) && means(&q, &all[i])
			if meant {
				want = append(want, all[i])
			}
			if q.Means(&all[i]) != meant {
				t.Fatalf("question %d: %+v\nalone it is said to mean %+v: %t", i, q, all[i], !meant)
			}
		}
		slices.SortFunc(want, inOrder(page))
		if len(want) > 0 {
			some++
		}
		if diff := cmp.Diff(want, list(t, s, q, page)); diff != "" {
			t.Fatalf("question %d: %+v\npage %+v\n%s", i, q, page, diff)
		}
		facets, err := s.Facets(context.Background(), q, dimensions, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dimensions {
			if diff := cmp.Diff(facet(d, want, 3), facets[d]); diff != "" {
				t.Fatalf("question %d: %+v\nby %s: %s", i, q, d, diff)
			}
		}
		q.From, q.To = time.Time{}, time.Time{}
		var meant []store.Violation
		for i := range all {
			if sees(q.Scope, &all[i]) && means(&q, &all[i]) {
				meant = append(meant, all[i])
			}
		}
		q.From = Start.Add(-time.Duration(w.random.IntN(48)) * time.Hour)
		q.To = q.From.Add(time.Duration(w.random.IntN(25*24)) * time.Hour)
		days, err := s.Timeline(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(timeline(q.From, q.To, meant, w.results), days); diff != "" {
			t.Fatalf("question %d: %+v\ntimeline: %s", i, q, diff)
		}
	}
	if some < without.of(60) {
		t.Errorf("only %d questions have an answer that is not empty", some)
	}
}

// testNothingOfOthers asks for what is not in scope in every way.
func (without Without) testNothingOfOthers(t *testing.T, s store.Store) {
	w := newWorld(t, s, 2, without.of(500))
	ctx := context.Background()
	for name, scope := range map[string]store.Scope{
		"nothing":                        {},
		"another cluster":                {Clusters: []string{"nobody's"}},
		"a cluster by a pattern":         {Clusters: []string{"prod%", "%", "prod-e_", "*"}},
		"no namespace of a cluster":      {Namespaces: map[string][]string{"prod-eu": nil, "prod-us": {}}},
		"a namespace of another cluster": {Namespaces: map[string][]string{"nobody's": worldNamespaces}},
		"a namespace by a pattern":       {Namespaces: map[string][]string{"prod-eu": {"sho_", "%", "*", "SHOP"}}},
	} {
		q := store.Query{Scope: scope, From: Start, To: Start.Add(20 * 24 * time.Hour)}
		if got := list(t, s, q, store.Page{Order: store.ByLastSeen, Limit: 10}); len(got) > 0 {
			t.Errorf("%s: %d in the list", name, len(got))
		}
		facets, err := s.Facets(ctx, q, dimensions, 10)
		if err != nil {
			t.Fatal(err)
		}
		for d, counts := range facets {
			if len(counts) > 0 {
				t.Errorf("%s: counted by %s: %v", name, d, counts)
			}
		}
		days, err := s.Timeline(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, day := range days {
			if day != (store.Day{Day: day.Day}) {
				t.Errorf("%s: in the timeline: %+v", name, day)
			}
		}
	}
	all := w.all(t)
	for i := range all {
		v := &all[i]
		scope := w.scope()
		_, err := s.Violation(ctx, scope, v.ID)
		_, historyErr := s.History(ctx, scope, v.ID, 10)
		want := store.ErrNotFound
		if sees(scope, v) {
			want = nil
		}
		if err != want || historyErr != want {
			t.Fatalf("%s/%s in %+v: %v, %v; want %v", v.Cluster, v.Namespace, scope, err, historyErr, want)
		}
	}
}

// testHistories compares every history with the results that were added.
func (without Without) testHistories(t *testing.T, s store.Store) {
	w := newWorld(t, s, 3, without.of(2000))
	for _, v := range w.all(t) {
		results := slices.Clone(w.results[v.ID])
		slices.SortFunc(results, func(a, b *sink.Result) int {
			if c := b.Validation.CreatedAt.Compare(a.Validation.CreatedAt); c != 0 {
				return c
			}
			return -cmpText(a.Validation.ID, b.Validation.ID)
		})
		var want []store.Event
		for _, r := range results {
			reading := store.Read(r)
			e := store.Event{
				ResultID: r.Validation.ID, Time: r.Validation.CreatedAt, Life: r.Life, Status: reading.Status, Resolution: reading.Resolution,
				Enforced: reading.Enforced, Operation: string(r.Operation), User: r.User, Message: r.Validation.Message, Pass: r.Pass,
			}
			if r.App != nil {
				e.Revision = r.App.Revision
			}
			want = append(want, e)
		}
		got, err := s.History(context.Background(), everything, v.ID, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v: %s", v, diff)
		}
	}
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

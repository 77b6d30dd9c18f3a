package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// declared is an object of a version; its JSON has the version and what is given.
func declared(kind, name, version, status string) store.Declared {
	return store.Declared{Kind: kind, Name: name, Version: version, Object: json.RawMessage(fmt.Sprintf(`{"kind": %q, "version": %q, "status": %q}`, kind, version, status))}
}

func declare(t *testing.T, s store.Store, cluster string, after time.Duration, want int, objects ...store.Declared) {
	t.Helper()
	changed, err := s.Declare(context.Background(), cluster, Start.Add(after), objects)
	if err != nil {
		t.Fatal(err)
	}
	if changed != want {
		t.Errorf("at %s %d versions changed, want %d", after, changed, want)
	}
}

// said writes versions in a few words: name, version, and the hours after Start in which they were there.
func said(versions []store.Version) string {
	var all []string
	for _, v := range versions {
		to := ""
		if !v.To.IsZero() {
			to = fmt.Sprint(v.To.Sub(Start).Hours())
		}
		all = append(all, fmt.Sprintf("%s/%s/%s@%s %g-%s", v.Cluster, v.Kind, v.Name, v.Declared.Version, v.From.Sub(Start).Hours(), to))
	}
	return strings.Join(all, ", ")
}

// declareSome has the policy a in two versions, b that goes and comes again, and a config.
func declareSome(t *testing.T, s store.Store) {
	a1, a2, b, c := declared("Policy", "a", "1", ""), declared("Policy", "a", "2", ""), declared("Policy", "b", "1", ""), declared("PolicyConfig", "c", "1", "")
	declare(t, s, "one", 1*time.Hour, 3, a1, b, c)
	declare(t, s, "one", 2*time.Hour, 0, a1, b, c)
	declare(t, s, "one", 3*time.Hour, 1, a2, b, c)
	declare(t, s, "one", 4*time.Hour, 1, a2, c)
	declare(t, s, "one", 5*time.Hour, 1, a2, b, c)
	declare(t, s, "two", 1*time.Hour, 1, a1)
	declare(t, s, "two", 6*time.Hour, 1)
}

func testDeclarations(t *testing.T, s store.Store) {
	ctx := context.Background()
	declareSome(t, s)
	// It came late, and so is no news.
	declare(t, s, "one", 2*time.Hour, 0)
	declare(t, s, "one", 5*time.Hour, 0)
	at := func(hours time.Duration) time.Time { return Start.Add(hours * time.Hour) }
	for _, c := range []struct {
		cluster, kind string
		at            time.Time
		want          string
	}{
		{"one", "Policy", time.Time{}, "one/Policy/a@2 3-, one/Policy/b@1 5-"},
		{"one", "Policy", at(9), "one/Policy/a@2 3-, one/Policy/b@1 5-"},
		{"one", "Policy", at(4), "one/Policy/a@2 3-"},
		{"one", "Policy", at(3), "one/Policy/a@2 3-, one/Policy/b@1 1-4"},
		{"one", "Policy", at(1), "one/Policy/a@1 1-3, one/Policy/b@1 1-4"},
		{"one", "PolicyConfig", at(2), "one/PolicyConfig/c@1 1-"},
		{"one", "PolicySet", at(2), ""},
		{"two", "Policy", at(2), "two/Policy/a@1 1-6"},
		{"two", "Policy", time.Time{}, ""},
	} {
		got, err := s.DeclaredAt(ctx, c.cluster, c.kind, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if said(got) != c.want || got == nil {
			t.Errorf("%s of %s at %s: %s, want %s", c.kind, c.cluster, c.at, said(got), c.want)
		}
	}
	for cluster, when := range map[string]time.Time{"one": at(0), "three": {}} {
		if got, err := s.DeclaredAt(ctx, cluster, "Policy", when); got != nil || err != nil {
			t.Errorf("what nobody knows of %s: %v, %v", cluster, got, err)
		}
	}
	// What is said of a version otherwise is no other version.
	declare(t, s, "one", 7*time.Hour, 0, declared("Policy", "a", "2", "ready"), declared("Policy", "b", "1", ""), declared("PolicyConfig", "c", "1", ""))
	got, err := s.DeclaredAt(ctx, "one", "Policy", time.Time{})
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	one, err := s.Version(ctx, got[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&got[0], one); diff != "" {
		t.Error(diff)
	}
	if want := declared("Policy", "a", "2", "ready"); string(one.Object) != string(want.Object) {
		t.Errorf("%s", one.Object)
	}
	if _, err := s.Version(ctx, "0123"); !errors.Is(err, store.ErrNotFound) {
		t.Error("a version that is not there:", err)
	}
}

func testVersions(t *testing.T, s store.Store) {
	ctx := context.Background()
	declareSome(t, s)
	every := []string{
		"one/Policy/a@1 1-3", "one/Policy/a@2 3-", "one/Policy/b@1 1-4", "one/Policy/b@1 5-", "one/PolicyConfig/c@1 1-", "two/Policy/a@1 1-6",
	}
	for _, c := range []struct {
		q    store.VersionQuery
		want []string
	}{
		{store.VersionQuery{}, every},
		{store.VersionQuery{Clusters: []string{"two", "three"}}, every[5:]},
		{store.VersionQuery{Kinds: []string{"PolicyConfig"}}, every[4:5]},
		{store.VersionQuery{Names: []string{"b", "c"}, Clusters: []string{"one"}}, every[2:5]},
		{store.VersionQuery{Since: Start.Add(4 * time.Hour)}, []string{every[1], every[3], every[4], every[5]}},
		{store.VersionQuery{Until: Start.Add(3 * time.Hour), Names: []string{"a"}}, []string{every[0], every[5]}},
		{store.VersionQuery{Names: []string{"a') OR 1=1 --", "*"}}, nil},
	} {
		var all []store.Version
		for cursor := ""; ; {
			got, err := s.Versions(ctx, c.q, 2, cursor)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Items) > 2 || got.Next != "" && len(got.Items) < 2 {
				t.Fatalf("a page of %d, next %q", len(got.Items), got.Next)
			}
			all = append(all, got.Items...)
			if cursor = got.Next; cursor == "" {
				break
			}
		}
		if !slices.IsSortedFunc(all, func(a, b store.Version) int {
			if by := b.From.Compare(a.From); by != 0 {
				return by
			}
			return strings.Compare(b.ID, a.ID)
		}) {
			t.Errorf("%+v is not in order: %s", c.q, said(all))
		}
		var lines []string
		for i := range all {
			lines = append(lines, said(all[i:i+1]))
			if all[i].Object != nil {
				t.Error("a list has an object")
			}
		}
		slices.Sort(lines)
		if diff := cmp.Diff(c.want, lines); diff != "" {
			t.Errorf("%+v: %s", c.q, diff)
		}
	}
	for _, cursor := range []string{"x", "!", "MQ", "MS4"} {
		if _, err := s.Versions(ctx, store.VersionQuery{}, 2, cursor); !errors.Is(err, store.ErrCursor) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
	for _, limit := range []int{0, -1, 1001} {
		if _, err := s.Versions(ctx, store.VersionQuery{}, limit, ""); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

func testBadDeclarations(t *testing.T, s store.Store) {
	good := declared("Policy", "a", "1", "")
	for name, objects := range map[string][]store.Declared{
		"without a kind":    {good, declared("", "b", "1", "")},
		"without a name":    {good, declared("Policy", "", "1", "")},
		"without a version": {good, declared("Policy", "b", "", "")},
		"twice":             {good, good},
		"no JSON":           {good, {Kind: "Policy", Name: "b", Version: "1", Object: json.RawMessage("{")}},
		"too many":          make([]store.Declared, store.MaxDeclared+1),
	} {
		if _, err := s.Declare(context.Background(), "one", Start, objects); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Declare(context.Background(), "", Start, []store.Declared{good}); !errors.Is(err, store.ErrInvalid) {
		t.Error("of no cluster:", err)
	}
	if _, err := s.Declare(context.Background(), "one", time.Time{}, []store.Declared{good}); !errors.Is(err, store.ErrInvalid) {
		t.Error("at no time:", err)
	}
	if got, err := s.Versions(context.Background(), store.VersionQuery{}, 10, ""); err != nil || len(got.Items) != 0 {
		t.Errorf("something was kept: %s, %v", said(got.Items), err)
	}
}

func testForgetRecords(t *testing.T, s store.Store) {
	ctx := context.Background()
	declareSome(t, s)
	for hour := range 4 {
		at := Start.Add(time.Duration(2*hour) * time.Hour)
		if err := s.AddPass(ctx, "one", &store.Pass{ID: fmt.Sprint("pass-", hour), Start: at, End: at.Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Forget(ctx, Start.Add(4*time.Hour+time.Minute)); err != nil {
		t.Fatal(err)
	}
	got, err := s.Versions(ctx, store.VersionQuery{Clusters: []string{"one"}}, 10, "")
	if err != nil {
		t.Fatal(err)
	}
	// Those that are still there are kept, however old.
	if len(got.Items) != 3 || slices.ContainsFunc(got.Items, func(v store.Version) bool { return !v.To.IsZero() }) {
		t.Error(said(got.Items))
	}
	if got, err := s.DeclaredAt(ctx, "one", "Policy", Start.Add(3*time.Hour)); got != nil || err != nil {
		t.Errorf("a time of which not all is known any more: %s, %v", said(got), err)
	}
	passes, err := s.Passes(ctx, nil, 10)
	if err != nil || len(passes) != 1 || passes[0].ID != "pass-3" {
		t.Errorf("%+v, %v", passes, err)
	}
}

func testPasses(t *testing.T, s store.Store) {
	ctx := context.Background()
	keep := func(cluster string, p store.Pass) {
		t.Helper()
		if err := s.AddPass(ctx, cluster, &p); err != nil {
			t.Fatal(err)
		}
	}
	running := store.Pass{ID: "1", Trigger: "periodic-audit", Start: Start, Detail: json.RawMessage(`{"kinds": {}}`)}
	ended := running
	ended.End, ended.Failures, ended.Request, ended.Detail = Start.Add(time.Minute), 2, "now", json.RawMessage(`{"kinds": {"pods": {"objects": 12345678901234567}}}`)
	keep("one", running)
	keep("one", ended)
	keep("one", running) // it came late
	keep("two", store.Pass{ID: "1", Trigger: "initial-audit", Start: Start.Add(time.Hour)})
	got, err := s.Pass(ctx, "one", "1")
	if err != nil {
		t.Fatal(err)
	}
	want := ended
	want.Cluster = "one"
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Error(diff)
	}
	want.Detail = nil
	all := []store.Pass{{Cluster: "two", ID: "1", Trigger: "initial-audit", Start: Start.Add(time.Hour)}, want}
	for _, c := range []struct {
		clusters []string
		limit    int
		want     []store.Pass
	}{{nil, 10, all}, {nil, 1, all[:1]}, {[]string{"one"}, 10, all[1:]}, {[]string{"three"}, 10, []store.Pass{}}} {
		got, err := s.Passes(ctx, c.clusters, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Error(c.clusters, c.limit, diff)
		}
	}
	if _, err := s.Pass(ctx, "two", "2"); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	for _, bad := range []store.Pass{{Start: Start}, {ID: "2"}, {ID: "2", Start: Start, Detail: json.RawMessage("{")}} {
		if err := s.AddPass(ctx, "one", &bad); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := s.Passes(ctx, nil, 0); !errors.Is(err, store.ErrInvalid) {
		t.Error(err)
	}
}

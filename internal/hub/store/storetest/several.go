package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/sink"
)

// oneByOne hides that a store reads several at once.
type oneByOne struct{ store.Store }

func testSeveral(t *testing.T, s store.Store) {
	ctx := context.Background()
	var results []*sink.Result
	for i := range 60 {
		results = append(results, Result(fmt.Sprintf("%08d-0000-4000-8000-000000000000", i), Object("Pod", fmt.Sprint("ns-", i%3), fmt.Sprint("web-", i%12)),
			Life([]sink.Life{sink.Opened, sink.Changed, sink.Unchanged}[i/12%3], ""), After(time.Duration(i)*time.Minute),
			func(r *sink.Result) { r.Validation.Message = fmt.Sprint("message ", i/24) }))
	}
	add(t, s, "one", len(results), results...)
	scope := store.Scope{Namespaces: map[string][]string{"one": {"ns-0", "ns-1"}}}
	list, err := s.Violations(ctx, store.Query{Scope: store.Scope{All: true}}, store.Page{Order: store.ByObject, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{"no id", store.KeyOf("two", sink.Audit, "p", &results[0].Validation.Entity).String()}
	for _, v := range list.Items {
		ids = append(ids, v.ID)
	}
	for _, limit := range []int{1, 3, 1000} {
		want, err := store.Several(ctx, oneByOne{s}, scope, ids, limit)
		if err != nil || len(want) != 8 {
			t.Fatalf("%d: %v", len(want), err)
		}
		got, err := store.Several(ctx, s, scope, ids, limit)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%d results: %v %s", limit, err, diff)
		}
	}
	if got, err := store.Several(ctx, s, scope, nil, 1); err != nil || len(got) != 0 {
		t.Errorf("of none: %v, %v", got, err)
	}
}

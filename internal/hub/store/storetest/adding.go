package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
)

func testIdempotency(t *testing.T, s store.Store) {
	a, b := Result("a"), Result("b", After(time.Hour), Life(sink.Changed, ""))
	add(t, s, "one", 1, a)
	add(t, s, "one", 1, a, b, a, b)
	before := violation(t, s, "one", a)
	add(t, s, "one", 0, b, a)
	add(t, s, "one", 0)
	if diff := cmp.Diff(before, violation(t, s, "one", a)); diff != "" {
		t.Error(diff)
	}
	if before.Count != 2 {
		t.Errorf("counted %d", before.Count)
	}
	stats, err := s.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Results != 2 || stats.Violations != 1 || stats.Open != 1 || stats.Bytes <= 0 {
		t.Errorf("%+v", stats)
	}
}

func testIDsOfClusters(t *testing.T, s store.Store) {
	add(t, s, "one", 1, Result("a"))
	add(t, s, "two", 1, Result("a"))
	if got := list(t, s, store.Query{Scope: everything}, store.Page{Order: store.ByLastSeen, Limit: 10}); len(got) != 2 {
		t.Errorf("%d violations", len(got))
	}
}

func testRoundTrip(t *testing.T, s store.Store) {
	id := "0b1f4c9e-5d0f-8a63-9c1a-5d3c1f0e2b7a"
	opened := Result("not-a-uuid")
	r := Result(id, After(time.Minute), Life(sink.Changed, ""), func(r *sink.Result) {
		r.Validation.Enforced, r.Validation.Message, r.App.Revision, r.Pass = true, "another message", "main@sha1:2", "pass-2"
	})
	add(t, s, "one", 2, opened, r)
	want := &store.Violation{
		ID: IDOf("one", r), Cluster: "one", Gate: sink.Audit, Status: store.Open, Enforced: true,
		PolicyID: "replicas", PolicyName: "Minimum Replica Count", Category: "reliability", Severity: "medium",
		Standards:  []store.Standard{{ID: "soc2", Controls: []string{"1.1", "1.2"}}, {ID: "cis", Controls: []string{"5"}}},
		APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", Workspace: "team-shop",
		App: r.App, Message: "another message", FirstSeen: Start, LastSeen: Start.Add(time.Minute), Count: 2, Document: r,
	}
	if diff := cmp.Diff(want, violation(t, s, "one", r)); diff != "" {
		t.Error("by ID:", diff)
	}
	want.Document = nil
	if diff := cmp.Diff([]store.Violation{*want}, list(t, s, store.Query{Scope: everything}, store.Page{Order: store.ByLastSeen, Limit: 10})); diff != "" {
		t.Error("in a list:", diff)
	}
	history, err := s.History(context.Background(), everything, want.ID, 10)
	if err != nil {
		t.Fatal(err)
	}
	events := []store.Event{
		{ResultID: id, Time: Start.Add(time.Minute), Life: sink.Changed, Status: store.Open, Enforced: true, Message: "another message", Revision: "main@sha1:2", Pass: "pass-2"},
		{ResultID: "not-a-uuid", Time: Start, Life: sink.Opened, Status: store.Open, Message: opened.Validation.Message, Revision: "main@sha1:1", Pass: "pass-1"},
	}
	if diff := cmp.Diff(events, history); diff != "" {
		t.Error("history:", diff)
	}
	if history, err = s.History(context.Background(), everything, want.ID, 1); err != nil || len(history) != 1 || history[0].ResultID != id {
		t.Errorf("the newest of the history: %v, %v", history, err)
	}
}

// testOrder adds the same results in every order.
func (without Without) testOrder(t *testing.T, s store.Store) {
	fixed := Life(sink.Resolved, "object fixed")
	results := []*sink.Result{
		Result("a"),
		Result("b", After(1*time.Hour), Life(sink.Changed, ""), func(r *sink.Result) { r.Validation.Message = "other" }),
		Result("c", After(2*time.Hour), Life(sink.Unchanged, ""), func(r *sink.Result) { r.Validation.Message = "other" }),
		Result("d", After(3*time.Hour), fixed),
		Result("w", After(2*time.Hour), Admission(false)),
		Result("v", After(4*time.Hour), Admission(false), Accepted("small")),
	}
	var wantAudit, wantAdmission *store.Violation
	var wantHistory []store.Event
	n, every := 0, 7
	if without.Speed {
		every = 29
	}
	permute(results, func(order []*sink.Result) {
		n++
		if n%every != 0 {
			return // a hundred of the 720 orders will do
		}
		cluster := fmt.Sprint("cluster-", n)
		for _, part := range slices.Collect(slices.Chunk(order, 1+n%3)) {
			add(t, s, cluster, len(part), part...)
		}
		audit, admission := violation(t, s, cluster, results[0]), violation(t, s, cluster, results[4])
		history, err := s.History(context.Background(), everything, audit.ID, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []*store.Violation{audit, admission} {
			v.ID, v.Cluster = "", ""
		}
		if wantAudit == nil {
			wantAudit, wantAdmission, wantHistory = audit, admission, history
		}
		for _, diff := range []string{cmp.Diff(wantAudit, audit), cmp.Diff(wantAdmission, admission), cmp.Diff(wantHistory, history)} {
			if diff != "" && !t.Failed() {
				t.Errorf("in the order %s: %s", idsOf(order), diff)
			}
		}
	})
	if wantAudit.Status != store.Resolved || wantAudit.Resolution != "object fixed" || wantAudit.Count != 3 || !wantAudit.FirstSeen.Equal(Start) {
		t.Errorf("audit: %+v", wantAudit)
	}
	if wantAdmission.Status != store.Excepted || wantAdmission.Resolution != "small" {
		t.Errorf("admission: %+v", wantAdmission)
	}
}

func permute(results []*sink.Result, each func([]*sink.Result)) {
	var place func(done, left []*sink.Result)
	place = func(done, left []*sink.Result) {
		if len(left) == 0 {
			each(done)
		}
		for i := range left {
			place(append(slices.Clone(done), left[i]), slices.Delete(slices.Clone(left), i, i+1))
		}
	}
	place(nil, results)
}

func idsOf(results []*sink.Result) (ids []string) {
	for _, r := range results {
		ids = append(ids, r.Validation.ID)
	}
	return ids
}

func testKept(t *testing.T, s store.Store) {
	gone := Result("b", After(time.Hour), Life(sink.Resolved, "object deleted"), func(r *sink.Result) {
		p, e := &r.Validation.Policy, &r.Validation.Entity
		*p = weave.Policy{ID: p.ID, Name: p.ID}
		e.Manifest, r.Workspace, r.App = map[string]any{}, "", nil
	})
	for cluster, order := range map[string][]*sink.Result{"in order": {Result("a"), gone}, "late": {gone, Result("a")}} {
		add(t, s, cluster, 1, order[0])
		add(t, s, cluster, 1, order[1])
		v := violation(t, s, cluster, gone)
		if v.Status != store.Resolved || v.Severity != "medium" || v.PolicyName != "Minimum Replica Count" || v.Workspace != "team-shop" || v.App == nil || len(v.Standards) != 2 {
			t.Errorf("%s: %+v", cluster, v)
		}
		if v.Document == nil || v.Document.Validation.ID != "b" {
			t.Errorf("%s: the document is %+v", cluster, v.Document)
		}
	}
}

func testInvalid(t *testing.T, s store.Store) {
	for name, r := range map[string]*sink.Result{
		"nothing":         nil,
		"no ID":           Result(""),
		"no gate":         Result("x", func(r *sink.Result) { r.Gate = "" }),
		"no policy":       Result("x", func(r *sink.Result) { r.Validation.Policy.ID = "" }),
		"no time":         Result("x", func(r *sink.Result) { r.Validation.CreatedAt = time.Time{} }),
		"a far future":    Result("x", func(r *sink.Result) { r.Validation.CreatedAt = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }),
		"another stage":   Result("x", Life("buried", "")),
		"what JSON can't": Result("x", func(r *sink.Result) { r.Validation.Entity.Manifest = map[string]any{"f": func() {}} }),
	} {
		if n, err := s.Add(context.Background(), "one", []*sink.Result{Result("good"), r}); n != 0 || !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	if _, err := s.Add(context.Background(), "", []*sink.Result{Result("good")}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("no cluster: %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Add(ended, "one", []*sink.Result{Result("good")}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended: %v", err)
	}
	if stats, err := s.Stats(context.Background()); err != nil || stats.Results != 0 {
		t.Errorf("%+v, %v", stats, err)
	}
}

func testStatus(t *testing.T, s store.Store) {
	type want struct {
		status     store.Status
		resolution string
	}
	compliant := Status(weave.StatusCompliance)
	tests := map[string]struct {
		results []*sink.Result
		// audit and admission are nil where nothing is to be seen.
		audit, admission *want
	}{
		"opened":    {[]*sink.Result{Result("a")}, &want{store.Open, ""}, nil},
		"unchanged": {[]*sink.Result{Result("a", Life(sink.Unchanged, ""))}, &want{store.Open, ""}, nil},
		"changed":   {[]*sink.Result{Result("a", Life(sink.Changed, ""))}, &want{store.Open, ""}, nil},
		"an enforced policy does not change what audit says": {[]*sink.Result{Result("a", func(r *sink.Result) { r.Validation.Enforced = true })}, &want{store.Open, ""}, nil},
		"resolved":                   {[]*sink.Result{Result("a"), Result("b", After(1), Life(sink.Resolved, "object fixed"))}, &want{store.Resolved, "object fixed"}, nil},
		"opened again":               {[]*sink.Result{Result("b", Life(sink.Resolved, "object fixed")), Result("a", After(1))}, &want{store.Open, ""}, nil},
		"excepted":                   {[]*sink.Result{Result("a"), Result("b", After(1), Life(sink.Resolved, "exception small"), Accepted("small"))}, &want{store.Excepted, "small"}, nil},
		"only ever compliant":        {[]*sink.Result{Result("a", Life("", ""), compliant), Result("b", Admission(false), compliant)}, nil, nil},
		"compliant at last":          {[]*sink.Result{Result("b", After(1), Admission(false), compliant), Result("a", Admission(false))}, nil, &want{store.Resolved, ""}},
		"denied":                     {[]*sink.Result{Result("a", Admission(true))}, nil, &want{store.Resolved, "denied"}},
		"denied by an error":         {[]*sink.Result{Result("a", Admission(true), Status(weave.StatusError))}, nil, &want{store.Resolved, "denied"}},
		"warned about":               {[]*sink.Result{Result("a", Admission(false))}, nil, &want{store.Open, ""}},
		"warned about, then denied":  {[]*sink.Result{Result("a", Admission(false)), Result("b", After(1), Admission(true))}, nil, &want{store.Resolved, "denied"}},
		"accepted at admission":      {[]*sink.Result{Result("a", Admission(true), Accepted("small"))}, nil, &want{store.Excepted, "small"}},
		"warned about, then fixed":   {[]*sink.Result{Result("a", Admission(false)), Result("b", After(1), Life(sink.Resolved, "object fixed"))}, &want{store.Resolved, "object fixed"}, &want{store.Resolved, "object fixed"}},
		"the same, told late":        {[]*sink.Result{Result("b", After(1), Life(sink.Resolved, "object fixed")), Result("a", Admission(false))}, &want{store.Resolved, "object fixed"}, &want{store.Resolved, "object fixed"}},
		"fixed, then warned about":   {[]*sink.Result{Result("b", Life(sink.Resolved, "object fixed")), Result("a", After(1), Admission(false))}, &want{store.Resolved, "object fixed"}, &want{store.Open, ""}},
		"warned, fixed, opened":      {[]*sink.Result{Result("a", Admission(false)), Result("c", After(2)), Result("b", After(1), Life(sink.Resolved, "object fixed"))}, &want{store.Open, ""}, &want{store.Resolved, "object fixed"}},
		"denied, fixed":              {[]*sink.Result{Result("a", Admission(true)), Result("b", After(1), Life(sink.Resolved, "object fixed"))}, &want{store.Resolved, "object fixed"}, &want{store.Resolved, "denied"}},
		"the same time, by their ID": {[]*sink.Result{Result("b", Life(sink.Resolved, "object fixed")), Result("a")}, &want{store.Resolved, "object fixed"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, r := range test.results {
				add(t, s, name, 1, r)
			}
			for gate, want := range map[sink.Gate]*want{sink.Audit: test.audit, sink.Admission: test.admission} {
				v, err := s.Violation(context.Background(), everything, IDOf(name, Result("", func(r *sink.Result) { r.Gate = gate })))
				switch {
				case want == nil && errors.Is(err, store.ErrNotFound):
				case want == nil || err != nil:
					t.Errorf("%s: %v, %v", gate, v, err)
				case v.Status != want.status || v.Resolution != want.resolution:
					t.Errorf("%s: got %s %q, want %s %q", gate, v.Status, v.Resolution, want.status, want.resolution)
				}
			}
		})
	}
}

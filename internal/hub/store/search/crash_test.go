package search

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/searchserver"
	"github.com/assay-gitops/assay/internal/sink"
)

// cut is a proxy that ends one connection, before or after the server did what it was asked to, and all that come then until it is healed.
type cut struct {
	http.Handler
	left  atomic.Int64
	after atomic.Bool
}

func newCut(t testing.TB, address string) (*cut, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	c := &cut{Handler: httputil.NewSingleHostReverseProxy(u)}
	c.heal()
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return c, server.URL
}

func (c *cut) heal() { c.left.Store(1 << 40) }

func (c *cut) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	left := c.left.Add(-1)
	if left < 0 && (left < -1 || !c.after.Load()) {
		panic(http.ErrAbortHandler)
	}
	if left < 0 {
		c.Handler.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
	c.Handler.ServeHTTP(w, r)
}

// some are results of several violations, of which audit resolves one of admission's.
func some() []*sink.Result {
	return []*sink.Result{
		storetest.Result("w", storetest.Admission(false)),
		storetest.Result("a"), storetest.Result("b", storetest.After(time.Hour), storetest.Life(sink.Unchanged, "")),
		storetest.Result("c", storetest.After(2*time.Hour), storetest.Life(sink.Resolved, "object fixed")),
		storetest.Result("d", storetest.Object("Pod", "shop", "other")), storetest.Result("e", storetest.Object("Pod", "shop", "other"), storetest.After(time.Hour)),
	}
}

// said is everything that a store has.
func said(t *testing.T, s *Store) string {
	t.Helper()
	var b strings.Builder
	everything := store.Scope{All: true}
	list, err := s.Violations(t.Context(), store.Query{Scope: everything}, store.Page{Order: store.ByObject, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		v, err := s.Violation(t.Context(), everything, list.Items[i].ID)
		if err != nil {
			t.Fatal(err)
		}
		history, err := s.History(t.Context(), everything, v.ID, 1000)
		if err != nil {
			t.Fatal(err)
		}
		v.ID, v.Cluster = "", ""
		fmt.Fprintf(&b, "%+v\n%s\n%+v\n", *v, v.Document.Validation.ID, history)
	}
	days, err := s.Timeline(t.Context(), store.Query{Scope: everything, From: storetest.Start, To: storetest.Start})
	if err != nil {
		t.Fatal(err)
	}
	stats, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stats.Bytes = 0
	fmt.Fprintf(&b, "%+v\n%+v\n", days, stats)
	return addresses.ReplaceAllString(b.String(), "0x")
}

// othersWrote lets a store find now what others wrote, and not only within a second.
func othersWrote(s *Store) {
	for _, x := range []*index{s.violations, s.history, s.records} {
		x.wrote()
	}
}

// A hub dies, or the server goes away, at each of the requests that adding takes. Another hub is sent the same again.
func TestAnAddThatIsCutOffAnywhereIsCompletedBySendingAgain(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		prefix := newPrefix()
		undisturbed := open(t, address, prefix+"-whole")
		if n, err := undisturbed.Add(t.Context(), "one", some()); err != nil || n != len(some()) {
			t.Fatal(n, err)
		}
		want := said(t, undisturbed)
		for _, after := range []bool{false, true} {
			for k := int64(0); ; k++ {
				c, through := newCut(t, address)
				name := fmt.Sprintf("%s-%t-%d", prefix, after, k)
				first := open(t, through, name)
				// Some was there before, so that violations are changed as well as made.
				before := some()[4:5]
				if _, err := first.Add(t.Context(), "one", before); err != nil {
					t.Fatal(err)
				}
				c.after.Store(after)
				c.left.Store(k)
				n, err := first.Add(t.Context(), "one", some())
				c.heal()
				if err == nil {
					if k < 4 {
						t.Errorf("adding took %d requests", k)
					}
					break
				}
				if n != 0 || !errors.Is(err, store.ErrUnavailable) {
					t.Fatalf("cut at %d: %d, %v", k, n, err)
				}
				second := open(t, address, name)
				if _, err := second.Add(t.Context(), "one", some()); err != nil {
					t.Fatal(err)
				}
				othersWrote(second)
				if diff := cmp.Diff(want, said(t, second)); diff != "" {
					t.Errorf("cut at request %d, after the server did it %t: %s", k, after, diff)
				}
				if n, err := second.Add(t.Context(), "one", some()); n != 0 || err != nil {
					t.Errorf("again: %d, %v", n, err)
				}
			}
		}
	})
}

// Several hubs are sent parts of the same, at the same time and in their own order.
func TestHubsThatAddAtOnceComeToTheSame(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		prefix := newPrefix()
		const hubs, rounds = 3, 8
		var stores []*Store
		for range hubs {
			stores = append(stores, open(t, address, prefix))
		}
		var all []*sink.Result
		for i := range rounds {
			for _, object := range []string{"web", "db"} {
				all = append(all, storetest.Result(fmt.Sprint(object, i), storetest.Object("Pod", "shop", object), storetest.After(time.Duration(i)*time.Hour)))
			}
		}
		var added atomic.Int64
		var group sync.WaitGroup
		for n, s := range stores {
			group.Go(func() {
				for i := range all {
					part := []*sink.Result{all[(i*(2*n+1))%len(all)], all[(i*(2*n+1)+1)%len(all)]}
					k, err := s.Add(t.Context(), "one", part)
					if err != nil {
						t.Error(err)
					}
					added.Add(int64(k))
				}
			})
		}
		group.Wait()
		s := stores[0]
		othersWrote(s)
		stats, err := s.Stats(t.Context())
		if err != nil || added.Load() != int64(len(all)) || stats.Results != len(all) || stats.Violations != 2 {
			t.Errorf("%d were new, %+v, %v", added.Load(), stats, err)
		}
		days, err := s.Timeline(t.Context(), store.Query{Scope: store.Scope{All: true}, From: storetest.Start, To: storetest.Start})
		if err != nil || days[0].Opened != len(all) {
			t.Errorf("%+v, %v", days, err)
		}
		list, err := s.Violations(t.Context(), store.Query{Scope: store.Scope{All: true}}, store.Page{Order: store.ByObject, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range list.Items {
			if v.Count != rounds || !v.FirstSeen.Equal(storetest.Start) || !v.LastSeen.Equal(storetest.Start.Add((rounds-1)*time.Hour)) {
				t.Errorf("%+v", v)
			}
		}
	})
}

// One hub is told that audit resolved it while another is told that admission warned about it.
func TestWhatAuditResolvesAtOneHubIsResolvedAtAnother(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		prefix := newPrefix()
		one, two := open(t, address, prefix), open(t, address, prefix)
		for i := range 15 {
			object := storetest.Object("Pod", "shop", fmt.Sprint(i))
			warned := storetest.Result(fmt.Sprint("w", i), object, storetest.Admission(false))
			fixed := storetest.Result(fmt.Sprint("f", i), object, storetest.After(time.Hour), storetest.Life(sink.Resolved, "object fixed"))
			var group sync.WaitGroup
			for s, r := range map[*Store]*sink.Result{one: warned, two: fixed} {
				group.Go(func() {
					if _, err := s.Add(t.Context(), "one", []*sink.Result{r}); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			v, err := one.Violation(t.Context(), store.Scope{All: true}, storetest.IDOf("one", warned))
			if err != nil || v.Status != store.Resolved || v.Resolution != "object fixed" {
				t.Fatalf("%d: %+v, %v", i, v, err)
			}
		}
	})
}

// A server that is away when the hub starts is used when it is there.
func TestAServerThatIsAway(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		c, through := newCut(t, address)
		c.left.Store(0)
		s := open(t, through, newPrefix())
		ctx := t.Context()
		everything := store.Scope{All: true}
		for name, ask := range map[string]func() error{
			"add": func() error { _, err := s.Add(ctx, "one", some()); return err },
			"list": func() error {
				_, err := s.Violations(ctx, store.Query{Scope: everything}, store.Page{Order: store.ByObject, Limit: 1})
				return err
			},
			"violation": func() error { _, err := s.Violation(ctx, everything, storetest.IDOf("one", some()[0])); return err },
			"clusters":  func() error { _, err := s.Clusters(ctx); return err },
			"stats":     func() error { _, err := s.Stats(ctx); return err },
			"forget":    func() error { _, err := s.Forget(ctx, time.Now()); return err },
			"declare":   func() error { _, err := s.Declare(ctx, "one", time.Now(), nil); return err },
		} {
			if err := ask(); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		}
		c.heal()
		if n, err := s.Add(ctx, "one", some()); n != len(some()) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestServersThatCannotBeUsed(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"another password": {401, `{"error":{"type":"security_exception","reason":"no"}}`, "it wants a user and password or an API key"},
		"too few rights":   {403, `{"error":{"type":"security_exception","reason":"no"}}`, "it needs read, write, create_index, view_index_metadata, monitor and manage on assay-hub-*"},
		"another server":   {200, `<html>`, "is the address right?"},
		"a newer hub":      {200, `{"assay-hub-violations-1":{"mappings":{"_meta":{"version":99}}}}`, "is of version 99, which a newer hub made"},
		"somebody else's":  {200, `{"assay-hub-violations":{"mappings":{}}}`, "it is not one of Assay's hub"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(test.status)
			_, _ = w.Write([]byte(test.body))
		}))
		_, err := Open(t.Context(), Options{Server: searchserver.Options{Address: server.URL, Username: "u", Password: "hunter2"}})
		server.Close()
		if err == nil || errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A server that has too much to do is asked again.
func TestABusyServerIsAskedAgain(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(u)
		var hits atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if hits.Add(1)%2 == 0 {
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			proxy.ServeHTTP(w, r)
		}))
		defer server.Close()
		s := open(t, server.URL, newPrefix())
		if n, err := s.Add(t.Context(), "one", some()); n != len(some()) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

// The indices of an older version get what they lack, and indices that somebody removed are made again.
func TestIndicesAreMigratedAndMadeAgain(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		prefix := newPrefix()
		client, err := searchserver.New(searchserver.Options{Address: address})
		if err != nil {
			t.Fatal(err)
		}
		old := fmt.Sprintf(`{"aliases":{"%s-violations":{"is_write_index":true}},"mappings":{"dynamic":false,"_meta":{"version":-1},"properties":{"id":{"type":"keyword"}}}}`, prefix)
		if _, err := client.Call(t.Context(), http.MethodPut, "/"+prefix+"-violations-1", []byte(old), nil); err != nil {
			t.Fatal(err)
		}
		s := open(t, address, prefix)
		ask := func() {
			t.Helper()
			list, err := s.Violations(t.Context(), store.Query{Scope: store.Scope{All: true}, Text: "other"}, store.Page{Order: store.ByObject, Limit: 10})
			if err != nil || len(list.Items) != 1 {
				t.Errorf("%+v, %v", list, err)
			}
		}
		if _, err := s.Add(t.Context(), "one", some()); err != nil {
			t.Fatal(err)
		}
		ask()
		for _, x := range []*index{s.violations, s.history, s.records} {
			if _, err := client.Call(t.Context(), http.MethodDelete, "/"+x.name+"-1", nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Add(t.Context(), "one", some()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("without its indices: %v", err)
		}
		if n, err := s.Add(t.Context(), "one", some()); err != nil || n != len(some()) {
			t.Errorf("%d, %v", n, err)
		}
		ask()
	})
}

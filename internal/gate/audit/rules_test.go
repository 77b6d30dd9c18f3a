package audit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/policy"
)

func about(id string, change ...func(*v2.Policy)) *v2.Policy {
	p := &v2.Policy{ObjectMeta: metav1.ObjectMeta{Name: id, UID: types.UID(id), Generation: 1}}
	p.Spec = v2.PolicySpec{ID: id, Name: id, Targets: v2.PolicyTargets{Kinds: []string{"Pod"}}, CEL: &v2.CELRule{Validations: []v2.CELValidation{{Expression: "true"}}}}
	for _, c := range change {
		c(p)
	}
	return p
}

func editionOf(t *testing.T, now time.Time, sources engine.Sources, exempt ...string) *edition {
	t.Helper()
	snapshot, _, err := engine.Compile(context.Background(), sources, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return newEdition(sources, snapshot, exempt, now)
}

func TestOnlyRulesThatChangedAreAskedAgain(t *testing.T) {
	now := time.Now()
	pods := resource("", "pods", "Pod", true)
	config := &v2.PolicyConfig{ObjectMeta: metav1.ObjectMeta{Name: "c", Generation: 1}, Spec: v2.PolicyConfigSpec{
		Match: v2.PolicyConfigTarget{Namespaces: []string{"x"}}, Config: map[string]v2.PolicyConfigConfig{"b": {}},
	}}
	exception := func(expires time.Time, ids ...string) *v2.PolicyException {
		return &v2.PolicyException{ObjectMeta: metav1.ObjectMeta{Name: "e", Generation: 1}, Spec: v2.PolicyExceptionSpec{
			Policies: ids, Match: v2.PolicyExceptionMatch{Namespaces: []string{"x"}}, Expires: &metav1.Time{Time: expires},
		}}
	}
	a, b := about("a"), about("b")
	deletes := about("d", func(p *v2.Policy) { p.Spec.Targets.Operations = []string{"DELETE"} })
	base := engine.Sources{Policies: []*v2.Policy{a, b, deletes}}
	first, _ := (&view{}).next(editionOf(t, now, base), pods)
	if got := slices.Sorted(maps.Keys(first.all)); !slices.Equal(got, []string{"a", "b"}) || first.number != 1 {
		t.Fatalf("the first view has %v, number %d; deletions are no matter of audit", got, first.number)
	}
	for name, test := range map[string]struct {
		sources engine.Sources
		exempt  []string
		now     time.Time
		want    string
		gone    string
	}{
		"nothing":                     {base, nil, now, "[]", "[]"},
		"a policy":                    {engine.Sources{Policies: []*v2.Policy{about("a", func(p *v2.Policy) { p.Generation = 2 }), b}}, nil, now, "[a]", "[]"},
		"a policy of the same name":   {engine.Sources{Policies: []*v2.Policy{about("a", func(p *v2.Policy) { p.UID = "another" }), b}}, nil, now, "[a]", "[]"},
		"a policy that is gone":       {engine.Sources{Policies: []*v2.Policy{a}}, nil, now, "[]", "[b]"},
		"a policy of other kinds":     {engine.Sources{Policies: []*v2.Policy{a, about("b", func(p *v2.Policy) { p.Spec.Targets.Kinds = []string{"Job"} })}}, nil, now, "[]", "[b]"},
		"a policy that is new":        {engine.Sources{Policies: []*v2.Policy{a, b, about("c")}}, nil, now, "[c]", "[]"},
		"a config":                    {engine.Sources{Policies: base.Policies, Configs: []*v2.PolicyConfig{config}}, nil, now, "[b]", "[]"},
		"an exception":                {engine.Sources{Policies: base.Policies, Exceptions: []*v2.PolicyException{exception(now.Add(time.Hour), "a")}}, nil, now, "[a]", "[]"},
		"an exception of all":         {engine.Sources{Policies: base.Policies, Exceptions: []*v2.PolicyException{exception(now.Add(time.Hour), "*")}}, nil, now, "[a b]", "[]"},
		"other namespaces are exempt": {base, []string{"tests"}, now, "[a b]", "[]"},
		"a set": {engine.Sources{Policies: base.Policies, Sets: []*v2.PolicySet{{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Spec: v2.PolicySetSpec{
			Mode: v2.ModeAudit, Filters: v2.PolicySetFilters{IDs: []string{"a"}},
		}}}}, nil, now, "[]", "[b]"},
	} {
		t.Run(name, func(t *testing.T) {
			next, gone := first.next(editionOf(t, test.now, test.sources, test.exempt...), pods)
			changed := slices.Sorted(maps.Keys(next.since(first.number)))
			if fmt.Sprint(changed) != test.want || fmt.Sprint(gone) != test.gone || (next.number == first.number) != (test.want == "[]") {
				t.Errorf("changed %v, gone %v, number %d; want %s and %s", changed, gone, next.number, test.want, test.gone)
			}
			if test.want != "[]" && fmt.Sprint(slices.Sorted(maps.Keys(next.since(0)))) != fmt.Sprint(slices.Sorted(maps.Keys(next.all))) {
				t.Error("an object of an older view is not asked all")
			}
		})
	}
	t.Run("an exception that ends", func(t *testing.T) {
		sources := engine.Sources{Policies: base.Policies, Exceptions: []*v2.PolicyException{exception(now.Add(time.Hour), "a")}}
		before := editionOf(t, now, sources)
		v, _ := (&view{}).next(before, pods)
		after, _ := v.next(editionOf(t, now.Add(2*time.Hour), sources), pods)
		if got := fmt.Sprint(slices.Sorted(maps.Keys(after.since(v.number)))); got != "[a]" || !before.expires.Equal(now.Add(time.Hour)) {
			t.Errorf("changed %s; it ends %s", got, before.expires)
		}
	})
}

func TestTurns(t *testing.T) {
	turns := newTurns()
	take := func(rank int) (chan func(), context.CancelFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan func(), 1)
		before := len(turns.waitingNow())
		go func() {
			if back, err := turns.take(ctx, rank); err == nil {
				got <- back
			} else {
				close(got)
			}
		}()
		for len(turns.waitingNow()) == before && len(got) == 0 {
			time.Sleep(time.Millisecond)
		}
		return got, cancel
	}
	first, _ := take(1)
	endFirst := <-first
	controller, _ := take(0)
	endController := <-controller // one more may list
	waits, _ := take(0)
	pods, givesUp := take(2)
	endFirst()
	endWaits := <-waits // before the pods
	endController()
	if len(pods) > 0 {
		t.Error("pods are listed before what may have made them is")
	}
	givesUp()
	if _, ok := <-pods; ok {
		t.Error("who gave up got a turn")
	}
	others, _ := take(2)
	endWaits()
	endWaits() // again changes nothing
	(<-others)()
	if len(turns.running) != 0 || len(turns.waiting) != 0 {
		t.Errorf("%d running, %d waiting", len(turns.running), len(turns.waiting))
	}
}

func (t *turns) waitingNow() []*turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.waiting))
}

func TestIDsFollowFromWhatIsSaid(t *testing.T) {
	a := New(Options{})
	object := func(version string) *policy.Object {
		return &policy.Object{Content: map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "x", "uid": "u", "resourceVersion": version}}}
	}
	id := func(version string, t told) string {
		r := a.result(policy.Result{Policy: about("a"), Object: object(version), Status: policy.Violation}, t)
		return r.Validation.ID
	}
	opened := told{life: sink.Opened, digest: 1, rule: 2, pass: "p", trigger: "initial-audit"}
	base := id("1", opened)
	again := opened
	again.pass, again.trigger = "", "continuous-audit"
	if id("1", again) != base {
		t.Error("the same finding has another id when the next leader tells it")
	}
	for name, other := range map[string]string{
		"another state of the object": id("2", opened),
		"resolved":                    id("1", told{life: sink.Resolved, digest: 1, rule: 2}),
		"another rule":                id("1", told{life: sink.Opened, digest: 1, rule: 3}),
		"told again by a pass":        id("1", told{life: sink.Unchanged, digest: 1, rule: 2, pass: "p"}),
		"and by another pass":         id("1", told{life: sink.Unchanged, digest: 1, rule: 2, pass: "q"}),
	} {
		if other == base {
			t.Errorf("%s has the same id", name)
		}
		base = other
	}
}

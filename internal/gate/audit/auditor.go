package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/kube"
	"github.com/assay-gitops/assay/internal/kube/objects"
	"github.com/assay-gitops/assay/policy"
)

// Auditor audits a cluster. One of all replicas runs it at a time; each run needs a new one.
type Auditor struct {
	o      Options
	turns  *turns
	slots  chan struct{}
	store  *store
	counts counts
	// changed and found wake the main loop: for policies, settings and requests, and for kinds of the cluster.
	changed, found chan struct{}

	namespacesChanged chan struct{}

	mu sync.Mutex
	// kinds that are followed.
	kinds map[schema.GroupResource]*kind
	// policies are the newest known ones by id, those with findings that are gone among them.
	policies map[string]*v2.Policy
	// namespaces that changed and whose objects have to be judged again.
	namespaces   map[string]bool
	last         *Pass
	running      *Pass
	undiscovered map[schema.GroupVersion]error
	unkept       int

	// What follows is the main loop's.
	edition   *edition
	snapshot  *engine.Snapshot
	exempt    []string
	catalogue objects.Catalogue
	// inherited is what is open of kinds that are not followed yet.
	inherited map[schema.GroupResource]*stored
	// look is when the cluster's kinds are looked at again.
	look []time.Time
	all  sync.WaitGroup
}

// counts for metrics. Open findings are by policy.
type counts struct {
	judged, known, failed, lists atomic.Uint64
	mu                           sync.Mutex
	open                         map[string]int
}

func (c *counts) add(policy string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[policy] += n; c.open[policy] == 0 {
		delete(c.open, policy)
	}
}

// New makes an auditor.
func New(o Options) *Auditor {
	o.setDefaults()
	return &Auditor{
		o: o, turns: newTurns(), slots: make(chan struct{}, o.Workers),
		store:   &store{client: o.Client, namespace: o.OwnNamespace, owner: o.Owner},
		counts:  counts{open: map[string]int{}},
		changed: make(chan struct{}, 1), found: make(chan struct{}, 1), namespacesChanged: make(chan struct{}, 1),
		kinds: map[schema.GroupResource]*kind{}, policies: map[string]*v2.Policy{}, namespaces: map[string]bool{},
	}
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Changed says that policies, settings or requests may have changed.
func (a *Auditor) Changed() { notify(a.changed) }

// KindsChanged says that the cluster may have other kinds than before.
func (a *Auditor) KindsChanged() { notify(a.found) }

// NamespaceChanged says that a namespace changed in a way that may matter to policies; see NamespaceDiffers.
func (a *Auditor) NamespaceChanged(name string) {
	a.mu.Lock()
	a.namespaces[name] = true
	a.mu.Unlock()
	notify(a.namespacesChanged)
}

// The times of the main loop.
const (
	retryLoad = time.Second
	// saveQuickly is how often what is open is kept, saveSlowly how often while all is looked at for the first time.
	saveQuickly = time.Second
	saveSlowly  = 10 * time.Second
	saveTimeout = 20 * time.Second
)

// Run audits until the context ends.
func (a *Auditor) Run(ctx context.Context) {
	if !a.load(ctx) {
		return
	}
	ctx, end := context.WithCancel(ctx)
	a.all.Go(func() { a.followNamespaces(ctx) })
	a.all.Go(func() { a.saveAgain(ctx) })
	a.all.Go(func() { a.loop(ctx) })
	<-ctx.Done()
	end()
	a.all.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	a.save(last)
}

// load reads what an earlier leader left.
func (a *Auditor) load(ctx context.Context) bool {
	for {
		kinds, last, running, err := a.store.load(ctx)
		var broken *damaged
		switch {
		case err == nil:
		case errors.As(err, &broken):
			a.o.Logger.Error("what the audit kept is of no use; what is open is opened again", "error", err)
			kinds, last, running = nil, nil, nil
		case ctx.Err() != nil:
			return false
		default:
			a.o.Logger.Error("what the audit kept cannot be read; the audit waits for it", "error", err, "retry", retryLoad)
			if !sleep(ctx, retryLoad) {
				return false
			}
			continue
		}
		a.inherited, a.last, a.running = kinds, last, running
		if last != nil {
			a.o.Told(last.clone())
		}
		n := 0
		for _, s := range kinds {
			for _, o := range s.memory.open {
				n += len(o.findings)
				for _, f := range o.findings {
					a.counts.add(f.policy, 1)
				}
			}
		}
		a.o.Logger.Info("auditing", "open", n)
		return true
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// loop follows policies, kinds and the clock.
func (a *Auditor) loop(ctx context.Context) {
	a.look = []time.Time{time.Now()}
	for ctx.Err() == nil {
		now := time.Now()
		changed := a.refresh(ctx, now)
		if a.ready() {
			began := a.schedule(now) // before kinds are listed, so that this is for the pass already
			if changed {
				a.plan(ctx)
			}
			if began {
				for _, k := range a.following() {
					k.notify()
				}
			}
			a.end(now)
		}
		timer := time.NewTimer(time.Until(a.next(now)))
		select {
		case <-ctx.Done():
		case <-a.changed:
		case <-a.found:
			// A definition is there before its kind can be discovered.
			a.look = append(a.look, now, now.Add(time.Second), now.Add(3*time.Second), now.Add(10*time.Second))
			slices.SortFunc(a.look, time.Time.Compare)
			a.look = a.look[:min(len(a.look), maxLooks)]
		case <-timer.C:
		}
		timer.Stop()
	}
}

const maxLooks = 20

// next is when the loop has to do something without being woken.
func (a *Auditor) next(now time.Time) time.Time {
	next := now.Add(rediscover)
	times := slices.Clone(a.look)
	if a.ready() {
		times = append(times, a.due(), a.edition.expires)
	}
	for _, t := range times {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	return next.Add(time.Millisecond)
}

// refresh looks at policies and kinds, and tells whether either changed.
func (a *Auditor) refresh(ctx context.Context, now time.Time) (changed bool) {
	exempt := kube.ExemptNamespaces(a.o.OwnNamespace, a.o.ExemptNamespaces()...)
	sources, snapshot := a.o.Policies()
	if snapshot == nil {
		return false
	}
	expired := a.edition != nil && !a.edition.expires.IsZero() && !now.Before(a.edition.expires)
	if snapshot != a.snapshot || expired || !slices.Equal(exempt, a.exempt) {
		a.snapshot, a.exempt = snapshot, exempt
		a.edition = newEdition(sources, snapshot, exempt, now)
		a.know(a.edition.acting)
		changed = true
	}
	if len(a.look) > 0 && a.look[0].After(now) {
		return changed
	}
	for len(a.look) > 0 && !a.look[0].After(now) {
		a.look = a.look[1:]
	}
	catalogue, err := objects.Discover(ctx, a.o.Discovery)
	if err != nil {
		if ctx.Err() == nil {
			a.o.Logger.Warn("the kinds of the cluster cannot be discovered; those known before are audited", "error", err)
		}
		a.look = append([]time.Time{now.Add(time.Second)}, a.look...)
		return changed
	}
	if len(a.look) == 0 {
		a.look = append(a.look, now.Add(rediscover))
	}
	a.catalogue = catalogue
	a.mu.Lock()
	a.undiscovered = catalogue.Failed
	a.mu.Unlock()
	return true
}

// know keeps the policies that are in force, and those before that have findings to be resolved.
func (a *Auditor) know(acting map[string]*v2.Policy) {
	a.counts.mu.Lock()
	open := maps.Clone(a.counts.open)
	a.counts.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.policies, func(id string, _ *v2.Policy) bool { return open[id] == 0 })
	maps.Copy(a.policies, acting)
}

// ready tells whether it is known what there is to do.
func (a *Auditor) ready() bool { return a.edition != nil && !a.catalogue.Empty() }

// plan makes the kinds be followed that policies target, and no others.
func (a *Auditor) plan(ctx context.Context) {
	targeted := map[schema.GroupResource]objects.Resource{}
	for _, r := range a.catalogue.Targeted(a.edition.policies(), a.edition.snapshot.Workloads()) {
		targeted[r.GroupResource()] = r
	}
	followed := maps.Clone(targeted)
	for name, s := range a.inherited {
		if _, ok := followed[name]; !ok {
			followed[name] = s.resource // until what is open is resolved
		}
	}
	for _, name := range sorted(followed) {
		r, m := followed[name], newMemory()
		if k := a.kind(name); k != nil {
			if k.resource == r && k.take(a.edition, a.whyGone) {
				continue
			}
			// It is served in another version now, or was about to go.
			k.end()
			<-k.ended
			m.open = k.memory.open
		}
		if s := a.inherited[name]; s != nil {
			m = s.memory
			delete(a.inherited, name)
		}
		a.follow(ctx, r, m)
	}
	for _, k := range a.following() {
		if _, ok := targeted[k.resource.GroupResource()]; ok {
			continue
		}
		switch {
		case a.isUndiscovered(k.resource):
			k.take(a.edition, a.whyGone) // its API server does not answer; the objects may well be there
		case a.catalogue.Has(k.resource):
			k.retire(PolicyGone)
		default:
			k.retire(KindGone)
		}
	}
}

// follow begins to follow the objects of a resource, of which something may be open.
func (a *Auditor) follow(ctx context.Context, r objects.Resource, m memory) {
	k := newKind(a, r, m)
	k.take(a.edition, a.whyGone)
	k.inherit(a.whyGone)
	ctx, k.end = context.WithCancel(ctx)
	a.mu.Lock()
	a.kinds[r.GroupResource()] = k
	a.mu.Unlock()
	a.all.Go(func() {
		defer close(k.ended)
		k.run(ctx)
	})
}

func sorted(all map[schema.GroupResource]objects.Resource) []schema.GroupResource {
	return slices.SortedFunc(maps.Keys(all), func(a, b schema.GroupResource) int {
		return cmp.Or(cmp.Compare(rank(a.Group, a.Resource), rank(b.Group, b.Resource)), cmp.Compare(a.String(), b.String()))
	})
}

func (a *Auditor) isUndiscovered(r objects.Resource) bool {
	for gv := range a.catalogue.Failed {
		if gv.Group == r.Group {
			return true
		}
	}
	return false
}

// whyGone is why a policy does not judge the objects of a kind any more.
func (a *Auditor) whyGone(id string) string {
	if a.edition.acting[id] != nil {
		return NotTargeted
	}
	return PolicyGone
}

func (a *Auditor) kind(name schema.GroupResource) *kind {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.kinds[name]
}

// kindOf is the kind that is followed under a name; nil when it is not.
func (a *Auditor) kindOf(name policy.GroupKind) *kind {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range a.kinds {
		if k.resource.Kind == name.Kind && k.resource.Group == name.Group {
			return k
		}
	}
	return nil
}

// following are the kinds that are followed.
func (a *Auditor) following() []*kind {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Values(a.kinds))
}

func (a *Auditor) remove(k *kind) {
	a.mu.Lock()
	if a.kinds[k.resource.GroupResource()] == k {
		delete(a.kinds, k.resource.GroupResource())
	}
	a.mu.Unlock()
	a.Changed() // a pass may have waited for it
}

// followNamespaces judges the objects of namespaces that changed.
func (a *Auditor) followNamespaces(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.namespacesChanged:
		}
		a.mu.Lock()
		names := slices.Sorted(maps.Keys(a.namespaces))
		clear(a.namespaces)
		a.mu.Unlock()
		for _, name := range names {
			for _, k := range a.following() {
				if !k.resource.Namespaced {
					continue
				}
				err := a.o.Reader.List(ctx, k.resource, name, func(u *unstructured.Unstructured) error {
					return k.process(ctx, []*unstructured.Unstructured{u}, true)
				})
				if err == nil || ctx.Err() != nil || apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
					continue
				}
				a.o.Logger.Warn("the objects of a namespace that changed could not be judged; it will be tried again", "namespace", name, "kind", k.resource.String(), "error", err)
				time.AfterFunc(time.Second, func() { a.NamespaceChanged(name) })
			}
		}
	}
}

// NamespaceDiffers tells whether two states of a Namespace may matter to policies: neither of them is on its way out.
func NamespaceDiffers(before, after map[string]any) bool {
	return metadataText(after, "deletionTimestamp") == "" && fmt.Sprint(labelsOf(before)) != fmt.Sprint(labelsOf(after))
}

// labelsOf are labels and annotations; fmt prints maps in the order of their keys.
func labelsOf(namespace map[string]any) [2]any {
	metadata, _ := namespace["metadata"].(map[string]any)
	return [2]any{metadata["labels"], metadata["annotations"]}
}

// saveAgain keeps what is open where the next leader finds it.
func (a *Auditor) saveAgain(ctx context.Context) {
	for {
		wait := saveQuickly
		for _, k := range a.following() {
			k.mu.Lock()
			if k.listing != nil {
				wait = saveSlowly
			}
			k.mu.Unlock()
		}
		if !sleep(ctx, wait) {
			return
		}
		a.save(ctx)
	}
}

func (a *Auditor) save(ctx context.Context) {
	a.mu.Lock()
	last, running := a.last.clone(), a.running.clone()
	a.mu.Unlock()
	left, err := a.store.save(ctx, a.following(), last, running)
	if err != nil && ctx.Err() == nil {
		a.o.Logger.Warn("what is open could not be kept for the next leader; it will be tried again", "error", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if left > 0 && a.unkept == 0 {
		a.o.Logger.Error("there are more objects with findings than can be kept: the next leader will open some again", "objects", left)
	}
	if left > 0 || err == nil {
		a.unkept = left
	}
}

package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/assay-gitops/assay/internal/kube/objects"
	"github.com/assay-gitops/assay/policy"
)

// kind follows the objects of one resource.
type kind struct {
	a        *Auditor
	resource objects.Resource
	// wake is for when there is something new to look for.
	wake chan struct{}
	// end makes run end, ended is closed when it did.
	end   context.CancelFunc
	ended chan struct{}
	// work is held while objects are judged and until what came of it is remembered, so that of two states of an object the
	// later one is told last.
	work sync.Mutex
	// mu guards the rest. Memory changes only while work is held, too.
	mu     sync.Mutex
	memory memory
	view   *view
	// gone are policies that do not judge these objects any more, and why.
	gone map[string]string
	// retired is why nobody judges these objects any more; empty while somebody does.
	retired string
	// removed says that all of that was told: the kind is of no use any more.
	removed bool
	// list counts the lists, listing is the one that goes on.
	list    uint32
	listing *listing
	// listed is the view of the last complete list, and the pass that it was for.
	listed uint32
	passed string
	// failure is an example of what could not be judged since the last list began; empty when there is none.
	failure string
	// retry is how long what could not be judged waits.
	retry time.Duration
	// trouble is why the objects cannot be read; forbidden says that it is for want of rights.
	trouble   string
	forbidden bool
}

// listing is a list that goes on.
type listing struct {
	view          uint32
	pass, trigger string
	count         KindCount
	policies      map[string]PolicyCount
}

// batch is how many objects of a list are judged together.
const batch = 16

var errAgain = errors.New("there is something new to look for")

func newKind(a *Auditor, r objects.Resource, m memory) *kind {
	return &kind{
		a: a, resource: r, wake: make(chan struct{}, 1), ended: make(chan struct{}), memory: m, gone: map[string]string{}, retry: retryJudging,
		view: &view{rules: map[string]rule{}, all: map[string]bool{}, edition: &edition{}},
	}
}

func (k *kind) notify() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// run follows the objects until the context ends or the kind is retired.
func (k *kind) run(ctx context.Context) {
	backoff := time.Second
	for ctx.Err() == nil {
		if done, err := k.settle(ctx); done {
			return
		} else if err != nil {
			k.a.o.Logger.Warn("results could not be recorded; they will be found again", "kind", k.resource.String(), "error", err)
		}
		err := k.follow(ctx)
		wait := relist
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errAgain):
			backoff = time.Second
			continue
		case err == nil: // it cannot be watched
		case apierrors.IsResourceExpired(err) || apierrors.IsGone(err):
			k.a.o.Logger.Debug("listing again, the server does not know the changes any more", "kind", k.resource.String())
			wait = time.Second
		case apierrors.IsForbidden(err):
			wait = retryForbidden
			k.ail(err, true)
		default:
			wait = backoff
			backoff = min(2*backoff, retryForbidden)
			if apierrors.IsNotFound(err) {
				k.a.KindsChanged()
			}
			k.ail(err, false)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-k.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// ail notes why objects cannot be read.
func (k *kind) ail(err error, forbidden bool) {
	k.mu.Lock()
	isNew := k.trouble == "" || k.forbidden != forbidden
	k.trouble, k.forbidden = err.Error(), forbidden
	pass := k.listing
	k.listing = nil
	if pass != nil {
		k.passed = pass.pass
	}
	k.mu.Unlock()
	if isNew {
		hint := "it will be tried again"
		if forbidden {
			hint = "grant the agent get, list and watch, by the chart's value audit.rules, or leave the kind out of the policies' targets"
		}
		k.a.o.Logger.Warn("objects cannot be audited", "kind", k.resource.String(), "error", err, "hint", hint)
	}
	if pass != nil && pass.pass != "" {
		k.a.kindDone(pass.pass, k.resource.String(), KindCount{}, nil, fmt.Sprintf("%s: %v", k.resource, err))
	}
}

// settle tells what is resolved without looking at objects; done says that the kind is retired and all of that was told.
func (k *kind) settle(ctx context.Context) (done bool, err error) {
	k.work.Lock()
	defer k.work.Unlock()
	k.mu.Lock()
	retired, gone := k.retired, k.gone
	k.gone = map[string]string{}
	var ids []uid
	if retired != "" || len(gone) > 0 {
		ids = slices.Collect(maps.Keys(k.memory.open))
	}
	k.mu.Unlock()
	if retired != "" {
		if err := k.resolve(ctx, ids, nil, nil, retired); err != nil {
			return false, err
		}
		k.mu.Lock()
		k.removed = k.retired != "" // it may have come back
		done := k.removed
		k.mu.Unlock()
		if done {
			k.a.remove(k)
		}
		return done, nil
	}
	reasons := map[string][]string{}
	for id, reason := range gone {
		reasons[reason] = append(reasons[reason], id)
	}
	for reason, policies := range reasons {
		if err := k.resolve(ctx, ids, nil, policies, reason); err != nil {
			k.mu.Lock()
			for id, reason := range gone {
				if !k.view.all[id] {
					k.gone[id] = reason
				}
			}
			k.mu.Unlock()
			return false, err
		}
	}
	return false, nil
}

// follow lists the objects and follows their changes until there is something new to look for, which is errAgain.
func (k *kind) follow(ctx context.Context) error {
	back, err := k.a.turns.take(ctx, rank(k.resource.Group, k.resource.Resource))
	if err != nil {
		return err
	}
	defer back()
	following, end := context.WithCancelCause(ctx)
	defer end(nil)
	k.begin()
	var listed []*unstructured.Unstructured
	flush := func() error {
		some := listed
		listed = nil
		if len(some) == 0 {
			return nil
		}
		return k.process(following, some, false)
	}
	err = k.a.o.Reader.Follow(following, k.resource, func(e objects.Event) error {
		switch e.Change {
		case objects.Restarted:
			listed = nil
			k.begin()
		case objects.Listed:
			if listed = append(listed, e.Object); len(listed) >= batch {
				return flush()
			}
		case objects.Complete:
			if err := flush(); err != nil {
				return err
			}
			if err := k.complete(following); err != nil {
				return err
			}
			back()
			if k.stale() {
				return errAgain
			}
			go k.untilStale(following, end)
		case objects.Changed:
			return k.process(following, []*unstructured.Unstructured{e.Object}, false)
		case objects.Deleted:
			if err := flush(); err != nil {
				return err
			}
			return k.deleted(following, e.Object)
		}
		return nil
	})
	if errors.Is(context.Cause(following), errAgain) {
		return errAgain
	}
	return err
}

// untilStale ends the following when there is something new to look for.
func (k *kind) untilStale(ctx context.Context, end context.CancelCauseFunc) {
	var retry <-chan time.Time
	for {
		if retry == nil {
			if wait := k.retryAfter(); wait > 0 {
				timer := time.NewTimer(wait)
				defer timer.Stop()
				retry = timer.C
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-retry:
			end(errAgain)
			return
		case <-k.wake:
			done, err := k.settle(ctx)
			if done || err != nil || k.stale() {
				end(errAgain)
				return
			}
		}
	}
}

// retryAfter is how long to wait until what could not be judged since the last list began is judged again; zero when all could.
func (k *kind) retryAfter() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failure == "" {
		k.retry = retryJudging
		return 0
	}
	wait := k.retry
	k.retry = min(2*k.retry, maxRetryJudging)
	return wait
}

// begin begins a list.
func (k *kind) begin() {
	pass, trigger := k.a.passFor(k.resource.String())
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list++
	k.failure = ""
	k.listing = &listing{view: k.view.number, pass: pass, trigger: trigger, policies: map[string]PolicyCount{}}
}

// complete ends a list: what was not in it is gone.
func (k *kind) complete(ctx context.Context) error {
	k.work.Lock()
	defer k.work.Unlock()
	k.mu.Lock()
	for id, f := range k.memory.known {
		if f.list != k.list {
			k.memory.forget(id)
		}
	}
	var gone []uid
	for id := range k.memory.open {
		if _, there := k.memory.known[id]; !there {
			gone = append(gone, id)
		}
	}
	k.mu.Unlock()
	if err := k.resolve(ctx, gone, nil, nil, ObjectDeleted); err != nil {
		return err
	}
	k.mu.Lock()
	done, failure := k.listing, k.failure
	k.listed, k.passed, k.listing = done.view, done.pass, nil
	wasIll := k.trouble != ""
	k.trouble, k.forbidden = "", false
	k.mu.Unlock()
	if wasIll {
		k.a.o.Logger.Info("objects can be audited", "kind", k.resource.String())
	}
	k.a.counts.lists.Add(1)
	if failure != "" {
		failure = fmt.Sprintf("%s: %d pairs of an object and a policy could not be judged, such as: %s", k.resource, done.count.Failed, failure)
	}
	if done.pass != "" {
		k.a.kindDone(done.pass, k.resource.String(), done.count, done.policies, failure)
	}
	return nil
}

// stale tells whether the objects have to be looked at again.
func (k *kind) stale() bool {
	pass, _ := k.a.passFor(k.resource.String())
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.retired != "" || k.view.number != k.listed || pass != "" && pass != k.passed
}

// deleted tells that an object is gone.
func (k *kind) deleted(ctx context.Context, u *unstructured.Unstructured) error {
	k.work.Lock()
	defer k.work.Unlock()
	if metadata, ok := u.Object["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields")
	}
	id := uidOf(string(u.GetUID()))
	if err := k.resolve(ctx, []uid{id}, &policy.Object{Content: u.Object}, nil, ObjectDeleted); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.memory.forget(id)
	return nil
}

// take makes the objects be judged by another edition. It is false when the kind was removed.
func (k *kind) take(e *edition, why func(policy string) string) bool {
	k.mu.Lock()
	if k.removed {
		k.mu.Unlock()
		return false
	}
	after, gone := k.view.next(e, k.resource)
	changed := after.number != k.view.number
	k.view, k.retired = after, ""
	for _, id := range gone {
		k.gone[id] = why(id)
	}
	for id := range after.all {
		delete(k.gone, id) // it came back
	}
	changed = changed || len(k.gone) > 0
	k.mu.Unlock()
	if changed {
		k.notify()
	}
	return true
}

// inherit notes findings of policies that went while nobody audited.
func (k *kind) inherit(why func(policy string) string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, o := range k.memory.open {
		for _, f := range o.findings {
			if !k.view.all[f.policy] {
				k.gone[f.policy] = why(f.policy)
			}
		}
	}
}

// retire ends the audit of the kind.
func (k *kind) retire(why string) {
	k.mu.Lock()
	isNew := k.retired == ""
	k.retired = why
	k.mu.Unlock()
	if isNew {
		k.notify() // it may be waiting
	}
}

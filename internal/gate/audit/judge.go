package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/kube"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/policy"
)

// look is one object that is looked at: what is asked about it and what came of that.
type look struct {
	object    *policy.Object
	id        uid
	version   uint64
	exempt    bool
	unchanged bool // since it was judged last
	// ask are the policies that are asked.
	ask        map[string]bool
	compliance bool
	namespace  map[string]any
	verdict    engine.Verdict
	err        error
}

// change of what is remembered that a result tells of.
type change struct {
	*look
	policy string
	digest uint32
	open   bool
}

// process judges objects by what they were not judged by yet, tells what is new, and remembers it. With force they are judged by all.
func (k *kind) process(ctx context.Context, batch []*unstructured.Unstructured, force bool) error {
	k.work.Lock()
	defer k.work.Unlock()
	looks := make([]*look, len(batch))
	var judging sync.WaitGroup
	k.mu.Lock()
	if k.retired != "" {
		k.mu.Unlock()
		return nil
	}
	v := k.view
	for i, object := range batch {
		looks[i] = k.plan(v, object, force)
	}
	k.mu.Unlock()
	for _, l := range looks {
		if len(l.ask) == 0 || l.exempt {
			continue
		}
		select {
		case k.a.slots <- struct{}{}:
		case <-ctx.Done():
			judging.Wait()
			return ctx.Err()
		}
		judging.Go(func() {
			defer func() { <-k.a.slots }()
			k.judge(ctx, v, l)
		})
	}
	judging.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return k.commit(ctx, v, looks)
}

// plan decides what an object has to be judged by. It runs with k.mu held.
func (k *kind) plan(v *view, u *unstructured.Unstructured, force bool) *look {
	content := u.Object
	if metadata, ok := content["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields") // policies see none at admission either
	}
	l := &look{object: &policy.Object{Content: content}, id: uidOf(string(u.GetUID())), version: versionOf(u.GetResourceVersion()), ask: v.all}
	if kube.Exempt(v.edition.exempt, k.resource.GroupResource(), "", u.GetNamespace(), u.GetName()) {
		l.exempt = true
		return l
	}
	everything := k.a.o.WriteCompliance()
	pass := k.listing != nil && k.listing.pass != ""
	l.compliance = everything || k.memory.open[l.id] != nil
	before, known := k.memory.known[l.id]
	if !known || before.version != l.version {
		return l
	}
	l.unchanged = true
	if force || pass && everything {
		return l
	}
	ask := v.since(before.view)
	also := k.memory.failed[l.id]
	if pass && k.memory.open[l.id] != nil {
		// What is open is told again, and to tell it takes judging it.
		for _, f := range k.memory.open[l.id].findings {
			also = append(slices.Clip(also), f.policy)
		}
	}
	if len(also) > 0 {
		all := map[string]bool{}
		for id := range ask {
			all[id] = true
		}
		for _, id := range also {
			all[id] = v.all[id]
		}
		ask = all
	}
	l.ask = ask
	return l
}

func (k *kind) judge(ctx context.Context, v *view, l *look) {
	defer func() {
		if cause := recover(); cause != nil {
			l.err = fmt.Errorf("internal error: %v", cause) // an object must not end the audit of all others
		}
	}()
	if k.resource.Namespaced {
		if l.namespace, l.err = k.a.o.Namespace(ctx, l.object.Namespace()); l.err != nil {
			return
		}
	}
	l.verdict = v.edition.snapshot.Judge(ctx, &policy.Request{
		Object: l.object, Mode: v2.ModeAudit, Namespace: l.namespace, Only: l.ask, Compliance: l.compliance, Controller: k.a.controller(ctx, l.object, v.edition.snapshot.Workloads()),
	})
	l.err = l.verdict.Err
}

// commit tells what is new and remembers what was told.
func (k *kind) commit(ctx context.Context, v *view, looks []*look) error {
	var results []sink.Result
	var changes []change
	for _, l := range looks {
		r, c := k.compare(v, l)
		results, changes = append(results, r...), append(changes, c...)
	}
	if len(results) > 0 {
		if err := k.a.o.Record(ctx, results); err != nil {
			return fmt.Errorf("recording results: %w", err)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range changes {
		k.apply(c)
	}
	for _, l := range looks {
		k.remember(v, l)
	}
	return nil
}

// apply notes that a finding was opened, changed or resolved. It runs with k.mu held.
func (k *kind) apply(c change) {
	k.a.store.touch(c.id)
	switch {
	case c.open:
		if k.memory.set(c.id, c.object.Namespace(), c.object.Name(), finding{c.policy, c.digest}) {
			k.a.counts.add(c.policy, 1)
		}
	case k.memory.clear(c.id, c.policy):
		k.a.counts.add(c.policy, -1)
	}
}

// remember that an object was looked at. It runs with k.mu held.
func (k *kind) remember(v *view, l *look) {
	count := &KindCount{}
	policies := map[string]PolicyCount{}
	if k.listing != nil {
		count, policies = &k.listing.count, k.listing.policies
	}
	count.Objects++
	if l.exempt {
		count.Exempt++
		k.memory.forget(l.id)
		return
	}
	asked := 0
	for _, ask := range l.ask {
		if ask {
			asked++
		}
	}
	if l.err != nil {
		count.Failed += asked
		k.fail(fmt.Sprintf("%s: %v", l.object, l.err))
		k.memory.known[l.id] = fingerprint{0, v.number, k.list} // there, and not judged
		return
	}
	count.Judged += l.verdict.Evaluated
	count.Known += len(v.all) - min(l.verdict.Evaluated, len(v.all))
	k.a.counts.judged.Add(uint64(l.verdict.Evaluated)) //nolint:gosec // not negative
	k.a.counts.known.Add(uint64(len(v.all) - min(asked, len(v.all))))
	delete(k.memory.failed, l.id)
	for i := range l.verdict.Results {
		if r := &l.verdict.Results[i]; r.Status == policy.Error {
			id := r.Policy.Spec.ID
			k.memory.failed[l.id] = append(k.memory.failed[l.id], id)
			k.fail(r.Message)
			k.a.counts.failed.Add(1)
			count.Failed++
			policies[id] = PolicyCount{policies[id].Open, policies[id].Failed + 1}
		}
	}
	k.memory.known[l.id] = fingerprint{l.version, v.number, k.list}
	if o := k.memory.open[l.id]; o != nil && k.listing != nil {
		count.Open += len(o.findings)
		for _, f := range o.findings {
			policies[f.policy] = PolicyCount{policies[f.policy].Open + 1, policies[f.policy].Failed}
		}
	}
}

// fail notes that something could not be judged. It runs with k.mu held.
func (k *kind) fail(example string) {
	if k.resource.Group == "" && k.resource.Resource == "secrets" {
		example = "a Secret" // what an error says of it may be secret
	}
	k.failure = example
	if k.listing == nil {
		k.notify() // for it to be tried again
	}
}

// compare finds what is new in a verdict.
func (k *kind) compare(v *view, l *look) (results []sink.Result, changes []change) {
	if l.err != nil {
		return nil, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	pass, trigger := "", weave.TriggerContinuousAudit
	if k.listing != nil && k.listing.pass != "" {
		pass, trigger = k.listing.pass, k.listing.trigger
	}
	if l.exempt {
		return k.resolved(l, nil, Exempt, pass, trigger)
	}
	answered := map[string]bool{}
	for i := range l.verdict.Results {
		r := &l.verdict.Results[i]
		id := r.Policy.Spec.ID
		answered[id] = true
		digest, isOpen := k.memory.find(l.id, id)
		t := told{rule: v.rules[id].digest, namespace: l.namespace, pass: pass, trigger: trigger}
		switch {
		case r.Status == policy.Error:
			continue // what was found before may still be so
		case r.Status == policy.Violation:
			t.digest, t.life = digestOf(r), sink.Opened
			switch {
			case isOpen && digest != t.digest:
				t.life = sink.Changed
			case isOpen:
				t.life = sink.Unchanged
			}
			if t.life == sink.Unchanged && pass == "" {
				continue
			}
			if t.life != sink.Unchanged {
				changes = append(changes, change{l, id, t.digest, true})
			}
		case isOpen:
			t.life, t.digest = sink.Resolved, digest
			switch {
			case r.Status == policy.Excepted:
				t.resolution = Excepted + " " + r.Exception.Name
			case l.unchanged:
				t.resolution = RuleChanged
			default:
				t.resolution = ObjectFixed
			}
			changes = append(changes, change{l, id, 0, false})
		case r.Status == policy.Compliance && k.a.o.WriteCompliance():
		default:
			continue
		}
		results = append(results, k.a.result(*r, t))
	}
	// What was asked and did not answer does not apply to the object.
	var silent []string
	if o := k.memory.open[l.id]; o != nil {
		for _, f := range o.findings {
			if l.ask[f.policy] && !answered[f.policy] {
				silent = append(silent, f.policy)
			}
		}
	}
	if len(silent) > 0 {
		r, c := k.resolved(l, silent, NotTargeted, pass, trigger)
		results, changes = append(results, r...), append(changes, c...)
	}
	return results, changes
}

// resolved are the results that tell that findings of an object are resolved: all of them when policies is nil. It runs with k.mu held.
func (k *kind) resolved(l *look, policies []string, resolution, pass, trigger string) (results []sink.Result, changes []change) {
	o := k.memory.open[l.id]
	if o == nil {
		return nil, nil
	}
	for _, f := range o.findings {
		if policies != nil && !slices.Contains(policies, f.policy) {
			continue
		}
		results = append(results, k.a.result(policy.Result{Policy: k.a.policy(f.policy), Object: l.object, Status: policy.Compliance},
			told{life: sink.Resolved, resolution: resolution, digest: f.digest, namespace: l.namespace, pass: pass, trigger: trigger}))
		changes = append(changes, change{l, f.policy, 0, false})
	}
	return results, changes
}

// resolve tells that findings of objects that cannot be looked at are resolved: all of an object, or those of some policies. Last is
// how the object was, if that is known.
func (k *kind) resolve(ctx context.Context, ids []uid, last *policy.Object, policies []string, resolution string) error {
	for part := range slices.Chunk(ids, recordAtOnce) {
		k.mu.Lock()
		var results []sink.Result
		var changes []change
		for _, id := range part {
			o := k.memory.open[id]
			if o == nil {
				continue
			}
			l := &look{id: id, object: last}
			if last == nil {
				l.object = stub(k.resource, id, o.namespace, o.name)
			}
			r, c := k.resolved(l, policies, resolution, "", weave.TriggerContinuousAudit)
			results, changes = append(results, r...), append(changes, c...)
		}
		k.mu.Unlock()
		if len(results) == 0 {
			continue
		}
		if err := k.a.o.Record(ctx, results); err != nil {
			return fmt.Errorf("recording results: %w", err)
		}
		k.mu.Lock()
		for _, c := range changes {
			k.apply(c)
		}
		k.mu.Unlock()
	}
	return nil
}

// recordAtOnce bounds how many objects' results are in memory.
const recordAtOnce = 100

// controller is the workload that made an object, if it did. Anybody can write so; but if what is named is there, its
// controller would have disowned or deleted an object that it did not make.
func (a *Auditor) controller(ctx context.Context, object *policy.Object, workloads policy.Workloads) policy.GroupKind {
	c, known := kube.ControllerOf(object.Content)
	if _, declared := workloads[c.GroupKind()]; !known && !declared || c.UID == "" {
		return policy.GroupKind{}
	}
	k := a.kindOf(c.GroupKind())
	if k == nil {
		return policy.GroupKind{} // no policy judges it
	}
	k.mu.Lock()
	_, there := k.memory.known[uidOf(c.UID)]
	k.mu.Unlock()
	if !there {
		owner, err := a.o.Metadata.Resource(k.resource.GroupVersionResource).Namespace(object.Namespace()).Get(ctx, c.Name, metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
			a.o.Logger.Debug("the controller of an object could not be looked for; the object is judged as if it had none", "object", object.String(), "error", err)
		}
		there = err == nil && string(owner.UID) == c.UID
	}
	if !there {
		return policy.GroupKind{}
	}
	return c.GroupKind()
}

// policy is the newest one with an id that is known.
func (a *Auditor) policy(id string) *v2.Policy {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.policies[id]; p != nil {
		return p
	}
	return stubPolicy(strings.Clone(id))
}

package audit

import (
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/assay-gitops/assay/internal/weave"
)

// due is when the next full pass is; zero while one goes on.
func (a *Auditor) due() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.running != nil:
		return time.Time{}
	case a.last == nil:
		return time.Now()
	}
	return a.last.Start.Add(a.o.Interval())
}

// schedule begins a full pass when it is time, and tells whether it did.
func (a *Auditor) schedule(now time.Time) (began bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	request, trigger := a.o.Requested(), ""
	switch {
	case a.running != nil:
	case a.last == nil:
		trigger = weave.TriggerInitialAudit
	case request != "" && request != a.last.Request:
		trigger = weave.TriggerRequestedAudit
	case !now.Before(a.last.Start.Add(a.o.Interval())):
		trigger = weave.TriggerPeriodicAudit
	}
	if trigger == "" {
		return false
	}
	if request == "" && a.last != nil {
		request = a.last.Request
	}
	a.running = &Pass{
		ID: string(uuid.NewUUID()), Trigger: trigger, Request: request, Start: now.UTC(),
		Kinds: map[string]KindCount{}, Policies: map[string]PolicyCount{},
	}
	a.store.record.Store(true)
	a.o.Told(a.running.clone())
	a.o.Logger.Info("a full audit begins", "pass", a.running.ID, "trigger", trigger)
	return true
}

// end ends the pass that goes on when all kinds are done.
func (a *Auditor) end(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running == nil {
		return
	}
	for name := range a.kinds {
		if _, done := a.running.Kinds[name.String()]; !done {
			return
		}
	}
	for gv, err := range a.undiscovered {
		a.running.fail(limited(gv.String() + ": " + err.Error()))
	}
	p := a.running
	p.End = now.UTC()
	a.last, a.running = p, nil
	a.o.Told(p.clone())
	a.store.record.Store(true)
	objects, judged, open := 0, 0, 0
	for _, c := range p.Kinds {
		objects, judged, open = objects+c.Objects, judged+c.Judged, open+c.Open
	}
	a.o.Logger.Info("a full audit ended", "pass", p.ID, "trigger", p.Trigger, "took", p.End.Sub(p.Start), "kinds", len(p.Kinds), "objects", objects,
		"judged", judged, "open", open, "errors", len(p.Errors)+p.MoreErrors)
}

// passFor is the pass that wants a kind to be looked at; empty when none does.
func (a *Auditor) passFor(resource string) (id, trigger string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running == nil {
		return "", ""
	}
	if _, done := a.running.Kinds[resource]; done {
		return "", ""
	}
	return a.running.ID, a.running.Trigger
}

// kindDone notes that a pass has looked at a kind; failure says why not completely, and is empty when it has.
func (a *Auditor) kindDone(pass, resource string, count KindCount, policies map[string]PolicyCount, failure string) {
	a.mu.Lock()
	if a.running == nil || a.running.ID != pass {
		a.mu.Unlock()
		return
	}
	a.running.done(resource, count, policies)
	if failure != "" {
		a.running.fail(limited(failure))
	}
	a.store.record.Store(true)
	a.mu.Unlock()
	a.Changed()
}

func limited(text string) string { return text[:min(len(text), maxError)] }

// Status is how the audit is doing.
type Status struct {
	// Kinds that are followed, by resource such as deployments.apps.
	Kinds map[string]KindStatus
	// Open findings by policy.
	Open map[string]int
	// Judged and Known count pairs of an object and a policy: judged, and not judged again since nothing changed. Failed are those
	// that could not be judged, Lists how often all objects of a kind were read.
	Judged, Known, Failed, Lists uint64
	// Last is the last full pass, Running the one that goes on; nil where there is none.
	Last, Running *Pass
	// Undiscovered is how many groups of the API could not be discovered.
	Undiscovered int
	// Unkept is how many objects with findings could not be kept for the next leader.
	Unkept int
}

// KindStatus is how the audit of one kind is doing.
type KindStatus struct {
	// Objects that are remembered.
	Objects int
	// Forbidden says that the agent may not read them, Trouble why they cannot be read.
	Forbidden bool
	Trouble   string
}

// Status tells how the audit is doing.
func (a *Auditor) Status() Status {
	s := Status{Kinds: map[string]KindStatus{}, Open: map[string]int{}}
	a.mu.Lock()
	s.Last, s.Running, s.Undiscovered, s.Unkept = a.last.clone(), a.running.clone(), len(a.undiscovered), a.unkept
	a.mu.Unlock()
	for _, k := range a.following() {
		k.mu.Lock()
		s.Kinds[k.resource.String()] = KindStatus{len(k.memory.known), k.forbidden, k.trouble}
		k.mu.Unlock()
	}
	a.counts.mu.Lock()
	for id, n := range a.counts.open {
		s.Open[id] = n
	}
	a.counts.mu.Unlock()
	s.Judged, s.Known, s.Failed, s.Lists = a.counts.judged.Load(), a.counts.known.Load(), a.counts.failed.Load(), a.counts.lists.Load()
	return s
}

package audit

import (
	"encoding/binary"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/kube/objects"
	"github.com/assay-gitops/assay/policy"
)

// edition is one state of everything that verdicts depend on but for the objects and their namespaces.
type edition struct {
	snapshot *engine.Snapshot
	// acting are the policies that audit, by id.
	acting map[string]*v2.Policy
	// digests tell for each of them whether a verdict of it may be another than before.
	digests map[string]uint64
	// exempt namespaces.
	exempt []string
	// expires is when the next exception ends; zero when none does.
	expires time.Time
}

func newEdition(sources engine.Sources, snapshot *engine.Snapshot, exempt []string, now time.Time) *edition {
	e := &edition{snapshot: snapshot, acting: map[string]*v2.Policy{}, digests: map[string]uint64{}, exempt: exempt}
	for _, p := range snapshot.Policies() {
		if slices.Contains(snapshot.Modes(p.Spec.ID), v2.ModeAudit) && judgesWhatIs(p) {
			e.acting[p.Spec.ID] = p
			e.digests[p.Spec.ID] = e.digest(p, sources, now)
		}
	}
	for _, x := range sources.Exceptions {
		if end := x.Spec.Expires; end != nil && now.Before(end.Time) && (e.expires.IsZero() || end.Time.Before(e.expires)) {
			e.expires = end.Time
		}
	}
	return e
}

// judgesWhatIs tells whether a policy is about objects that are there: not about deletions and connections alone.
func judgesWhatIs(p *v2.Policy) bool {
	operations := p.Spec.Targets.Operations
	return len(operations) == 0 || slices.Contains(operations, string(policy.Create)) || slices.Contains(operations, string(policy.Update))
}

// digest is of what the verdicts of a policy depend on. A generation changes with whatever somebody writes into an object.
func (e *edition) digest(p *v2.Policy, sources engine.Sources, now time.Time) uint64 {
	h := fnv.New64a()
	add := func(kind, name, uid string, generation int64) {
		_, _ = h.Write([]byte(kind + "\x00" + name + "\x00" + uid + "\x00")) //nolint:errcheck // a hash takes everything
		_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(generation)))
	}
	add("policy", p.Name, string(p.UID), p.Generation)
	for _, c := range sources.Configs {
		if _, ok := c.Spec.Config[p.Spec.ID]; ok {
			add("config", c.Name, string(c.UID), c.Generation)
		}
	}
	for _, x := range sources.Exceptions {
		if slices.Contains(x.Spec.Policies, p.Spec.ID) || slices.Contains(x.Spec.Policies, "*") {
			kind := "exception"
			if end := x.Spec.Expires; end != nil && !now.Before(end.Time) {
				kind = "expired"
			}
			add(kind, x.Name, string(x.UID), x.Generation)
		}
	}
	add("exempt", strings.Join(e.exempt, ","), "", 0)
	return h.Sum64()
}

// policies are those that audit.
func (e *edition) policies() []*v2.Policy {
	all := make([]*v2.Policy, 0, len(e.acting))
	for _, p := range e.acting {
		all = append(all, p)
	}
	return all
}

// rule is a policy as it judges the objects of a kind.
type rule struct {
	digest uint64
	// since is the view in which it has been like that.
	since uint32
}

// view is what the objects of a kind are judged by. Its number grows when a rule changes.
type view struct {
	number  uint32
	edition *edition
	rules   map[string]rule
	// all are the ids of the rules.
	all map[string]bool
	// changes remembers what since answered. It is guarded by the kind's lock.
	changes map[uint32]map[string]bool
}

// next is the view by another edition, and the ids of the rules that are no more. It has the same number when nothing changed.
func (v *view) next(e *edition, r objects.Resource) (after *view, gone []string) {
	after = &view{number: v.number, edition: e, rules: map[string]rule{}, all: map[string]bool{}, changes: map[uint32]map[string]bool{}}
	for id, p := range e.acting {
		if !objects.Targets(p, r, e.snapshot.Workloads()) {
			continue
		}
		after.all[id] = true
		if before, ok := v.rules[id]; ok && before.digest == e.digests[id] {
			after.rules[id] = before
			continue
		}
		after.number = v.number + 1
		after.rules[id] = rule{e.digests[id], v.number + 1}
	}
	for id := range v.rules {
		if !after.all[id] {
			gone = append(gone, id)
		}
	}
	return after, gone
}

// since are the ids of the rules that changed after a view.
func (v *view) since(number uint32) map[string]bool {
	if number == v.number {
		return none
	}
	if known, ok := v.changes[number]; ok {
		return known
	}
	changed := map[string]bool{}
	for id, r := range v.rules {
		if r.since > number {
			changed[id] = true
		}
	}
	v.changes[number] = changed
	return changed
}

var none = map[string]bool{}

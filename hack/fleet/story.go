package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/assay-gitops/assay/internal/gate/audit"
	"github.com/assay-gitops/assay/internal/hub/state"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/policy"
)

const (
	// batch is how many results are sent at once.
	batch = 500
	day   = 24 * time.Hour
	// passEvery is how often a full audit was made.
	passEvery = 6 * time.Hour
	// introduced is how long ago a policy came that found much at once, and which one.
	introduced       = 12 * day
	introducedPolicy = "weave.policies.containers-read-only-root-filesystem"
	// quickly is how fast things were put right, and how many of a hundred ever are.
	quickly, solved = 11 * day, 55
)

// finding is what a policy found in a thing.
type finding struct {
	thing  thing
	result policy.Result
}

// event is what was said of a finding.
type event struct {
	at         time.Time
	finding    *finding
	life       sink.Life
	resolution string
	user       string
}

// story is what happened in a cluster.
type story struct {
	cluster  string
	random   *rand.Rand
	now      time.Time
	days     int
	things   int
	findings []*finding
	events   []event
}

func newStory(cluster string, seed uint64, now time.Time, days int) *story {
	return &story{cluster: cluster, random: rand.New(rand.NewPCG(seed, seed)), now: now.Truncate(time.Second), days: days} //nolint:gosec // it only looks so
}

// add makes up one more thing, and what became of what is wrong with it.
func (s *story) add(ctx context.Context, judge *judge) error {
	t := newThing(s.random, s.things)
	s.things++
	metadata := t.object.Content["metadata"].(map[string]any)
	metadata["uid"] = s.uuid()
	found, err := judge.violations(ctx, t.object)
	if err != nil {
		return fmt.Errorf("judging %s: %w", t.object, err)
	}
	born := s.workday()
	refused := often(s.random, 5)
	for _, r := range found {
		f := &finding{t, r}
		s.findings = append(s.findings, f)
		if refused {
			s.refuse(f, born)
			continue
		}
		s.live(f, born)
	}
	return nil
}

// workday is some time of the history in which people work, rather of late than long ago.
func (s *story) workday() time.Time {
	for {
		whole := s.days * int(day/time.Second)
		at := s.now.Add(-time.Duration(min(s.random.IntN(whole), s.random.IntN(whole*2))) * time.Second)
		weekend := at.Weekday() == time.Saturday || at.Weekday() == time.Sunday
		if atWork := !weekend && at.Hour() >= 6 && at.Hour() < 19; atWork || often(s.random, 8) {
			return at
		}
	}
}

func (s *story) tell(e event) { s.events = append(s.events, e) }

// refuse is what people try once, or again until they look.
func (s *story) refuse(f *finding, at time.Time) {
	user := pick(s.random, people)
	for range 1 + s.random.IntN(3) {
		if at.Before(s.now) {
			s.tell(event{at: at, finding: f, user: user})
		}
		at = at.Add(time.Duration(1+s.random.IntN(30)) * time.Minute)
	}
}

// live is what audits say: that it is there, that it is put right, that it is back, that it is still there.
func (s *story) live(f *finding, at time.Time) {
	if since := s.now.Add(-introduced); f.result.Policy.Spec.ID == introducedPolicy && at.Before(since) && s.days > int(introduced/day) {
		at = since.Add(time.Duration(s.random.IntN(600)) * time.Second)
	}
	for {
		s.tell(event{at: at, finding: f, life: sink.Opened})
		later := at.Add(time.Minute + time.Duration(s.random.ExpFloat64()*float64(quickly)))
		if !often(s.random, solved) || !later.Before(s.now) {
			break
		}
		s.tell(event{at: later, finding: f, life: sink.Resolved, resolution: pick(s.random, []string{"object fixed", "object fixed", "object deleted"})})
		if at = later.Add(time.Duration(s.random.IntN(int(10 * day)))); !often(s.random, 15) || !at.Before(s.now) {
			return
		}
	}
	if last := s.lastPass(); last.After(at) {
		s.tell(event{at: last, finding: f, life: sink.Unchanged})
	}
}

func (s *story) lastPass() time.Time { return s.now.Add(-20 * time.Minute) }

func (s *story) uuid() string {
	a, b := s.random.Uint64(), s.random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
}

// result is what the agent sends of an event.
func (s *story) result(e event) sink.Result {
	meta := sink.Meta{
		Meta: weave.Meta{ClusterID: s.cluster, Source: weave.SourceAudit, Trigger: weave.TriggerPeriodicAudit, CreatedAt: e.at},
		Gate: sink.Audit, Workspace: e.finding.thing.team, Life: e.life, Resolution: e.resolution, Pass: s.pass(e.at),
		Revision: fmt.Sprintf("main@sha1:%040x", e.at.Unix()/int64(day/time.Second)),
	}
	if e.user != "" {
		meta.Source, meta.Trigger, meta.Gate, meta.Operation, meta.User, meta.Pass = weave.SourceAdmission, string(policy.Create), sink.Admission, policy.Create, e.user, ""
	}
	r := sink.New(e.finding.result, meta)
	if e.life == sink.Resolved {
		r.Validation.Status, r.Validation.Message, r.Validation.Occurrences = weave.StatusCompliance, "", []weave.Occurrence{}
	}
	r.Validation.ID = s.uuid()
	return r
}

// pass is the audit at a time.
func (s *story) pass(at time.Time) string {
	return fmt.Sprintf("%s-%d", s.cluster, at.Unix()/int64(passEvery/time.Second))
}

// send sends the story in its order, and what the agent tells of its cluster beside.
func (s *story) send(ctx context.Context, sender *sender, judge *judge) error {
	slices.SortStableFunc(s.events, func(a, b event) int { return a.at.Compare(b.at) })
	for events := range slices.Chunk(s.events, batch) {
		results := make([]sink.Result, 0, len(events))
		for _, e := range events {
			results = append(results, s.result(e))
		}
		if err := sender.send(ctx, "/v1/intake", map[string]any{"version": 1, "results": results}); err != nil {
			return err
		}
	}
	passes := s.passes()
	return sender.send(ctx, state.Path, state.State{Version: state.Version, At: s.now, Objects: state.Objects(judge.sources), Audits: passes[max(0, len(passes)-state.MaxAudits):]})
}

// resources are the kinds as audits name them.
var resources = map[string]string{
	"Deployment": "deployments.apps", "StatefulSet": "statefulsets.apps", "CronJob": "cronjobs.batch", "Service": "services", "Ingress": "ingresses.networking.k8s.io",
	"Role": "roles.rbac.authorization.k8s.io", "Kustomization": "kustomizations.kustomize.toolkit.fluxcd.io",
}

// passes are the audits of the last weeks, with what is open at the last of them.
func (s *story) passes() []audit.Pass {
	policies, kinds := map[string]audit.PolicyCount{}, map[string]audit.KindCount{}
	for _, e := range s.events {
		if e.life != sink.Unchanged {
			continue
		}
		id, resource := e.finding.result.Policy.Spec.ID, resources[e.finding.thing.object.Kind()]
		policy, kind := policies[id], kinds[resource]
		policy.Open++
		kind.Open++
		policies[id], kinds[resource] = policy, kind
	}
	for resource, kind := range kinds {
		kind.Objects = s.things * kind.Open / len(s.findings) * 3
		kind.Judged, kind.Known = kind.Objects, kind.Objects*12
		kinds[resource] = kind
	}
	var all []audit.Pass
	for at := s.now.Add(-14 * day).Truncate(passEvery); at.Before(s.now); at = at.Add(passEvery) {
		took := time.Duration(s.things) * 3 * time.Millisecond
		all = append(all, audit.Pass{ID: s.pass(at), Trigger: weave.TriggerPeriodicAudit, Start: at, End: at.Add(took), Kinds: kinds, Policies: policies})
	}
	return all
}

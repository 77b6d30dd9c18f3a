package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// Judge judges an object by the policies that act in the request's mode and target the object.
func (s *Snapshot) Judge(ctx context.Context, request *policy.Request) Verdict {
	var v Verdict
	index := s.acting[modeOf(request)]
	if index == nil {
		return v
	}
	t := trial{snapshot: s, ctx: ctx, request: request, compliance: s.options.Compliance || request.Compliance}
	defer t.end()
	kind := request.Object.GroupKind()
	t.made[0] = request.Controller
	if maker, ok := s.workloads[request.Controller]; ok {
		t.made[1] = maker.As
	}
	for _, c := range index.find(kind.Kind) {
		if t.asks(c, request) && !t.judge(c, nil) {
			return t.verdict
		}
	}
	workload, ok := s.workloads[kind]
	if !ok {
		return t.verdict
	}
	if like := viewOf(&workload, request); like != nil {
		for _, c := range index.find(workload.As.Kind) {
			if !c.matcher.targetsKind(kind) && t.asks(c, like) && !t.judge(c, like) {
				break
			}
		}
		slices.SortFunc(t.verdict.Results, func(a, b policy.Result) int { return cmp.Compare(a.Policy.Spec.ID, b.Policy.Spec.ID) })
	}
	return t.verdict
}

// modeOf is the mode of a request.
func modeOf(r *policy.Request) v2.Mode {
	if r.Mode == "" {
		return v2.ModeAdmission
	}
	return r.Mode
}

// viewOf is a request about an object as one about the kind that it is like; nil when the object has no pod template.
func viewOf(w *policy.Workload, request *policy.Request) *policy.Request {
	view := w.View(request.Object.Content)
	if view == nil {
		return nil
	}
	like := *request
	like.Object = &policy.Object{Content: view, Origin: request.Object.Origin}
	if request.OldObject != nil {
		like.OldObject = w.View(request.OldObject)
	}
	return &like
}

// trial is one call of Judge.
type trial struct {
	snapshot   *Snapshot
	ctx        context.Context //nolint:containedctx // it lives no longer than the call
	request    *policy.Request
	compliance bool
	// made are the kinds by which policies may know the controller that made the object: its own, and that which it is like.
	made     [2]policy.GroupKind
	watch    *watch
	resolved resolution
	// own is the object as it is, view as one of the kind that it is like.
	own, view *subject
	verdict   Verdict
}

func (t *trial) end() {
	if t.watch != nil {
		t.watch.end()
	}
}

// asks tells whether a policy is to judge the object as the request has it.
func (t *trial) asks(c *compiled, as *policy.Request) bool {
	return (as.Only == nil || as.Only[c.policy.Spec.ID]) && c.matcher.matches(as) && !c.matcher.targetsAny(&t.made)
}

// judge asks one policy, about the view if there is one; it is false when the context ended.
func (t *trial) judge(c *compiled, view *policy.Request) bool {
	s, v := t.snapshot, &t.verdict
	if t.watch == nil {
		t.watch = newWatch(t.ctx, s.options.Timeout, s.options.Guard)
		t.resolved = s.resolve(t.request)
	}
	sub := &t.own
	if view != nil {
		sub = &t.view
	}
	if *sub == nil {
		*sub = &subject{request: t.request, view: view, celComp: s.cel, watch: t.watch}
	}
	if v.Err = t.ctx.Err(); v.Err != nil {
		return false
	}
	result, applies := s.judge(c, *sub, t.resolved)
	if !applies {
		return true
	}
	v.Evaluated++
	if v.Err = t.ctx.Err(); v.Err != nil && result.Status == policy.Error {
		return false
	}
	if result.Status != policy.Compliance || t.compliance {
		v.Results = append(v.Results, result)
	}
	v.Err = nil // it has to do with the policies that are left, if any are
	return true
}

// judge evaluates one policy; applies is false when the policy itself says that it is not about the object.
func (s *Snapshot) judge(c *compiled, sub *subject, resolved resolution) (result policy.Result, applies bool) {
	b := c.own
	if bind, ok := resolved[c]; ok {
		configured, err := bind()
		if err != nil {
			return s.failed(c, sub, b, err), true
		}
		b = configured
	}
	if s.options.Observer != nil {
		if err := s.options.Observer.Admit(modeOf(sub.request), c.policy); err != nil {
			result = s.failed(c, sub, b, err)
			result.Enforced = false
			return result, true
		}
	}
	applies, found, err := s.evaluate(c, sub, b)
	if err != nil {
		return s.failed(c, sub, b, err), true
	}
	if !applies {
		return policy.Result{}, false
	}
	result = policy.Result{Policy: c.policy, Object: sub.request.Object, Status: policy.Compliance, Parameters: b.parameters}
	if len(found) == 0 {
		return result, true
	}
	result.Status, result.Enforced = policy.Violation, c.policy.Spec.IsEnforced()
	if exception := s.excepts(c.policy, sub.request); exception != nil {
		result.Status, result.Enforced, result.Exception = policy.Excepted, false, exception
	}
	text := subjectText(c.policy, sub.request.Object)
	if sub.view != nil {
		workload := s.workloads[sub.request.Object.GroupKind()]
		for i := range found {
			found[i].Path = workload.Original(found[i].Path)
		}
	}
	for i := range found {
		if found[i].Message == "" {
			found[i].Message = text
		}
	}
	slices.SortStableFunc(found, func(a, b policy.Occurrence) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	result.Occurrences = found
	result.Message = fmt.Sprintf("%s (%d occurrences)", text, len(found))
	return result, true
}

// evaluate evaluates the rule of a policy within its bounds, seen by the observer.
func (s *Snapshot) evaluate(c *compiled, sub *subject, b *binding) (applies bool, found []policy.Occurrence, err error) {
	began := sub.watch.next()
	applies, found, err = b.rule.evaluate(sub)
	if err != nil && cancelled(err) {
		err = sub.watch.why()
	}
	if s.options.Observer != nil {
		s.options.Observer.Evaluated(modeOf(sub.request), c.policy, time.Since(began), err)
	}
	return applies, found, err
}

// subjectText is "<policy name> in <kind> <name>", the words of the old agent.
func subjectText(p *v2.Policy, o *policy.Object) string {
	return fmt.Sprintf("%s in %s %s", p.Spec.Name, strings.ToLower(o.Kind()), o.Name())
}

func (s *Snapshot) failed(c *compiled, sub *subject, b *binding, err error) policy.Result {
	return policy.Result{
		Policy: c.policy, Object: sub.request.Object, Status: policy.Error, Parameters: b.parameters,
		Message:  fmt.Sprintf("%s: %s", subjectText(c.policy, sub.request.Object), err),
		Enforced: c.policy.Spec.FailsClosed(),
		Err:      err,
	}
}

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
	mode := request.Mode
	if mode == "" {
		mode = v2.ModeAdmission
	}
	index := s.acting[mode]
	if index == nil {
		return v
	}
	var sub *subject
	var resolved resolution
	for _, c := range index.find(request.Object.Kind()) {
		if request.Only != nil && !request.Only[c.policy.Spec.ID] || !c.matcher.matches(request) {
			continue
		}
		if sub == nil {
			sub = &subject{request: request, celComp: s.cel, watch: newWatch(ctx, s.options.Timeout, s.options.Guard)}
			defer sub.watch.end()
			resolved = s.resolve(request)
		}
		if v.Err = ctx.Err(); v.Err != nil {
			return v
		}
		result, applies := s.judge(c, sub, resolved)
		if !applies {
			continue
		}
		v.Evaluated++
		if v.Err = ctx.Err(); v.Err != nil && result.Status == policy.Error {
			return v
		}
		if result.Status != policy.Compliance || s.options.Compliance || request.Compliance {
			v.Results = append(v.Results, result)
		}
	}
	return v
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
		if err := s.options.Observer.Admit(c.policy); err != nil {
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
		s.options.Observer.Evaluated(c.policy, time.Since(began), err)
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

package cel

import (
	"context"
	"errors"
	"slices"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/assay-gitops/assay/policy"
)

// Evaluate judges an object. It is false when the policy does not apply: a match condition is false, or the policy
// needs a workload and the object is none. Otherwise there is an occurrence for each thing that is wrong.
//
// params are the effective parameters of the policy. An error tells every expression that failed, as *policy.CodeError
// where the expression is to blame; what the other validations found is returned beside it. When the context ends or
// the cost budget is used up, the validations that are left are not evaluated.
func (p *Program) Evaluate(ctx context.Context, in *Input, params map[string]any) (applies bool, occurrences []policy.Occurrence, err error) {
	if p.needsWorkload && in.workloadValue() == types.NullValue {
		return false, nil, nil
	}
	in.begin(ctx, p, params)
	defer in.end()
	if p.bounded && in.isSmall() && isSmall(in.params) {
		in.tracks = false
		if applies, occurrences, err = p.evaluate(in); err == nil || ctx.Err() != nil {
			return applies, occurrences, err
		}
		// The API server's own programs have the last word on what is an error.
		in.variables.reset(len(p.variables))
	}
	in.tracks = true
	return p.evaluate(in)
}

// evaluate evaluates the match conditions and the validations.
func (p *Program) evaluate(in *Input) (applies bool, occurrences []policy.Occurrence, err error) {
	applies, err = p.matches(in)
	if !applies || err != nil {
		return applies, nil, err
	}
	in.budget = newBudget(celconfig.RuntimeCELCostBudget)
	var errs []error
	for i := range p.validations {
		found, err := p.validations[i].evaluate(in)
		occurrences = append(occurrences, found...)
		if err != nil {
			errs = append(errs, err)
			if stopped(err) {
				break
			}
		}
	}
	if len(errs) == 1 {
		return true, occurrences, errs[0]
	}
	return true, occurrences, errors.Join(errs...)
}

// matches evaluates the match conditions. One that is false decides, even when others fail.
func (p *Program) matches(in *Input) (bool, error) {
	in.budget = newBudget(celconfig.RuntimeCELCostBudgetMatchConditions)
	var errs []error
	for _, condition := range p.conditions {
		value, err := condition.evaluate(in)
		if err != nil {
			errs = append(errs, err)
			if stopped(err) {
				break
			}
			continue
		}
		if value == types.False {
			return false, nil
		}
	}
	return true, errors.Join(errs...)
}

// chooseTracking finds out whether costs must be tracked even on small objects, and makes ready for it.
func (p *Program) chooseTracking() error {
	conditions, rest := newBudget(celconfig.RuntimeCELCostBudgetMatchConditions), newBudget(celconfig.RuntimeCELCostBudget)
	p.bounded = true
	charge := func(b *budget, e *expression) {
		if e != nil && (e.untracked == nil || !b.spend(e.bound)) {
			p.bounded = false
		}
	}
	for _, e := range p.conditions {
		charge(&conditions, e)
	}
	for _, v := range p.variables {
		// Whoever reads a variable first pays for it.
		charge(&conditions, v.expression)
		charge(&rest, v.expression)
	}
	for i := range p.validations {
		for _, e := range p.validations[i].expressions() {
			charge(&rest, e)
		}
	}
	if p.bounded {
		return nil
	}
	for _, e := range p.expressions() {
		if _, err := e.tracked(); err != nil {
			return &policy.CodeError{Field: e.field, Message: err.Error()}
		}
	}
	return nil
}

func (p *Program) expressions() []*expression {
	all := slices.Clone(p.conditions)
	for _, v := range p.variables {
		all = append(all, v.expression)
	}
	for i := range p.validations {
		all = append(all, p.validations[i].expressions()...)
	}
	return all
}

func (v *validation) expressions() []*expression {
	all := []*expression{v.test, v.occurrences, v.messageExpression, v.pathExpression, v.recommended}
	return slices.DeleteFunc(all, func(e *expression) bool { return e == nil })
}

// evaluate evaluates the expression. Where costs are tracked, they are charged to the budget of the policy.
func (e *expression) evaluate(in *Input) (ref.Val, error) {
	if in.ctx.Err() != nil {
		return nil, e.failure(in.ctx, in.ctx.Err())
	}
	if !in.tracks {
		value, err := e.evaluateUntracked(in)
		if err != nil {
			return nil, e.failure(in.ctx, err)
		}
		return value, nil
	}
	program, err := e.tracked()
	if err != nil {
		return nil, &policy.CodeError{Field: e.field, Message: err.Error()}
	}
	value, details, err := program.ContextEval(in.ctx, in)
	if cost := details.ActualCost(); cost != nil && !in.budget.spend(*cost) {
		return nil, &budgetError{field: e.field, total: in.budget.total}
	}
	if err != nil {
		return nil, e.failure(in.ctx, err)
	}
	return value, nil
}

// budget is what the expressions of a policy may cost together on one object, in the units of Kubernetes' CEL costs.
type budget struct{ total, left uint64 }

func newBudget(total uint64) budget { return budget{total, total} }

// spend is false when there is not enough left; then nothing is.
func (b *budget) spend(cost uint64) bool {
	if cost > b.left {
		b.left = 0
		return false
	}
	b.left -= cost
	return true
}

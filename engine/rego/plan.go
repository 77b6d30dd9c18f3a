package rego

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/rego"
)

// planTarget is the name under which the planner's output is asked for.
const planTarget = "assay-plan"

// resultVar is the variable of the query whose value is the policy's result.
const resultVar = "result"

// registerPlanTarget makes OPA hand out its plans. OPA's planner is an internal package; a target plugin is the public
// way to its output that does not go through a bundle and JSON, which costs more than the planning itself.
var registerPlanTarget = sync.OnceFunc(func() { rego.RegisterPlugin(planTarget, planPlugin{}) })

type planPlugin struct{}

func (planPlugin) IsTarget(target string) bool { return target == planTarget }

// PrepareForEval leaves the plan with whoever asked for it through the context.
func (planPlugin) PrepareForEval(ctx context.Context, plan *ir.Policy, _ ...rego.PrepareOption) (rego.TargetPluginEval, error) {
	receiver, ok := ctx.Value(planReceiver{}).(**ir.Policy)
	if !ok {
		return nil, errors.New("nobody asked for the plan")
	}
	*receiver = plan
	return nil, nil
}

type planReceiver struct{}

// plan asks OPA's planner for the intermediate representation of `result = <entry>`.
func plan(compiler *ast.Compiler, entry ast.Ref) (*ir.Policy, error) {
	registerPlanTarget()
	var planned *ir.Policy
	ctx := context.WithValue(context.Background(), planReceiver{}, &planned)
	query := ast.NewBody(ast.Equality.Expr(ast.VarTerm(resultVar), ast.NewTerm(entry)))
	_, err := rego.New(rego.Target(planTarget), rego.Compiler(compiler), rego.ParsedQuery(query)).PrepareForEval(ctx)
	if err != nil {
		return nil, fmt.Errorf("planning: %w", err)
	}
	if planned == nil || planned.Plans == nil || len(planned.Plans.Plans) != 1 {
		return nil, errors.New("planning: no plan")
	}
	return planned, nil
}

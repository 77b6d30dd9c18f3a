package cel

import (
	"fmt"
	"math"

	"github.com/google/cel-go/cel"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/library"
)

// unbounded is the bound of an expression whose cost is not limited by the size of what it reads.
const unbounded = math.MaxUint64

// quickCost is a cost, about a millisecond, below which an expression is not interrupted: the deadline is looked at
// between expressions.
const quickCost = 10_000

// planner makes evaluators that do not track costs. A cel.Program of Kubernetes' environment always tracks them, and
// keeps a table of all functions for itself; here all evaluators share one.
type planner struct {
	interpreter.Interpreter
	options []interpreter.PlannerOption
}

func newPlanner(env *cel.Env) (*planner, error) {
	functions := interpreter.NewDispatcher()
	for name, function := range env.Functions() {
		bindings, err := function.Bindings()
		if err != nil {
			return nil, fmt.Errorf("the function %s: %w", name, err)
		}
		if err := functions.Add(bindings...); err != nil {
			return nil, fmt.Errorf("the function %s: %w", name, err)
		}
	}
	adapter, provider := env.CELTypeAdapter(), env.CELTypeProvider()
	attributes := interpreter.NewAttributeFactory(env.Container, adapter, provider)
	return &planner{
		Interpreter: interpreter.NewInterpreter(functions, env.Container, provider, adapter, attributes),
		options: []interpreter.PlannerOption{
			lazyOptionals(),
			interpreter.InterruptableEval(),
			interpreter.Optimize(),
			interpreter.CompileRegexConstants(interpreter.MatchesRegexOptimization, library.FindRegexOptimization, library.FindAllRegexOptimization),
		},
	}, nil
}

func (p *planner) plan(tree *celast.AST) (interpreter.InterpretableV2, error) {
	return p.NewInterpretable(tree, p.options...)
}

// evaluateUntracked evaluates the expression without knowing what it costs.
func (e *expression) evaluateUntracked(in *Input) (value ref.Val, err error) {
	frame, err := interpreter.NewExecutionFrame(in)
	if err != nil {
		return nil, err
	}
	defer frame.Close()
	if e.loops && e.bound > quickCost {
		if err := frame.SetContext(in.ctx, celconfig.CheckFrequency); err != nil {
			return nil, err
		}
	}
	defer func() {
		// cel-go's own programs treat panics in functions the same way.
		if cause := recover(); cause != nil {
			value, err = nil, fmt.Errorf("internal error: %v", cause)
		}
	}()
	value = e.untracked.Exec(frame)
	if failed, ok := value.(*types.Err); ok {
		return nil, failed
	}
	return value, nil
}

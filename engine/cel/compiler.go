package cel

import (
	"fmt"

	"github.com/google/cel-go/cel"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/assay-gitops/assay/policy"
)

// Compiler turns policies into programs. It is made once and safe for concurrent use.
type Compiler struct {
	env     *cel.Env
	planner *planner
}

// Bounds of what is compiled, in characters and bytes. The time that cel-go's type checker takes grows with the square of
// the number of comprehensions and literals: at the limit, an expression takes some tenths of a second.
const (
	maxExpression = 16 << 10
	maxRule       = 128 << 10
)

// NewCompiler prepares the environment that all policies share: everything that the version of Kubernetes we are
// built with knows, our variables and functions.
func NewCompiler() (*Compiler, error) {
	// An environment for stored expressions has all libraries, also those that an API server would not yet let new
	// objects use while it can still be rolled back.
	base := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).StoredExpressionsEnv()
	options := append(functions(),
		cel.ParserExpressionSizeLimit(maxExpression),
		functionCostBounds(),
		cel.CustomTypeAdapter(adapter{base.CELTypeAdapter()}),
		cel.CustomTypeProvider(&typeProvider{base.CELTypeProvider(), declaredTypes()}),
		cel.Variable(objectVariable, cel.DynType),
		cel.Variable(oldObjectVariable, cel.DynType),
		cel.Variable(requestVariable, requestType),
		cel.Variable(paramsVariable, cel.DynType),
		cel.Variable(namespaceVariable, namespaceType),
		cel.Variable(workloadVariable, workloadType),
	)
	env, err := base.Extend(options...)
	if err != nil {
		return nil, fmt.Errorf("preparing the CEL environment: %w", err)
	}
	planner, err := newPlanner(env)
	if err != nil {
		return nil, fmt.Errorf("preparing the CEL environment: %w", err)
	}
	return &Compiler{env: env, planner: planner}, nil
}

// NewInput prepares an object for the evaluation of any number of policies. What they share is made when the first of
// them asks for it. An Input is used by one goroutine at a time.
func (c *Compiler) NewInput(request *policy.Request) *Input {
	return &Input{request: request}
}

// withVariables is the environment of a policy whose variables have the types, which may be added to later.
func (c *Compiler) withVariables(fields map[string]*cel.Type) (*cel.Env, error) {
	env, err := c.env.Extend(
		cel.CustomTypeProvider(&typeProvider{c.env.CELTypeProvider(), structTypes{variablesType.TypeName(): fields}}),
		cel.Variable(variablesVariable, variablesType),
	)
	if err != nil {
		return nil, fmt.Errorf("preparing the CEL environment for variables: %w", err)
	}
	return env, nil
}

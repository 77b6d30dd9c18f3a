package cel

import (
	"fmt"
	"sync"

	"github.com/google/cel-go/cel"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/interpreter"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// expression is compiled.
type expression struct {
	// field of the policy that holds the source.
	field  string
	source string
	info   *celast.SourceInfo
	// untracked evaluates the expression without knowing what it costs; nil when its costs have no bound.
	untracked interpreter.InterpretableV2
	// bound is what the expression costs at most on small values. The cost of a variable is not in the bound of those
	// who read it, as it is evaluated once.
	bound uint64
	// small says that the value is small, loops that it takes a loop to make it.
	small, loops bool
	// tracked makes the program that tracks costs when it is first needed.
	tracked func() (cel.Program, error)
}

// compileTyped compiles an expression that must have exactly the type, as ValidatingAdmissionPolicy demands: what is
// only known when the policy runs would fail in production rather than here.
func (pc *policyCompiler) compileTyped(field, source string, want *cel.Type, hint string) *expression {
	compiled, typ := pc.compile(field, source)
	if typ == nil || typ.IsExactType(want) {
		return compiled
	}
	message := fmt.Sprintf("it must yield %s, not %s", cel.FormatCELType(want), cel.FormatCELType(typ))
	if typ.Kind() == types.DynKind {
		message = fmt.Sprintf("it must yield %s, but its type is only known when it is evaluated", cel.FormatCELType(want))
	}
	if hint != "" {
		message += ": " + hint
	}
	pc.failf(field, "%s", message)
	return nil
}

// compile compiles an expression. When it does not compile, what is wrong is collected and the type is nil.
func (pc *policyCompiler) compile(field, source string) (*expression, *cel.Type) {
	parsed, issues := pc.env.Parse(source)
	if issues.Err() != nil {
		pc.errs = append(pc.errs, issuesToErrors(field, source, issues)...)
		return nil, nil
	}
	tree := parsed.NativeRep()
	found := inspect(tree)
	if errs := undeclared(field, source, tree, found.parameters, pc.parameters); errs != nil {
		pc.errs = append(pc.errs, errs...)
		return nil, nil
	}
	mixValues(tree, found.occurrences)
	checked, issues, err := checkTypes(pc.env, parsed)
	if err != nil {
		pc.failf(field, "%v", err)
		return nil, nil
	}
	if issues.Err() != nil {
		pc.errs = append(pc.errs, issuesToErrors(field, source, issues)...)
		return nil, nil
	}
	pc.found.add(found)
	compiled := &expression{field: field, source: source, info: checked.NativeRep().SourceInfo()}
	compiled.bound, compiled.small, compiled.loops = costBound(pc.env, checked, pc.small)
	if compiled.bound <= celconfig.PerCallLimit {
		if compiled.untracked, err = pc.planner.plan(checked.NativeRep()); err != nil {
			pc.failf(field, "%v", err)
			return nil, nil
		}
	}
	env := pc.env
	compiled.tracked = sync.OnceValues(func() (cel.Program, error) {
		return env.Program(checked, functionCosts(), cel.InterruptCheckFrequency(celconfig.CheckFrequency))
	})
	return compiled, checked.OutputType()
}

// checkTypes checks the types of a parsed expression. Kubernetes' check that the values of a literal share one type
// panics on optional entries of an unknown type, such as [?object.x, "a"]; no expression may take the process down.
func checkTypes(env *cel.Env, parsed *cel.Ast) (checked *cel.Ast, issues *cel.Issues, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the CEL compiler fails on the expression (%v); what follows ? in a list or map must be an optional value, as object.?x is", cause)
		}
	}()
	checked, issues = env.Check(parsed)
	return checked, issues, nil
}

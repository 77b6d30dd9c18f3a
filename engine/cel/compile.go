package cel

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// Program is a compiled policy. It is immutable and safe for concurrent use.
type Program struct {
	// needsWorkload says that the policy does not apply to objects without a pod.
	needsWorkload bool
	// bounded says that the policy stays within all cost limits on small objects.
	bounded     bool
	parameters  []string
	conditions  []*expression
	variables   []variable
	validations []validation
}

type variable struct {
	name string
	*expression
}

// validation is either a test with what to say when it fails, or occurrences.
type validation struct {
	test        *expression
	occurrences *expression

	// message is what is said when messageExpression is absent or fails; it is never empty beside a test.
	message           string
	messageExpression *expression
	path              string
	pathExpression    *expression
	recommended       *expression
}

// Compile compiles the CEL rule of a policy. The error is a *policy.CodeError or several of them joined: all that is
// wrong with the policy, in the order of its fields.
func (c *Compiler) Compile(p *v2.Policy) (*Program, error) {
	rule := p.Spec.CEL
	if rule == nil {
		return nil, &policy.CodeError{Field: "spec.cel", Message: "the policy has no CEL rule"}
	}
	if size := ruleSize(rule); size > maxRule {
		return nil, &policy.CodeError{Field: "spec.cel", Message: fmt.Sprintf("its expressions have %d bytes together; %d are allowed", size, maxRule)}
	}
	pc := policyCompiler{env: c.env, planner: c.planner, small: map[string]bool{}}
	for i := range p.Spec.Parameters {
		pc.parameters = append(pc.parameters, p.Spec.Parameters[i].Name)
	}
	program := &Program{
		parameters:  pc.parameters,
		variables:   pc.compileVariables(c, rule.Variables),
		conditions:  pc.compileConditions(rule.MatchConditions),
		validations: pc.compileValidations(rule.Validations),
	}
	if len(pc.errs) == 1 {
		return nil, pc.errs[0]
	}
	if len(pc.errs) > 1 {
		return nil, errors.Join(pc.errs...)
	}
	if err := program.chooseTracking(); err != nil {
		return nil, err
	}
	program.needsWorkload = pc.found.usesWorkload && !pc.found.comparesWorkload
	return program, nil
}

// ruleSize is how long the expressions of a rule are together, in bytes.
func ruleSize(rule *v2.CELRule) int {
	size := 0
	for i := range rule.MatchConditions {
		size += len(rule.MatchConditions[i].Expression)
	}
	for i := range rule.Variables {
		size += len(rule.Variables[i].Expression)
	}
	for i := range rule.Validations {
		v := &rule.Validations[i]
		size += len(v.Expression) + len(v.MessageExpression) + len(v.PathExpression) + len(v.RecommendedValueExpression) + len(v.Occurrences)
	}
	return size
}

// policyCompiler compiles one policy and collects what is wrong with it.
type policyCompiler struct {
	env        *cel.Env
	planner    *planner
	parameters []string
	// small are the variables that are small.
	small map[string]bool
	found findings
	errs  []error
}

func (pc *policyCompiler) fail(err *policy.CodeError) { pc.errs = append(pc.errs, err) }

func (pc *policyCompiler) failf(field, format string, args ...any) {
	pc.fail(&policy.CodeError{Field: field, Message: fmt.Sprintf(format, args...)})
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// compileVariables compiles the variables in their order, each seeing those before it.
func (pc *policyCompiler) compileVariables(c *Compiler, declared []v2.CELVariable) []variable {
	if len(declared) == 0 {
		return nil
	}
	fields := make(map[string]*cel.Type, len(declared))
	env, err := c.withVariables(fields)
	if err != nil {
		pc.failf("spec.cel.variables", "%v", err)
		return nil
	}
	pc.env = env
	variables := make([]variable, 0, len(declared))
	for i, v := range declared {
		at := fmt.Sprintf("spec.cel.variables[%d]", i)
		if !identifier.MatchString(v.Name) {
			pc.failf(at+".name", "%q is not an identifier: use letters, digits and underscores, and a digit not first", v.Name)
			continue
		}
		if _, ok := fields[v.Name]; ok {
			pc.failf(at+".name", "the variable %s is declared twice", v.Name)
			continue
		}
		compiled, typ := pc.compile(at+".expression", v.Expression)
		if typ == nil {
			// The variables and validations that use this one are not to blame.
			typ = cel.DynType
		} else {
			pc.small[v.Name] = compiled.small
		}
		fields[v.Name] = typ
		variables = append(variables, variable{v.Name, compiled})
	}
	return variables
}

func (pc *policyCompiler) compileConditions(declared []v2.CELMatchCondition) []*expression {
	conditions := make([]*expression, 0, len(declared))
	for i := range declared {
		field := fmt.Sprintf("spec.cel.matchConditions[%d].expression", i)
		conditions = append(conditions, pc.compileTyped(field, declared[i].Expression, cel.BoolType, ""))
	}
	return conditions
}

func (pc *policyCompiler) compileValidations(declared []v2.CELValidation) []validation {
	if len(declared) == 0 {
		pc.failf("spec.cel.validations", "at least one validation is needed")
	}
	validations := make([]validation, 0, len(declared))
	for i := range declared {
		at, v := fmt.Sprintf("spec.cel.validations[%d]", i), &declared[i]
		switch {
		case (v.Expression == "") == (v.Occurrences == ""):
			pc.failf(at, "give either expression (a bool that must be true) or occurrences (a list that must be empty)")
		case v.Occurrences != "":
			validations = append(validations, pc.compileOccurrences(at, v))
		default:
			validations = append(validations, pc.compileTest(at, v))
		}
	}
	return validations
}

func (pc *policyCompiler) compileTest(at string, v *v2.CELValidation) validation {
	compiled := validation{
		test:    pc.compileTyped(at+".expression", v.Expression, cel.BoolType, "compare it with what it must be, as in x == true"),
		message: testMessage(v),
		path:    v.Path,
	}
	if v.Path != "" {
		if _, err := policy.ParsePath(v.Path); err != nil {
			pc.failf(at+".path", "%v", err)
		}
	}
	if v.MessageExpression != "" {
		compiled.messageExpression = pc.compileTyped(at+".messageExpression", v.MessageExpression, cel.StringType, "convert it with string(...)")
	}
	if v.PathExpression != "" {
		compiled.pathExpression = pc.compileTyped(at+".pathExpression", v.PathExpression, cel.StringType, "convert it with string(...)")
	}
	if v.RecommendedValueExpression != "" {
		compiled.recommended, _ = pc.compile(at+".recommendedValueExpression", v.RecommendedValueExpression)
	}
	return compiled
}

func (pc *policyCompiler) compileOccurrences(at string, v *v2.CELValidation) validation {
	for _, misplaced := range [...]struct{ name, value string }{
		{"messageExpression", v.MessageExpression},
		{"path", v.Path},
		{"pathExpression", v.PathExpression},
		{"recommendedValueExpression", v.RecommendedValueExpression},
	} {
		if misplaced.value != "" {
			pc.failf(at+"."+misplaced.name, "it belongs to a validation with expression; beside occurrences, each occurrence has its own")
		}
	}
	field := at + ".occurrences"
	compiled, typ := pc.compile(field, v.Occurrences)
	if typ != nil && !yieldsOccurrences(typ) {
		pc.failf(field, "it must yield a list of strings or of maps {message, path, recommendedValue}, not %s", cel.FormatCELType(typ))
	}
	return validation{occurrences: compiled, message: v.Message}
}

// yieldsOccurrences tells whether values of the type can be a list of strings and maps with string keys.
func yieldsOccurrences(typ *cel.Type) bool {
	anything := []types.Kind{types.DynKind, types.AnyKind, types.TypeParamKind}
	if slices.Contains(anything, typ.Kind()) {
		return true
	}
	if typ.Kind() != types.ListKind {
		return false
	}
	element := typ.Parameters()[0]
	switch element.Kind() {
	case types.StringKind:
		return true
	case types.MapKind:
		key := element.Parameters()[0].Kind()
		return key == types.StringKind || slices.Contains(anything, key)
	}
	return slices.Contains(anything, element.Kind())
}

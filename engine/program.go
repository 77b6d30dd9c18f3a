package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/topdown"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine/cel"
	"github.com/assay-gitops/assay/engine/rego"
	"github.com/assay-gitops/assay/policy"
)

// program is a compiled rule before its parameters are known, in whatever language.
type program interface {
	bind(parameters map[string]any) (rule, error)
}

// rule is a program with its parameters: what judges. It is safe for concurrent use.
type rule interface {
	// evaluate judges a subject; applies is false when the rule itself says that it is not about the subject.
	evaluate(s *subject) (applies bool, found []policy.Occurrence, err error)
	name() string
}

// subject is what one call of Judge judges: the request, converted at most once for each language.
type subject struct {
	request *policy.Request
	// view is the request as rules see it where the object is shown as one of another kind; nil where it is shown as it is.
	view    *policy.Request
	celIn   *cel.Input
	regoIn  *rego.Input
	celComp *cel.Compiler
	watch   *watch
}

// seen is the request as rules see it.
func (s *subject) seen() *policy.Request {
	if s.view != nil {
		return s.view
	}
	return s.request
}

// binding is a rule with the parameters it was bound to.
type binding struct {
	rule       rule
	parameters []policy.Parameter
}

type regoProgram struct{ program *rego.Program }

func (p regoProgram) bind(parameters map[string]any) (rule, error) {
	bound, err := p.program.Bind(parameters)
	if err != nil {
		return nil, err
	}
	return regoRule{bound}, nil
}

type regoRule struct{ bound *rego.Bound }

func (r regoRule) evaluate(s *subject) (bool, []policy.Occurrence, error) {
	if s.regoIn == nil {
		s.regoIn = rego.NewInput(s.seen())
	}
	found, err := r.bound.Evaluate(s.regoIn, s.watch.brake)
	return true, found, err
}

func (r regoRule) name() string {
	if r.bound.Fallback() != nil {
		return "rego-interpreted"
	}
	return "rego"
}

type celProgram struct{ program *cel.Program }

func (p celProgram) bind(parameters map[string]any) (rule, error) {
	return celRule{p.program, parameters}, nil
}

type celRule struct {
	program    *cel.Program
	parameters map[string]any
}

func (r celRule) evaluate(s *subject) (bool, []policy.Occurrence, error) {
	if s.celIn == nil {
		s.celIn = s.celComp.NewInput(s.seen())
	}
	return r.program.Evaluate(s.watch.brake.ctx, s.celIn, r.parameters)
}

func (r celRule) name() string { return "cel" }

// compilePolicy compiles one policy and binds it to its own parameters.
func compilePolicy(p *v2.Policy, regoCompiler *rego.Compiler, celCompiler *cel.Compiler) (*compiled, []Problem) {
	c := &compiled{policy: p}
	var err error
	switch {
	case p.Spec.CEL != nil && p.Spec.Code != "":
		err = &policy.CodeError{Field: "spec.code", Message: "the policy has both code and cel: keep one of them"}
	case p.Spec.CEL != nil:
		var program *cel.Program
		program, err = celCompiler.Compile(p)
		c.program = celProgram{program}
	default:
		var program *rego.Program
		program, err = regoCompiler.Compile(p.Spec.Code)
		c.program = regoProgram{program}
	}
	if err != nil {
		return nil, codeProblems(p, err)
	}
	if c.matcher, err = newMatcher(p); err != nil {
		return nil, []Problem{{Source: p, Field: "spec.targets.namespaceSelector", Message: err.Error(), LeftOut: true}}
	}
	if err := c.bindOwn(); err != nil {
		return nil, []Problem{{Source: p, Field: "spec.parameters", Message: err.Error(), LeftOut: true}}
	}
	return c, nil
}

// codeProblems is a problem for each error of a compiler.
func codeProblems(p *v2.Policy, err error) []Problem {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var all []Problem
		for _, e := range joined.Unwrap() {
			all = append(all, codeProblems(p, e)...)
		}
		return all
	}
	problem := Problem{Source: p, Message: err.Error(), LeftOut: true}
	var code *policy.CodeError
	if errors.As(err, &code) {
		problem.Field, problem.Line, problem.Column = code.Field, code.Line, code.Column
		problem.Message, problem.Excerpt = code.Message, code.Excerpt
	}
	return []Problem{problem}
}

func (c *compiled) bindOwn() error {
	var err error
	if c.parameters, err = ownValues(c.policy); err != nil {
		return err
	}
	c.own, err = c.bind(nil)
	return err
}

// ownValues are the values of a policy's parameters without any config, by position in spec.parameters.
func ownValues(p *v2.Policy) ([]any, error) {
	values := make([]any, len(p.Spec.Parameters))
	for i, parameter := range p.Spec.Parameters {
		if parameter.Value == nil {
			continue
		}
		var err error
		if values[i], err = decode(parameter.Value.Raw); err != nil {
			return nil, fmt.Errorf("parameter %s: %w", parameter.Name, err)
		}
	}
	return values, nil
}

// override is a parameter that a PolicyConfig sets.
type override struct {
	value  any
	config string
}

// bind bakes the policy's own parameters, with the overrides over them, into its rule.
func (c *compiled) bind(overrides map[string]override) (*binding, error) {
	b := &binding{parameters: inEffect(c.policy, c.parameters, overrides)}
	values := make(map[string]any, len(b.parameters))
	for i := range b.parameters {
		values[b.parameters[i].Name] = b.parameters[i].Value
	}
	var err error
	b.rule, err = c.program.bind(values)
	return b, err
}

// inEffect are a policy's parameters with the overrides over its own values.
func inEffect(p *v2.Policy, own []any, overrides map[string]override) []policy.Parameter {
	all := make([]policy.Parameter, 0, len(own))
	for i, declared := range p.Spec.Parameters {
		effective := policy.Parameter{Name: declared.Name, Type: declared.Type, Required: declared.Required, Value: own[i]}
		if o, ok := overrides[declared.Name]; ok {
			effective.Value, effective.ConfigRef = o.value, o.config
		}
		all = append(all, effective)
	}
	return all
}

// with is the same compiled rule for a policy that changed in what was not compiled. It keeps nothing of the policy as it
// was: that one can be part of a list, all of which one pointer into it would keep.
func (c *compiled) with(p *v2.Policy) *compiled {
	changed := *c
	changed.policy = p
	changed.matcher.targets, changed.matcher.exclude = &p.Spec.Targets, &p.Spec.Exclude
	return &changed
}

// decode reads a JSON value; whole numbers become int64 where they fit, others float64.
func decode(raw []byte) (any, error) {
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("reading its value: %w", err)
	}
	return plainNumbers(value)
}

// plainNumbers refuses a number too large for float64: JSON has no infinity, so no report could show it.
func plainNumbers(value any) (any, error) {
	var err error
	switch v := value.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("number %.40s is out of range", v.String())
		}
		return f, nil
	case []any:
		for i := range v {
			if v[i], err = plainNumbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range v {
			if v[key], err = plainNumbers(v[key]); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

// cancelled tells whether a rule was stopped rather than failed.
func cancelled(err error) bool {
	return rego.Cancelled(err) || topdown.IsCancel(err) || errors.Is(err, ErrTimeout) || errors.Is(err, ErrMemory) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

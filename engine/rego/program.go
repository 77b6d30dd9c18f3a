package rego

import (
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/assay-gitops/assay/policy"
)

// Program is a compiled policy, before its parameters are known.
type Program struct {
	compiler *ast.Compiler
	entry    ast.Ref
	version  ast.RegoVersion
	plan     *ir.Policy
	// unplanned is why there is no plan.
	unplanned error
	// interpreter evaluates where there is no plan.
	interpreter func() (*interpreter, error)
}

// Version of Rego that the policy is written in: v0 or v1.
func (p *Program) Version() string { return p.version.String() }

// Bound is a program with its parameters. It is immutable and safe for concurrent use.
type Bound struct {
	parameters    *ast.Term
	partialObject bool
	// capabilities are what built-ins look at to know which hosts they may reach.
	capabilities *ast.Capabilities
	lowered      *lowered
	// interpreter evaluates where there is no lowered plan; fallback says why there is none.
	interpreter *interpreter
	fallback    error
}

// Bind bakes the parameters in.
func (p *Program) Bind(parameters map[string]any) (*Bound, error) {
	b := &Bound{
		parameters: toTerm(parameters), partialObject: p.isPartialObject(), capabilities: p.compiler.Capabilities(), fallback: p.unplanned,
	}
	if p.plan != nil {
		b.lowered, b.fallback = lower(p.plan, b.parameters, noData, b.capabilities)
	}
	if b.fallback == nil {
		return b, nil
	}
	interpreted, err := p.interpreted(b.parameters)
	if err != nil {
		return nil, err
	}
	interpreted.fallback = b.fallback
	return interpreted, nil
}

// Fallback is why OPA's interpreter evaluates the policy; nil when it need not.
func (b *Bound) Fallback() error { return b.fallback }

func (p *Program) isPartialObject() bool {
	rules := p.compiler.GetRulesExact(p.entry)
	for _, rule := range p.compiler.GetRulesWithPrefix(p.entry) {
		if ref := rule.Head.Ref(); len(ref) > 1 && rule.Head.RuleKind() == ast.SingleValue {
			return true
		}
	}
	return len(rules) == 0 && len(p.compiler.GetRulesWithPrefix(p.entry)) > 0
}

// Evaluate judges the input. Cancel, which may be nil, stops the evaluation: see Cancelled.
func (b *Bound) Evaluate(in *Input, cancel topdown.Cancel) (found []policy.Occurrence, err error) {
	value, err := b.evaluate(in, cancel)
	if err != nil || value == nil {
		return nil, err
	}
	if err := boundFindings(value.Value); err != nil {
		return nil, err
	}
	return occurrences(value.Value, b.partialObject), nil
}

// maxOccurrences bounds what a policy may find in one object.
const maxOccurrences = 10_000

// boundFindings keeps reports, events and denials small, whatever a policy says.
func boundFindings(value ast.Value) error {
	n := size(value)
	if n > maxOccurrences {
		return fmt.Errorf("rule `%s` yields %d results; no more than %d are read", entryRule, n, maxOccurrences)
	}
	total := 0
	if object, ok := value.(ast.Object); ok {
		total = findingSize(object)
	}
	each(value, func(t *ast.Term) bool {
		total += findingSize(t.Value)
		return total > maxText
	})
	if total > maxText {
		return fmt.Errorf("what rule `%s` yields is larger than %d MiB", entryRule, maxText>>20)
	}
	return nil
}

// findingSize is how long the text is of what is read of a finding.
func findingSize(finding ast.Value) int {
	object, ok := finding.(ast.Object)
	if !ok {
		return len(stringOf(finding))
	}
	n := len(stringAt(object, messageKey)) + len(stringAt(object, pathKey))
	if recommended := object.Get(recommendedKey); recommended != nil {
		size := textSize(recommended.Value)
		if size < 0 {
			return maxText + 1
		}
		n += size
	}
	return n
}

// Cancelled tells whether an error of Evaluate means that the evaluation was stopped.
func Cancelled(err error) bool { return errors.Is(err, errCancelled) || topdown.IsCancel(err) }

func (b *Bound) evaluate(in *Input, cancel topdown.Cancel) (*ast.Term, error) {
	if b.lowered == nil {
		return b.interpreter.evaluate(in.document(b.parameters), cancel)
	}
	m := &in.machine
	if m.capture == nil {
		m.prepare(cancel)
	}
	m.builtins.Cancel, m.builtins.Capabilities = cancel, b.capabilities
	return m.protect(func() (*ast.Term, error) { return m.run(b, in) })
}

// run evaluates a bound program.
func (m *machine) run(b *Bound, in *Input) (*ast.Term, error) {
	m.input = in
	var document *ast.Term
	if b.lowered.looksAtInput {
		document = in.document(b.parameters)
	}
	if entry := b.lowered.entry; entry != nil {
		return m.rule(b.lowered, entry, document)
	}
	if err := m.query(b.lowered, document, noData); err != nil {
		return nil, err
	}
	if len(m.results) == 0 {
		return nil, nil
	}
	return dot(m.results[0], resultKey), nil
}

// rule evaluates one rule of a plan.
func (m *machine) rule(l *lowered, f *function, input *ast.Term) (*ast.Term, error) {
	if f.constant {
		return f.value, nil
	}
	m.reset(l)
	locals, _ := m.push(int(ir.Unused))
	locals[ir.Input], locals[ir.Data] = input, noData
	value, ok := f.call(m, inputAndData, locals)
	if !ok {
		return nil, m.err
	}
	return value, nil
}

// inputAndData are the arguments of every rule.
var inputAndData = []operand{{local: int(ir.Input)}, {local: int(ir.Data)}}

// query evaluates a plan and leaves its results in m.results.
func (m *machine) query(l *lowered, input, data *ast.Term) error {
	m.reset(l)
	locals, _ := m.push(l.query.locals)
	locals[ir.Input], locals[ir.Data] = input, data
	for _, block := range l.query.blocks {
		if block.run(m, locals) == failed {
			return m.err
		}
	}
	return nil
}

// reset makes the machine ready for another evaluation.
func (m *machine) reset(l *lowered) {
	m.results, m.value, m.err = m.results[:0], nil, nil
	if cap(m.memo) < l.functions {
		m.memo = make([]memoized, l.functions, 2*l.functions)
	} else {
		m.memo = m.memo[:l.functions]
		clear(m.memo)
	}
	m.stack = m.stack[:0]
}

// noData is the data document: policies see nothing but their input.
var noData = ast.ObjectTerm()

// protect turns a panic into an error: whatever a policy makes a built-in do must not end the process.
func (m *machine) protect(evaluate func() (*ast.Term, error)) (value *ast.Term, err error) {
	defer func() {
		if p := recover(); p != nil {
			m.forget()
			value, err = nil, fmt.Errorf("evaluation panicked: %v", p)
		}
	}()
	if value, err = evaluate(); err != nil {
		m.forget()
	}
	return value, err
}

// forget lets go of what an evaluation that failed has made, which may be all the memory there is.
func (m *machine) forget() {
	m.stack, m.memo, m.shared, m.results, m.value, m.output = nil, nil, nil, nil, nil, nil
}

var resultKey = ast.StringTerm(resultVar)

package rego

import (
	"fmt"
	"strings"
	"time"
	"unique"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// lowered is a plan as closures, with the parameters of one binding baked in.
type lowered struct {
	query *function
	// entry is the rule that the query asks for, where it can be called without the query around it.
	entry     *function
	functions int
	// looksAtInput says that the whole input document is needed.
	looksAtInput bool
}

// lowering turns a plan into closures.
type lowering struct {
	plan      *ir.Policy
	params    *ast.Term
	data      *ast.Term
	strings   []*ast.Term
	functions map[string]*function
	planned   map[string]*ir.Func
	byPath    map[string]string
	relations map[string]bool
	// number of functions so far.
	number int
	// looksAtInput holds when something reads the input other than through review and parameters.
	looksAtInput bool
	// replacesInput and replacesData hold when a with statement of the plan does so anywhere: then nothing is known about
	// these documents while lowering.
	replacesInput, replacesData bool
	// callsDynamically holds when a called function is chosen at run time.
	callsDynamically bool
	// capabilities are those that built-ins are evaluated with ahead of time.
	capabilities *ast.Capabilities
	// folding is the time spent on evaluating rules ahead of time, folded about how many bytes built-ins made in it.
	folding time.Duration
	folded  int
}

// lower bakes the parameters and the data document into the plan. Without parameters nothing is assumed about the input.
// An error means that the plan has something that is not supported.
func lower(plan *ir.Policy, params, data *ast.Term, capabilities *ast.Capabilities) (*lowered, error) {
	l := &lowering{
		plan: plan, params: params, data: data, capabilities: capabilities, replacesInput: params == nil,
		functions: map[string]*function{}, planned: map[string]*ir.Func{}, byPath: map[string]string{}, relations: map[string]bool{},
	}
	for _, s := range plan.Static.Strings {
		l.strings = append(l.strings, ast.StringTerm(s.Value))
	}
	for _, b := range plan.Static.BuiltinFuncs {
		if builtin := ast.BuiltinMap[b.Name]; builtin != nil && builtin.Relation {
			l.relations[b.Name] = true
		}
	}
	for _, f := range plan.Funcs.Funcs {
		l.planned[f.Name] = f
		if f.Path != nil {
			l.byPath[strings.Join(f.Path, "\x00")] = f.Name
		}
		l.findReplacements(f.Blocks)
	}
	entry := plan.Plans.Plans[0]
	l.findReplacements(entry.Blocks)
	query, err := l.lowerFunction(&ir.Func{Name: entry.Name, Blocks: entry.Blocks})
	if err != nil {
		return nil, err
	}
	if l.callsDynamically {
		// Which functions are called turns out at run time, so all that can be must be there.
		for _, name := range l.byPath {
			if _, err := l.function(name); err != nil {
				return nil, err
			}
		}
	}
	return &lowered{query: query, entry: l.entry(entry), functions: l.number, looksAtInput: l.looksAtInput}, nil
}

// entry finds the rule that a query of the form `result = data.<package>.<rule>` does nothing but call.
func (l *lowering) entry(query *ir.Plan) *function {
	if len(query.Blocks) != 1 || l.replacesInput || l.replacesData {
		return nil
	}
	const statements = 5 // call, assign, make the result object, insert, add
	stmts := query.Blocks[0].Stmts
	if len(stmts) != statements {
		return nil
	}
	call, ok := stmts[0].(*ir.CallStmt)
	if _, adds := stmts[statements-1].(*ir.ResultSetAddStmt); !ok || !adds {
		return nil
	}
	if f := l.functions[call.Func]; f != nil && f.memoize {
		f.shared = meaning{} // hardly two policies find the same
		return f
	}
	return nil
}

func (l *lowering) findReplacements(blocks []*ir.Block) {
	walk(blocks, func(s ir.Stmt) {
		if with, ok := s.(*ir.WithStmt); ok {
			l.replacesInput = l.replacesInput || with.Local == ir.Input
			l.replacesData = l.replacesData || with.Local == ir.Data
		}
	})
}

// walk visits all statements of the blocks, nested ones too.
func walk(blocks []*ir.Block, visit func(ir.Stmt)) {
	for _, b := range blocks {
		for _, s := range b.Stmts {
			visit(s)
			switch s := s.(type) {
			case *ir.BlockStmt:
				walk(s.Blocks, visit)
			case *ir.NotStmt:
				walk([]*ir.Block{s.Block}, visit)
			case *ir.ScanStmt:
				walk([]*ir.Block{s.Block}, visit)
			case *ir.WithStmt:
				walk([]*ir.Block{s.Block}, visit)
			}
		}
	}
}

// function lowers a planned function when it is first called.
func (l *lowering) function(name string) (*function, error) {
	if f, ok := l.functions[name]; ok {
		if f == nil {
			return nil, fmt.Errorf("function %s calls itself", name)
		}
		return f, nil
	}
	planned := l.planned[name]
	l.functions[name] = nil
	f, err := l.lowerFunction(planned)
	if err != nil {
		return nil, err
	}
	l.functions[name] = f
	return f, nil
}

func (l *lowering) lowerFunction(planned *ir.Func) (*function, error) {
	s := newScope(l, planned)
	blocks, err := s.lowerBlocks(planned.Blocks)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", planned.Name, err)
	}
	f := &function{number: l.number, locals: s.locals, blocks: blocks, pure: s.pure}
	l.number++
	for _, p := range planned.Params {
		f.params = append(f.params, int(p))
	}
	f.memoize = len(planned.Params) == 2
	f.meaning = s.meaning(planned)
	if f.memoize && f.pure {
		l.fold(f)
	}
	if f.memoize && f.meaning != nil {
		f.shared = unique.Make(*f.meaning)
	}
	return f, nil
}

// foldTimeout bounds what is spent on evaluating the rules of one policy ahead of time.
const foldTimeout = 50 * time.Millisecond

// foldMemory bounds, in bytes, what built-ins make while the rules of one policy are evaluated ahead of time: no guard looks
// on.
const foldMemory = 4 << 20

// fold evaluates a rule that does not depend on the input, now instead of for every object. One that cannot be evaluated
// now, or not in time, is left to fail when it is needed.
func (l *lowering) fold(f *function) {
	left := foldTimeout - l.folding
	if left <= 0 || l.folded > foldMemory {
		return
	}
	start := time.Now()
	defer func() { l.folding += time.Since(start) }()
	cancel := topdown.NewCancel()
	defer time.AfterFunc(left, cancel.Cancel).Stop()
	m := &machine{memo: make([]memoized, l.number), made: l.folded, most: foldMemory}
	defer func() { l.folded = m.made }()
	m.prepare(cancel)
	m.builtins.Capabilities = l.capabilities
	value, err := m.protect(func() (*ast.Term, error) {
		value, ok := f.call(m, nil, nil)
		if !ok {
			return nil, m.err
		}
		return value, nil
	})
	if err == nil && (value == nil || isKept(value.Value)) {
		f.constant, f.value = true, value
	}
}

// maxKept is how long the text of a value is at most that is kept for as long as the policy is, in bytes.
const maxKept = 256 << 10

// isKept tells whether a value is small enough to be kept rather than made for every object.
func isKept(v ast.Value) bool {
	left := maxKept
	return spend(v, &left)
}

// document is what a local is known to hold: a part of the input that need not be looked up.
type document int

const (
	unknown document = iota
	wholeInput
	review
	object
)

// scope is a function while it is lowered.
type scope struct {
	*lowering
	function *ir.Func
	locals   int
	// writers counts the statements that write a local; one that has a single writer keeps its value.
	writers []int
	// builds marks locals that hold arrays under construction.
	builds    []bool
	constants map[ir.Local]*ast.Term
	documents map[ir.Local]document
	pure      bool
}

func newScope(l *lowering, f *ir.Func) *scope {
	s := &scope{lowering: l, function: f, pure: true, constants: map[ir.Local]*ast.Term{}, documents: map[ir.Local]document{}}
	s.grow(ir.Unused)
	for _, p := range f.Params {
		s.grow(p)
	}
	s.grow(f.Return)
	walk(f.Blocks, func(stmt ir.Stmt) {
		for _, local := range mentioned(stmt) {
			s.grow(local)
		}
		for _, local := range written(stmt) {
			s.writers[local]++
		}
		if array, ok := stmt.(*ir.MakeArrayStmt); ok {
			s.builds[array.Target] = true
		}
	})
	if !l.replacesInput {
		s.documents[ir.Input] = wholeInput
	}
	if !l.replacesData {
		s.constants[ir.Data] = l.data
	}
	return s
}

func (s *scope) grow(local ir.Local) {
	for int(local) >= s.locals {
		s.locals++
		s.writers = append(s.writers, 0)
		s.builds = append(s.builds, false)
	}
}

// know remembers what a local holds, if nothing else can write it.
func (s *scope) know(local ir.Local, value *ast.Term) {
	if s.writers[local] == 1 && !s.builds[local] {
		s.constants[local] = value
	}
}

// operand reads a value. Reading the input makes the function impure.
func (s *scope) operand(o ir.Operand) operand {
	switch v := o.Value.(type) {
	case ir.StringIndex:
		return operand{constant: s.strings[v]}
	case ir.Bool:
		return operand{constant: ast.InternedTerm(bool(v))}
	case ir.Local:
		return s.local(v)
	}
	panic(fmt.Sprintf("rego: operand %T", o.Value))
}

func (s *scope) local(l ir.Local) operand {
	switch {
	case l == ir.Input:
		s.pure, s.looksAtInput = false, true
	case l == ir.Data && s.replacesData:
		s.pure = false
	}
	if constant, ok := s.constants[l]; ok {
		return operand{constant: constant}
	}
	return operand{local: int(l), array: s.builds[l]}
}

func written(s ir.Stmt) []ir.Local {
	switch s := s.(type) {
	case *ir.CallStmt:
		return []ir.Local{s.Result}
	case *ir.CallDynamicStmt:
		return []ir.Local{s.Result}
	case *ir.DotStmt:
		return []ir.Local{s.Target}
	case *ir.LenStmt:
		return []ir.Local{s.Target}
	case *ir.ScanStmt:
		return []ir.Local{s.Key, s.Value}
	case *ir.AssignIntStmt:
		return []ir.Local{s.Target}
	case *ir.AssignVarStmt:
		return []ir.Local{s.Target}
	case *ir.AssignVarOnceStmt:
		return []ir.Local{s.Target}
	case *ir.ResetLocalStmt:
		return []ir.Local{s.Target}
	case *ir.MakeNullStmt:
		return []ir.Local{s.Target}
	case *ir.MakeNumberIntStmt:
		return []ir.Local{s.Target}
	case *ir.MakeNumberRefStmt:
		return []ir.Local{s.Target}
	case *ir.MakeArrayStmt:
		return []ir.Local{s.Target}
	case *ir.MakeObjectStmt:
		return []ir.Local{s.Target}
	case *ir.MakeSetStmt:
		return []ir.Local{s.Target}
	case *ir.ObjectMergeStmt:
		return []ir.Local{s.Target}
	case *ir.WithStmt:
		return []ir.Local{s.Local}
	case *ir.ArrayAppendStmt:
		return []ir.Local{s.Array}
	case *ir.ObjectInsertStmt:
		return []ir.Local{s.Object}
	case *ir.ObjectInsertOnceStmt:
		return []ir.Local{s.Object}
	case *ir.SetAddStmt:
		return []ir.Local{s.Set}
	}
	return nil
}

// mentioned are all locals that a statement names, so that there is room for them.
func mentioned(s ir.Stmt) []ir.Local {
	locals := written(s)
	add := func(operands ...ir.Operand) {
		for _, o := range operands {
			if l, ok := o.Value.(ir.Local); ok {
				locals = append(locals, l)
			}
		}
	}
	switch s := s.(type) {
	case *ir.CallStmt:
		add(s.Args...)
	case *ir.CallDynamicStmt:
		locals = append(locals, s.Args...)
		add(s.Path...)
	case *ir.DotStmt:
		add(s.Source, s.Key)
	case *ir.LenStmt:
		add(s.Source)
	case *ir.ScanStmt:
		locals = append(locals, s.Source)
	case *ir.AssignVarStmt:
		add(s.Source)
	case *ir.AssignVarOnceStmt:
		add(s.Source)
	case *ir.EqualStmt:
		add(s.A, s.B)
	case *ir.NotEqualStmt:
		add(s.A, s.B)
	case *ir.IsArrayStmt:
		add(s.Source)
	case *ir.IsObjectStmt:
		add(s.Source)
	case *ir.IsSetStmt:
		add(s.Source)
	case *ir.IsDefinedStmt:
		locals = append(locals, s.Source)
	case *ir.IsUndefinedStmt:
		locals = append(locals, s.Source)
	case *ir.ObjectMergeStmt:
		locals = append(locals, s.A, s.B)
	case *ir.WithStmt:
		add(s.Value)
	case *ir.ArrayAppendStmt:
		add(s.Value)
	case *ir.ObjectInsertStmt:
		add(s.Key, s.Value)
	case *ir.ObjectInsertOnceStmt:
		add(s.Key, s.Value)
	case *ir.SetAddStmt:
		add(s.Value)
	case *ir.ReturnLocalStmt:
		locals = append(locals, s.Source)
	case *ir.ResultSetAddStmt:
		locals = append(locals, s.Value)
	}
	return locals
}

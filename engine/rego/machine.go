package rego

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// errCancelled says that an evaluation was stopped from outside: its deadline passed or its context ended.
var errCancelled = errors.New("evaluation was cancelled")

// control says how a statement ended. A positive value breaks out of that many blocks, counting the current one.
type control int

const (
	// next: go on with the next statement.
	next control = 0
	// undefined: leave the current block.
	undefined control = 1
	// returned: leave the function; its value is in machine.value.
	returned control = -1
	// failed: leave the evaluation; why is in machine.err.
	failed control = -2
)

// outward is what a control of a nested block means to the block around it.
func (c control) outward() control {
	if c > next {
		return c - 1
	}
	return c
}

// statement is one lowered statement. Locals hold nil while they are undefined.
type statement func(m *machine, locals []*ast.Term) control

type block []statement

func (b block) run(m *machine, locals []*ast.Term) control {
	for _, s := range b {
		if c := s(m, locals); c != next {
			return c
		}
	}
	return next
}

// machine holds the state of one evaluation. It is reused for all policies of one input.
type machine struct {
	input *Input
	// value is what the function that returned last yields, results are what the query yields.
	value   *ast.Term
	results []*ast.Term
	err     error
	// memo holds the values of rules by function number; a with statement starts afresh.
	memo []memoized
	// shared holds the values of rules by their meaning, for all policies of the input.
	shared map[meaning]*ast.Term
	// stack is where locals live; a full one is replaced, not copied: running functions keep theirs.
	stack []*ast.Term
	steps uint
	// made is about how many bytes the large results of built-ins have; most is how many they may have, 0 for any.
	made, most int

	builtins topdown.BuiltinContext
	// output is the value of the last built-in call, collect gathers those of a relation.
	output  *ast.Term
	capture func(*ast.Term) error
}

type memoized struct {
	done  bool
	value *ast.Term
}

const minStack = 1024

// push returns n undefined locals.
func (m *machine) push(n int) (locals, before []*ast.Term) {
	before = m.stack
	if cap(m.stack)-len(m.stack) < n {
		m.stack = make([]*ast.Term, 0, max(minStack, 2*n))
	}
	start := len(m.stack)
	m.stack = m.stack[:start+n]
	locals = m.stack[start : start+n : start+n]
	clear(locals)
	return locals, before
}

func (m *machine) pop(before []*ast.Term) {
	// A stack that had to grow is kept, so that it grows once.
	if cap(before) < cap(m.stack) && len(before) == 0 {
		m.stack = m.stack[:0]
		return
	}
	m.stack = before
}

// checkEvery is how many steps (iterations and calls) pass between two looks at the clock.
const checkEvery = 64

// stopped counts a step and tells whether the evaluation must end.
func (m *machine) stopped() bool {
	m.steps++
	return m.steps%checkEvery == 0 && m.cancelled()
}

// cancelled looks at the brake.
func (m *machine) cancelled() bool {
	exhausted := m.most > 0 && m.made > m.most
	if !exhausted && (m.builtins.Cancel == nil || !m.builtins.Cancel.Cancelled()) {
		return false
	}
	m.err = errCancelled
	return true
}

func (m *machine) fail(err error) control {
	m.err = err
	return failed
}

// conflict is a rule that yields two values where it may yield one.
func conflict(message string, row int) error {
	return fmt.Errorf("line %d of the code: eval_conflict_error: %s", row, message)
}

// function is a lowered rule or function.
type function struct {
	number int
	locals int
	params []int
	blocks []block
	// memoize holds for rules: their value depends on nothing but the input.
	memoize bool
	// constant holds for rules that do not depend on the input; value is theirs, nil when undefined.
	constant bool
	value    *ast.Term
	// pure holds while nothing in the function looks at the input.
	pure bool
	// meaning is nil when it is not known; shared is that of a rule whose value other policies may use.
	meaning *[sha256.Size]byte
	shared  meaning
}

// call evaluates the function. The result is nil when it is undefined; ok is false when the evaluation failed.
func (f *function) call(m *machine, args []operand, caller []*ast.Term) (result *ast.Term, ok bool) {
	if f.memoize && m.memo[f.number].done {
		return m.memo[f.number].value, true
	}
	if f.shared != (meaning{}) {
		if value, done := m.shared[f.shared]; done {
			m.memo[f.number] = memoized{done: true, value: value}
			return value, true
		}
	}
	if m.stopped() {
		return nil, false
	}
	locals, before := m.push(f.locals)
	for i, arg := range args {
		locals[f.params[i]] = arg.get(caller)
	}
	for _, b := range f.blocks {
		c := b.run(m, locals)
		if c == failed {
			return nil, false
		}
		if c == returned {
			result = m.value
			break
		}
	}
	m.pop(before)
	if f.memoize {
		m.memo[f.number] = memoized{done: true, value: result}
		if f.shared != (meaning{}) {
			m.share(f.shared, result)
		}
	}
	return result, true
}

// expectedShared is how many different rules the policies of an object have, about.
const expectedShared = 64

func (m *machine) share(f meaning, value *ast.Term) {
	if m.shared == nil {
		m.shared = make(map[meaning]*ast.Term, expectedShared)
	}
	m.shared[f] = value
}

// operand is a constant or a local.
type operand struct {
	constant *ast.Term
	local    int
	// array says that the local may hold an array that is being built.
	array bool
}

func (o *operand) get(locals []*ast.Term) *ast.Term {
	if o.constant != nil {
		return o.constant
	}
	t := locals[o.local]
	if o.array && t != nil {
		if b, ok := t.Value.(*arrayBuilder); ok {
			t = ast.ArrayTerm(b.terms...)
			locals[o.local] = t
		}
	}
	return t
}

// arrayBuilder stands in a local for an array while elements are appended; OPA's own arrays are copied by every append.
type arrayBuilder struct {
	ast.Value
	terms []*ast.Term
}

// dot looks a key up; nil when it is absent or the value has no keys.
func dot(source, key *ast.Term) *ast.Term {
	if source == nil || key == nil {
		return nil
	}
	switch v := source.Value.(type) {
	case ast.Object:
		return v.Get(key)
	case *ast.Array:
		return v.Get(key)
	case ast.Set:
		if v.Contains(key) {
			return key
		}
	}
	return nil
}

func equal(a, b *ast.Term) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil {
		return false
	}
	if x, ok := a.Value.(ast.String); ok {
		y, ok := b.Value.(ast.String)
		return ok && x == y
	}
	return ast.ValueEqual(a.Value, b.Value)
}

// upsert is a copy of the term in which the value stands at the path; what is missing on the way is made.
func upsert(t *ast.Term, path []*ast.Term, value *ast.Term) *ast.Term {
	if len(path) == 0 {
		return value
	}
	var child *ast.Term
	items := [][2]*ast.Term{}
	if t != nil {
		if object, ok := t.Value.(ast.Object); ok {
			child = object.Get(path[0])
			object.Foreach(func(k, v *ast.Term) {
				if !equal(k, path[0]) {
					items = append(items, [2]*ast.Term{k, v})
				}
			})
		}
	}
	items = append(items, [2]*ast.Term{path[0], upsert(child, path[1:], value)})
	return ast.ObjectTerm(items...)
}

// merge merges two documents; where both have a value that is not an object, that of a stands.
func merge(a, b *ast.Term) *ast.Term {
	x, ok := a.Value.(ast.Object)
	if !ok {
		return a
	}
	y, ok := b.Value.(ast.Object)
	if !ok {
		return a
	}
	merged := ast.NewObject()
	y.Foreach(func(k, v *ast.Term) { merged.Insert(k, v) })
	x.Foreach(func(k, v *ast.Term) {
		if other := y.Get(k); other != nil {
			v = merge(v, other)
		}
		merged.Insert(k, v)
	})
	return ast.NewTerm(merged)
}

package rego

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"strconv"
	"unique"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// meaning identifies what a rule or function does, whichever policy it is in: two with the same meaning yield the same value for
// the same input. Policies of a library repeat their helper rules, so what one has yielded for an object need not be evaluated
// again for the next policy.
type meaning = unique.Handle[[sha256.Size]byte]

// meaning is a digest of a lowered function's plan, in which everything that differs between policies without a difference (numbers of
// locals, places in the code, names) is left out, and calls are replaced by the meaning of what is called. It is nil when
// the value may depend on more than the request and the parameters that it names.
func (s *scope) meaning(f *ir.Func) *[sha256.Size]byte {
	if s.params == nil || s.replacesInput || s.replacesData {
		return nil
	}
	d := &digest{scope: s, locals: map[ir.Local]int{}, known: true}
	for _, p := range f.Params {
		d.local(p)
	}
	d.write("returns")
	d.local(f.Return)
	d.blocks(f.Blocks)
	if !d.known {
		return nil
	}
	sum := sha256.Sum256(d.text)
	return &sum
}

// digest writes a plan as text that is to be hashed.
type digest struct {
	*scope
	text []byte
	// locals are numbered as they come.
	locals map[ir.Local]int
	// known is false when the meaning cannot be told.
	known bool
}

// write delimits what it writes.
func (d *digest) write(text string) {
	d.text = append(strconv.AppendInt(d.text, int64(len(text)), 10), ':')
	d.text = append(d.text, text...)
}

func (d *digest) number(n int) {
	d.text = append(strconv.AppendInt(append(d.text, '#'), int64(n), 10), ';')
}

func (d *digest) local(l ir.Local) {
	number, ok := d.locals[l]
	if !ok {
		number = len(d.locals)
		d.locals[l] = number
	}
	d.number(number)
}

func (d *digest) constant(t *ast.Term) {
	if t == nil {
		d.write("undefined")
		return
	}
	d.write("constant")
	d.write(t.String())
}

// value is a local that is read, or what it is known to hold.
func (d *digest) value(l ir.Local) {
	if l == ir.Input {
		d.known = false // it holds the parameters of this policy
		return
	}
	if constant, ok := d.constants[l]; ok {
		d.constant(constant)
		return
	}
	d.local(l)
}

func (d *digest) operand(o ir.Operand) {
	switch v := o.Value.(type) {
	case ir.StringIndex:
		d.constant(d.strings[v])
	case ir.Bool:
		d.constant(ast.InternedTerm(bool(v)))
	case ir.Local:
		d.value(v)
	}
}

func (d *digest) blocks(blocks []*ir.Block) {
	d.number(len(blocks))
	for _, b := range blocks {
		d.number(len(b.Stmts))
		for _, stmt := range b.Stmts {
			d.statement(stmt)
		}
	}
}

func (d *digest) statement(stmt ir.Stmt) {
	d.write(reflect.TypeOf(stmt).Elem().Name())
	switch stmt := stmt.(type) {
	case *ir.CallDynamicStmt, *ir.WithStmt, *ir.ResultSetAddStmt:
		d.known = false
	case *ir.CallStmt:
		d.call(stmt)
	case *ir.DotStmt:
		d.dot(stmt)
	case *ir.MakeNumberRefStmt:
		d.constant(d.strings[stmt.Index])
		d.local(stmt.Target)
	default:
		d.fields(reflect.ValueOf(stmt).Elem())
	}
}

func (d *digest) call(stmt *ir.CallStmt) {
	args := stmt.Args
	if _, planned := d.planned[stmt.Func]; planned {
		args = args[2:] // input and data
		switch f := d.functions[stmt.Func]; {
		case f == nil:
			d.write("never called")
		case f.constant && f.memoize:
			d.constant(f.value)
		case f.meaning == nil:
			d.known = false
		default:
			d.write(string(f.meaning[:]))
		}
	} else {
		d.write("built-in")
		d.write(stmt.Func)
		if b := ast.BuiltinMap[stmt.Func]; b == nil || b.Nondeterministic {
			d.known = false
		}
	}
	for _, arg := range args {
		d.operand(arg)
	}
	d.local(stmt.Result)
}

func (d *digest) dot(stmt *ir.DotStmt) {
	source, isLocal := stmt.Source.Value.(ir.Local)
	key, isString := stmt.Key.Value.(ir.StringIndex)
	switch {
	case isLocal && isString && source == ir.Input:
		// What is looked up in the parameters is told where it is looked up.
		d.write("input")
		d.write(d.plan.Static.Strings[key].Value)
	case isLocal && isString && d.constants[source] != nil:
		d.constant(dot(d.constants[source], d.strings[key]))
	default:
		d.operand(stmt.Source)
		d.operand(stmt.Key)
	}
	d.local(stmt.Target)
}

// fields writes a statement whose fields say all: values, targets, numbers and blocks.
func (d *digest) fields(statement reflect.Value) {
	written := map[string]bool{"Target": true, "Key": true, "Value": true, "Set": true, "Array": true, "Object": true}
	for i := range statement.NumField() {
		name := statement.Type().Field(i).Name
		switch field := statement.Field(i).Interface().(type) {
		case ir.Location:
		case ir.Local:
			if written[name] {
				d.local(field)
			} else {
				d.value(field)
			}
		case ir.Operand:
			d.operand(field)
		case *ir.Block:
			d.blocks([]*ir.Block{field})
		case []*ir.Block:
			d.blocks(field)
		case int64, int32, uint32:
			d.write(fmt.Sprint(field))
		default:
			d.known = false
		}
	}
}

package rego

import (
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// lowerValue lowers the statements that make and change values.
func (s *scope) lowerValue(stmt ir.Stmt) (statement, error) {
	switch stmt := stmt.(type) {
	case *ir.MakeNullStmt:
		return s.constant(stmt.Target, ast.NullTerm()), nil
	case *ir.MakeNumberIntStmt:
		return s.constant(stmt.Target, ast.IntNumberTerm(int(stmt.Value))), nil
	case *ir.AssignIntStmt:
		return s.constant(stmt.Target, ast.IntNumberTerm(int(stmt.Value))), nil
	case *ir.MakeNumberRefStmt:
		return s.constant(stmt.Target, ast.NumberTerm(json.Number(s.plan.Static.Strings[stmt.Index].Value))), nil
	case *ir.ResetLocalStmt:
		return assign(int(stmt.Target), nil), nil
	case *ir.AssignVarStmt:
		source, target := s.operand(stmt.Source), int(stmt.Target)
		if source.constant != nil {
			return s.constant(stmt.Target, source.constant), nil
		}
		return func(_ *machine, locals []*ast.Term) control {
			locals[target] = source.get(locals)
			return next
		}, nil
	case *ir.AssignVarOnceStmt:
		return s.lowerAssignOnce(stmt), nil
	case *ir.MakeArrayStmt:
		target, capacity := int(stmt.Target), int(stmt.Capacity)
		return func(_ *machine, locals []*ast.Term) control {
			locals[target] = &ast.Term{Value: &arrayBuilder{terms: make([]*ast.Term, 0, capacity)}}
			return next
		}, nil
	case *ir.MakeObjectStmt:
		target := int(stmt.Target)
		return func(_ *machine, locals []*ast.Term) control {
			locals[target] = ast.ObjectTerm()
			return next
		}, nil
	case *ir.MakeSetStmt:
		return assign(int(stmt.Target), emptySet), nil
	case *ir.ArrayAppendStmt:
		array, value := int(stmt.Array), s.operand(stmt.Value)
		return func(_ *machine, locals []*ast.Term) control {
			appendTo(locals, array, value.get(locals))
			return next
		}, nil
	case *ir.SetAddStmt:
		set, value := int(stmt.Set), s.operand(stmt.Value)
		return func(_ *machine, locals []*ast.Term) control {
			t := locals[set]
			if t == emptySet {
				t = ast.SetTerm()
				locals[set] = t
			}
			t.Value.(ast.Set).Add(value.get(locals))
			return next
		}, nil
	case *ir.ObjectInsertStmt:
		object, key, value := int(stmt.Object), s.operand(stmt.Key), s.operand(stmt.Value)
		return func(_ *machine, locals []*ast.Term) control {
			locals[object].Value.(ast.Object).Insert(key.get(locals), value.get(locals))
			return next
		}, nil
	case *ir.ObjectInsertOnceStmt:
		object, key, value, row := int(stmt.Object), s.operand(stmt.Key), s.operand(stmt.Value), stmt.Row
		return func(m *machine, locals []*ast.Term) control {
			o, k, v := locals[object].Value.(ast.Object), key.get(locals), value.get(locals)
			if present := o.Get(k); present != nil {
				if equal(present, v) {
					return next
				}
				return m.fail(conflict("object keys must be unique", row))
			}
			o.Insert(k, v)
			return next
		}, nil
	}
	return nil, fmt.Errorf("statement %T is not supported", stmt)
}

// emptySet stands for every set until something is added to it: most sets, of violations above all, stay empty.
var emptySet = ast.SetTerm()

func (s *scope) constant(target ir.Local, value *ast.Term) statement {
	s.know(target, value)
	return assign(int(target), value)
}

func (s *scope) lowerAssignOnce(stmt *ir.AssignVarOnceStmt) statement {
	source, target, row := s.operand(stmt.Source), int(stmt.Target), stmt.Row
	message := "complete rules must not produce multiple outputs"
	if len(s.function.Params) > 2 {
		message = "functions must not produce multiple outputs for same inputs"
	}
	return func(m *machine, locals []*ast.Term) control {
		value := source.get(locals)
		if before := locals[target]; before != nil && !equal(before, value) {
			return m.fail(conflict(message, row))
		}
		locals[target] = value
		return next
	}
}

func appendTo(locals []*ast.Term, array int, value *ast.Term) {
	switch v := locals[array].Value.(type) {
	case *arrayBuilder:
		v.terms = append(v.terms, value)
	case *ast.Array:
		terms := make([]*ast.Term, 0, v.Len()+1)
		v.Foreach(func(t *ast.Term) { terms = append(terms, t) })
		locals[array] = &ast.Term{Value: &arrayBuilder{terms: append(terms, value)}}
	}
}

// literal recognises a collection whose elements are all known and that nothing changes afterwards, and returns how many
// statements make it up.
func (s *scope) literal(stmts []ir.Stmt) (value *ast.Term, target ir.Local, used int) {
	if len(stmts) < 2 {
		return nil, 0, 0
	}
	switch first := stmts[0].(type) {
	case *ir.MakeSetStmt:
		target = first.Target
		set := ast.NewSet()
		for used = 1; used < len(stmts); used++ {
			add, ok := stmts[used].(*ir.SetAddStmt)
			if !ok || add.Set != target {
				break
			}
			element := s.operand(add.Value)
			if element.constant == nil {
				return nil, 0, 0
			}
			set.Add(element.constant)
		}
		value = ast.NewTerm(set)
	case *ir.MakeArrayStmt:
		target = first.Target
		var elements []*ast.Term
		for used = 1; used < len(stmts); used++ {
			add, ok := stmts[used].(*ir.ArrayAppendStmt)
			if !ok || add.Array != target {
				break
			}
			element := s.operand(add.Value)
			if element.constant == nil {
				return nil, 0, 0
			}
			elements = append(elements, element.constant)
		}
		value = ast.ArrayTerm(elements...)
	case *ir.MakeObjectStmt:
		target = first.Target
		object := ast.NewObject()
		for used = 1; used < len(stmts); used++ {
			insert, ok := stmts[used].(*ir.ObjectInsertStmt)
			if !ok || insert.Object != target {
				break
			}
			key, element := s.operand(insert.Key), s.operand(insert.Value)
			if key.constant == nil || element.constant == nil {
				return nil, 0, 0
			}
			object.Insert(key.constant, element.constant)
		}
		value = ast.NewTerm(object)
	default:
		return nil, 0, 0
	}
	// The statement that makes it and those that fill it are all its writers.
	if used != s.writers[target] {
		return nil, 0, 0
	}
	return value, target, used
}

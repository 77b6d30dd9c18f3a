package rego

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

func (s *scope) lowerCall(stmt *ir.CallStmt) (statement, bool, error) {
	if _, planned := s.planned[stmt.Func]; !planned {
		lowered, err := s.lowerBuiltin(stmt)
		return lowered, false, err
	}
	f, err := s.lowering.function(stmt.Func)
	if err != nil {
		return nil, false, err
	}
	target := int(stmt.Result)
	if f.constant && f.memoize {
		if f.value == nil {
			return leave, true, nil
		}
		s.know(stmt.Result, f.value)
		return assign(target, f.value), false, nil
	}
	args := make([]operand, 0, len(stmt.Args))
	for i, arg := range stmt.Args {
		// Every call hands input and data on, first; that alone does not make a function depend on them.
		if local, ok := arg.Value.(ir.Local); ok && i < 2 {
			args = append(args, operand{local: int(local)})
			continue
		}
		args = append(args, s.operand(arg))
	}
	s.pure = s.pure && f.pure
	return func(m *machine, locals []*ast.Term) control {
		value, ok := f.call(m, args, locals)
		if !ok {
			return failed
		}
		locals[target] = value
		if value == nil {
			return undefined
		}
		return next
	}, false, nil
}

func (s *scope) lowerCallDynamic(stmt *ir.CallDynamicStmt) statement {
	s.pure = false
	s.callsDynamically = true
	functions, byPath := s.functions, s.byPath
	target := int(stmt.Result)
	var args, path []operand
	for _, arg := range stmt.Args {
		args = append(args, operand{local: int(arg)})
	}
	for _, element := range stmt.Path {
		path = append(path, s.operand(element))
	}
	return func(m *machine, locals []*ast.Term) control {
		names := make([]string, 0, len(path))
		for i := range path {
			name, ok := path[i].get(locals).Value.(ast.String)
			if !ok {
				return undefined
			}
			names = append(names, string(name))
		}
		f := functions[byPath[strings.Join(names, "\x00")]]
		if f == nil || len(f.params) != len(args) {
			return undefined
		}
		value, ok := f.call(m, args, locals)
		if !ok {
			return failed
		}
		locals[target] = value
		if value == nil {
			return undefined
		}
		return next
	}
}

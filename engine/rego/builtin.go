package rego

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
)

// prepare makes a machine ready for the first evaluation of an input.
func (m *machine) prepare(cancel topdown.Cancel) {
	m.builtins = topdown.BuiltinContext{
		Context: context.Background(), Cancel: cancel, Cache: builtins.Cache{}, Seed: rand.Reader,
	}
	m.capture = func(t *ast.Term) error {
		m.output = t
		return nil
	}
}

// lowerBuiltin calls OPA's own implementation. An error of a built-in makes the call undefined, as in OPA, unless it
// halts the evaluation.
func (s *scope) lowerBuiltin(stmt *ir.CallStmt) (statement, error) {
	implementation := topdown.GetBuiltin(stmt.Func)
	declaration := ast.BuiltinMap[stmt.Func]
	if implementation == nil || declaration == nil {
		return nil, fmt.Errorf("built-in %s is not supported", stmt.Func)
	}
	if declaration.Nondeterministic {
		s.pure = false
	}
	args := make([]operand, 0, len(stmt.Args))
	for _, arg := range stmt.Args {
		args = append(args, s.operand(arg))
	}
	target := int(stmt.Result)
	location := ast.NewLocation(nil, "policy", stmt.Row, stmt.Col)
	relation := s.relations[stmt.Func]
	needsTime := declaration.Nondeterministic
	name, bound := stmt.Func, boundOf(stmt.Func)
	return func(m *machine, locals []*ast.Term) control {
		operands, before := m.push(len(args))
		for i := range args {
			operands[i] = args[i].get(locals)
		}
		m.builtins.Location = location
		if needsTime && m.builtins.Time == nil {
			m.builtins.Time = number(strconv.FormatInt(time.Now().UnixNano(), 10))
		}
		if bound != nil {
			if reason := bound(operands); reason != "" {
				return m.fail(exceeds(name, reason))
			}
		}
		var err error
		m.output = nil
		if relation {
			var all []*ast.Term
			err = implementation(m.builtins, operands, func(t *ast.Term) error {
				if m.stopped() {
					return errCancelled
				}
				all = append(all, t)
				return nil
			})
			m.output = ast.ArrayTerm(all...)
		} else {
			err = implementation(m.builtins, operands, m.capture)
		}
		m.pop(before)
		if err != nil {
			return m.builtinFailed(err)
		}
		if m.output == nil {
			locals[target] = nil
			return undefined
		}
		if bytes, reason := boundResult(m.output); bytes >= largeResult {
			if reason != "" {
				return m.fail(exceeds(name, reason))
			}
			// Between two looks at the brake there may be many calls.
			if m.made += bytes; m.cancelled() {
				return failed
			}
		}
		locals[target] = m.output
		return next
	}, nil
}

func (m *machine) builtinFailed(err error) control {
	var halt topdown.Halt
	switch {
	case errors.Is(err, errCancelled) || topdown.IsCancel(err):
		return m.fail(errCancelled)
	case errors.As(err, &halt):
		return m.fail(halt.Err)
	}
	return undefined
}

package rego

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

func (s *scope) lowerBlocks(blocks []*ir.Block) ([]block, error) {
	lowered := make([]block, 0, len(blocks))
	for _, b := range blocks {
		statements, err := s.lowerBlock(b)
		if err != nil {
			return nil, err
		}
		lowered = append(lowered, statements)
	}
	return lowered, nil
}

// leave ends the current block.
func leave(*machine, []*ast.Term) control { return undefined }

func (s *scope) lowerBlock(b *ir.Block) (block, error) {
	lowered := make(block, 0, len(b.Stmts))
	for i := 0; i < len(b.Stmts); i++ {
		if constant, target, used := s.literal(b.Stmts[i:]); used > 0 {
			s.constants[target] = constant
			lowered = append(lowered, assign(int(target), constant))
			i += used - 1
			continue
		}
		st, leaves, err := s.lowerStatement(b.Stmts[i])
		if err != nil {
			return nil, err
		}
		if st != nil {
			lowered = append(lowered, st)
		}
		if leaves {
			// What follows in the block can never run.
			break
		}
	}
	return lowered, nil
}

func assign(target int, constant *ast.Term) statement {
	return func(_ *machine, locals []*ast.Term) control {
		locals[target] = constant
		return next
	}
}

// lowerStatement returns nil for a statement without effect; leaves says that the statement always leaves the block.
func (s *scope) lowerStatement(stmt ir.Stmt) (lowered statement, leaves bool, err error) {
	switch stmt := stmt.(type) {
	case *ir.NopStmt:
		return nil, false, nil
	case *ir.BlockStmt:
		lowered, err = s.lowerBlockStmt(stmt)
	case *ir.BreakStmt:
		c := control(stmt.Index) + 1
		return func(*machine, []*ast.Term) control { return c }, true, nil
	case *ir.ReturnLocalStmt:
		source := s.local(stmt.Source)
		return func(m *machine, locals []*ast.Term) control {
			m.value = source.get(locals)
			return returned
		}, true, nil
	case *ir.ResultSetAddStmt:
		value := s.local(stmt.Value)
		lowered = func(m *machine, locals []*ast.Term) control {
			m.results = append(m.results, value.get(locals))
			return next
		}
	case *ir.CallStmt:
		return s.lowerCall(stmt)
	case *ir.CallDynamicStmt:
		lowered = s.lowerCallDynamic(stmt)
	case *ir.DotStmt:
		return s.lowerDot(stmt)
	case *ir.ScanStmt:
		lowered, err = s.lowerScan(stmt)
	case *ir.NotStmt:
		return s.lowerNot(stmt)
	case *ir.WithStmt:
		lowered, err = s.lowerWith(stmt)
	case *ir.EqualStmt:
		return s.lowerComparison(stmt.A, stmt.B, true)
	case *ir.NotEqualStmt:
		return s.lowerComparison(stmt.A, stmt.B, false)
	case *ir.IsArrayStmt, *ir.IsObjectStmt, *ir.IsSetStmt, *ir.IsDefinedStmt, *ir.IsUndefinedStmt:
		lowered = s.lowerTest(stmt)
	case *ir.ObjectMergeStmt:
		a, b, target := s.local(stmt.A), s.local(stmt.B), int(stmt.Target)
		lowered = func(_ *machine, locals []*ast.Term) control {
			locals[target] = merge(a.get(locals), b.get(locals))
			return next
		}
	case *ir.LenStmt:
		source, target := s.operand(stmt.Source), int(stmt.Target)
		lowered = func(_ *machine, locals []*ast.Term) control {
			n, ok := length(source.get(locals))
			if !ok {
				return undefined
			}
			locals[target] = ast.InternedTerm(n)
			return next
		}
	default:
		lowered, err = s.lowerValue(stmt)
	}
	return lowered, false, err
}

func length(t *ast.Term) (int, bool) {
	if t == nil {
		return 0, false
	}
	switch v := t.Value.(type) {
	case *ast.Array:
		return v.Len(), true
	case ast.Object:
		return v.Len(), true
	case ast.Set:
		return v.Len(), true
	case ast.String:
		return len([]rune(string(v))), true
	}
	return 0, false
}

func (s *scope) lowerBlockStmt(stmt *ir.BlockStmt) (statement, error) {
	blocks, err := s.lowerBlocks(stmt.Blocks)
	if err != nil {
		return nil, err
	}
	if len(blocks) == 1 {
		only := blocks[0]
		return func(m *machine, locals []*ast.Term) control { return only.run(m, locals).outward() }, nil
	}
	return func(m *machine, locals []*ast.Term) control {
		for _, b := range blocks {
			if c := b.run(m, locals).outward(); c != next {
				return c
			}
		}
		return next
	}, nil
}

func (s *scope) lowerNot(stmt *ir.NotStmt) (statement, bool, error) {
	negated, err := s.lowerBlock(stmt.Block)
	if err != nil {
		return nil, false, err
	}
	return func(m *machine, locals []*ast.Term) control {
		c := negated.run(m, locals)
		if c == next {
			return undefined
		}
		return c.outward()
	}, false, nil
}

func (s *scope) lowerDot(stmt *ir.DotStmt) (statement, bool, error) {
	target := int(stmt.Target)
	if source, ok := stmt.Source.Value.(ir.Local); ok {
		if part, known := s.lookup(source, stmt.Key); known {
			switch {
			case part.constant == nil && part.document == unknown:
				return leave, true, nil
			case part.constant != nil:
				s.know(stmt.Target, part.constant)
				return assign(target, part.constant), false, nil
			}
			s.pure = false
			if s.writers[stmt.Target] == 1 {
				s.documents[stmt.Target] = part.document
			}
			if part.document == review {
				return func(m *machine, locals []*ast.Term) control {
					locals[target] = m.input.review
					return next
				}, false, nil
			}
			return func(m *machine, locals []*ast.Term) control {
				locals[target] = m.input.object
				return next
			}, false, nil
		}
	}
	source, key := s.operand(stmt.Source), s.operand(stmt.Key)
	if source.constant != nil && key.constant != nil {
		value := dot(source.constant, key.constant)
		if value == nil {
			return leave, true, nil
		}
		s.know(stmt.Target, value)
		return assign(target, value), false, nil
	}
	return func(_ *machine, locals []*ast.Term) control {
		value := dot(source.get(locals), key.get(locals))
		locals[target] = value
		if value == nil {
			return undefined
		}
		return next
	}, false, nil
}

// part is what a lookup in the input is known to yield; neither means undefined.
type part struct {
	constant *ast.Term
	document document
}

// lookup answers a lookup of a constant key in the input as far as it is known while lowering.
func (s *scope) lookup(source ir.Local, key ir.Operand) (part, bool) {
	index, ok := key.Value.(ir.StringIndex)
	if !ok {
		return part{}, false
	}
	name := s.plan.Static.Strings[index].Value
	switch s.documents[source] {
	case wholeInput:
		switch name {
		case "parameters":
			return part{constant: s.params}, true
		case "review":
			return part{document: review}, true
		}
		return part{}, true
	case review:
		if name == "object" {
			return part{document: object}, true
		}
	}
	return part{}, false
}

func (s *scope) lowerComparison(left, right ir.Operand, want bool) (statement, bool, error) {
	a, b := s.operand(left), s.operand(right)
	if a.constant != nil && b.constant != nil {
		if equal(a.constant, b.constant) == want {
			return nil, false, nil
		}
		return leave, true, nil
	}
	return func(_ *machine, locals []*ast.Term) control {
		if equal(a.get(locals), b.get(locals)) != want {
			return undefined
		}
		return next
	}, false, nil
}

func (s *scope) lowerTest(stmt ir.Stmt) statement {
	var source operand
	var test func(*ast.Term) bool
	switch stmt := stmt.(type) {
	case *ir.IsArrayStmt:
		source = s.operand(stmt.Source)
		test = func(t *ast.Term) bool { _, ok := t.Value.(*ast.Array); return ok }
	case *ir.IsObjectStmt:
		source = s.operand(stmt.Source)
		test = func(t *ast.Term) bool { _, ok := t.Value.(ast.Object); return ok }
	case *ir.IsSetStmt:
		source = s.operand(stmt.Source)
		test = func(t *ast.Term) bool { _, ok := t.Value.(ast.Set); return ok }
	case *ir.IsDefinedStmt:
		// Whether a local is defined depends on what ran, even where its value is known.
		source = operand{local: int(stmt.Source)}
		test = func(*ast.Term) bool { return true }
	case *ir.IsUndefinedStmt:
		local := int(stmt.Source)
		return func(_ *machine, locals []*ast.Term) control {
			if locals[local] != nil {
				return undefined
			}
			return next
		}
	}
	return func(_ *machine, locals []*ast.Term) control {
		if t := source.get(locals); t == nil || !test(t) {
			return undefined
		}
		return next
	}
}

func (s *scope) lowerScan(stmt *ir.ScanStmt) (statement, error) {
	source, key, value := s.local(stmt.Source), int(stmt.Key), int(stmt.Value)
	body, err := s.lowerBlock(stmt.Block)
	if err != nil {
		return nil, err
	}
	// In a plan the body of a scan is three blocks deep: the body itself, the loop and what surrounds it. A break out of
	// the first or the second goes on with the next element.
	const depth = 3
	step := func(m *machine, locals []*ast.Term, k, v *ast.Term) (control, bool) {
		if m.stopped() {
			return failed, true
		}
		locals[key], locals[value] = k, v
		switch c := body.run(m, locals); {
		case c < next:
			return c, true
		case c >= depth:
			return c - depth, true
		}
		return next, false
	}
	return func(m *machine, locals []*ast.Term) control {
		t := source.get(locals)
		if t == nil {
			return next
		}
		switch collection := t.Value.(type) {
		case *ast.Array:
			for i := range collection.Len() {
				if c, done := step(m, locals, ast.InternedTerm(i), collection.Elem(i)); done {
					return c
				}
			}
		case ast.Object:
			c := next
			collection.Until(func(k, v *ast.Term) (done bool) {
				c, done = step(m, locals, k, v)
				return done
			})
			return c
		case ast.Set:
			for _, e := range collection.Slice() {
				if c, done := step(m, locals, e, e); done {
					return c
				}
			}
		}
		return next
	}, nil
}

func (s *scope) lowerWith(stmt *ir.WithStmt) (statement, error) {
	local, value := int(stmt.Local), s.operand(stmt.Value)
	s.pure = false
	body, err := s.lowerBlock(stmt.Block)
	if err != nil {
		return nil, err
	}
	path := make([]*ast.Term, 0, len(stmt.Path))
	for _, index := range stmt.Path {
		path = append(path, s.strings[index])
	}
	return func(m *machine, locals []*ast.Term) control {
		before, memo := locals[local], m.memo
		locals[local] = upsert(before, path, value.get(locals))
		m.memo = make([]memoized, len(memo))
		c := body.run(m, locals)
		locals[local], m.memo = before, memo
		if c == next {
			return next
		}
		if c == undefined {
			return undefined
		}
		return c.outward()
	}, nil
}

package cel

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"k8s.io/apiserver/pkg/cel/library"
)

// Tracking what an evaluation costs takes longer than the evaluation. Most policies do not need it: whatever a usual
// object holds, they stay far below the limits. A value is small when no list or map in it has more than maxItems
// entries and no string more than maxText bytes. At compile time it is computed what an expression costs at most on
// small values; where that is within the limits, small objects are judged without tracking, and with the same verdict.
const (
	maxItems = 128
	maxText  = 1024
)

// isSmall tells whether a JSON value is small.
func isSmall(value any) bool {
	switch v := value.(type) {
	case string:
		return len(v) <= maxText
	case map[string]any:
		if len(v) > maxItems {
			return false
		}
		for key, entry := range v {
			// What kubectl and the API server keep about an object for themselves is often large, and hardly ever read.
			if key == "managedFields" || key == "kubectl.kubernetes.io/last-applied-configuration" {
				continue
			}
			if len(key) > maxText || !isSmall(entry) {
				return false
			}
		}
	case []any:
		if len(v) > maxItems {
			return false
		}
		for _, entry := range v {
			if !isSmall(entry) {
				return false
			}
		}
	}
	return true
}

// smallness knows which parts of an expression are small when everything it reads is.
type smallness struct {
	tree *celast.AST
	// variables of the policy that are small.
	variables map[string]bool
	// locals are the variables of the comprehensions around the current expression, innermost last.
	locals []local
	// exprs are the ids of the parts that are small, ranges of those that a comprehension iterates over.
	exprs, ranges map[int64]bool
	// selected are the operands of field selections whose type is not known.
	selected []int64
	// loops says that there is a comprehension.
	loops bool
}

type local struct {
	name  string
	small bool
}

// costBound is what an expression costs at most on small values, in the units of the limits; whether its own value is
// small then; and whether it has a loop.
func costBound(env *cel.Env, checked *cel.Ast, variables map[string]bool) (bound uint64, small, loops bool) {
	s := &smallness{tree: checked.NativeRep(), variables: variables, exprs: map[int64]bool{}, ranges: map[int64]bool{}}
	small = s.visit(s.tree.Expr())
	// The estimate has no cost for selecting a field of a value of unknown type, where an evaluation has one. So they
	// are taken for maps, which they will be if there is a field to select.
	for _, id := range s.selected {
		s.tree.SetType(id, types.NewMapType(types.StringType, types.DynType))
	}
	defer func() {
		for _, id := range s.selected {
			s.tree.SetType(id, types.DynType)
		}
		// An API server estimates only the rules of CRDs. On other expressions the code has been tried less.
		if recover() != nil {
			bound = unbounded
		}
	}()
	cost, err := env.EstimateCost(checked, &library.CostEstimator{SizeEstimator: s})
	if err != nil {
		return unbounded, small, s.loops
	}
	return cost.Max, small, s.loops
}

// EstimateSize implements checker.CostEstimator.
func (s *smallness) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	if expr := node.Expr(); expr != nil && !s.exprs[expr.ID()] {
		return nil
	} else if expr == nil && (len(node.Path()) == 0 || !isInput(node.Path()[0])) {
		// A library asks for the elements of a list.
		return nil
	}
	kind := node.Type().Kind()
	if kind == types.ListKind || kind == types.MapKind || node.Expr() != nil && s.ranges[node.Expr().ID()] {
		return &checker.SizeEstimate{Max: maxItems}
	}
	return &checker.SizeEstimate{Max: maxText}
}

// EstimateCallCost implements checker.CostEstimator; library.CostEstimator asks only for sizes.
func (s *smallness) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

// visit tells whether an expression is small, and remembers it for all its parts.
func (s *smallness) visit(e celast.Expr) bool {
	small := s.isSmall(e)
	switch s.tree.GetType(e.ID()).Kind() {
	case types.BoolKind, types.IntKind, types.UintKind, types.DoubleKind, types.NullTypeKind, types.DurationKind, types.TimestampKind:
		small = true
	}
	if small {
		s.exprs[e.ID()] = true
	}
	return small
}

func (s *smallness) isSmall(e celast.Expr) bool {
	switch e.Kind() {
	case celast.IdentKind:
		return s.ident(e.AsIdent())
	case celast.LiteralKind:
		text, ok := e.AsLiteral().(types.String)
		return !ok || len(text) <= maxText
	case celast.SelectKind:
		selected := e.AsSelect()
		if selected.Operand().Kind() == celast.IdentKind && selected.Operand().AsIdent() == variablesVariable && !s.isLocal(variablesVariable) {
			return s.variables[selected.FieldName()]
		}
		if s.tree.GetType(selected.Operand().ID()).Kind() == types.DynKind {
			s.selected = append(s.selected, selected.Operand().ID())
		}
		return s.visit(selected.Operand())
	case celast.CallKind:
		return s.call(e.AsCall())
	case celast.ListKind:
		elements := e.AsList().Elements()
		return s.all(elements) && len(elements) <= maxItems
	case celast.MapKind:
		small := e.AsMap().Size() <= maxItems
		for _, entry := range e.AsMap().Entries() {
			key, value := s.visit(entry.AsMapEntry().Key()), s.visit(entry.AsMapEntry().Value())
			small = small && key && value
		}
		return small
	case celast.ComprehensionKind:
		return s.comprehension(e.AsComprehension())
	}
	return false
}

func (s *smallness) ident(name string) bool {
	for i := len(s.locals) - 1; i >= 0; i-- {
		if s.locals[i].name == name {
			return s.locals[i].small
		}
	}
	return isInput(name)
}

// isInput tells whether a variable is a part of what is judged.
func isInput(name string) bool {
	switch name {
	case objectVariable, oldObjectVariable, requestVariable, paramsVariable, namespaceVariable, workloadVariable:
		return true
	}
	return false
}

func (s *smallness) isLocal(name string) bool {
	for _, l := range s.locals {
		if l.name == name {
			return true
		}
	}
	return false
}

// all visits all expressions, also after one that is not small.
func (s *smallness) all(exprs []celast.Expr) bool {
	small := true
	for _, e := range exprs {
		small = s.visit(e) && small
	}
	return small
}

func (s *smallness) call(call celast.CallExpr) bool {
	target := !call.IsMemberFunction() || s.visit(call.Target())
	args := call.Args()
	if call.FunctionName() == operators.Conditional {
		s.visit(args[0])
		return s.all(args[1:])
	}
	small := s.all(args) && target
	switch call.FunctionName() {
	case operators.Index, operators.OptIndex, operators.OptSelect, "orValue", "or", "value", "optional.of", "optional.ofNonZeroValue", "dyn", dynOptional, "string":
		// These yield a part of their operands.
		return small
	}
	return false
}

// comprehension is small if it makes a list of small elements, no more than it iterates over: filter and map do.
func (s *smallness) comprehension(c celast.ComprehensionExpr) bool {
	s.loops = true
	small := s.visit(c.IterRange())
	s.ranges[c.IterRange().ID()] = true
	s.visit(c.AccuInit())
	depth := len(s.locals)
	s.locals = append(s.locals, local{c.AccuVar(), false}, local{c.IterVar(), small})
	if c.HasIterVar2() {
		s.locals = append(s.locals, local{c.IterVar2(), small})
	}
	s.visit(c.LoopCondition())
	s.visit(c.LoopStep())
	small = small && s.appendsSmall(c)
	s.locals = s.locals[:depth]
	s.locals = append(s.locals, local{c.AccuVar(), small})
	s.visit(c.Result())
	s.locals = s.locals[:depth]
	return small && c.Result().Kind() == celast.IdentKind && c.Result().AsIdent() == c.AccuVar()
}

// appendsSmall tells whether the step of a comprehension is accu + [small], or a choice between that and accu.
func (s *smallness) appendsSmall(c celast.ComprehensionExpr) bool {
	if c.AccuInit().Kind() != celast.ListKind || c.AccuInit().AsList().Size() != 0 {
		return false
	}
	isAccu := func(e celast.Expr) bool { return e.Kind() == celast.IdentKind && e.AsIdent() == c.AccuVar() }
	step := c.LoopStep()
	if step.Kind() == celast.CallKind && step.AsCall().FunctionName() == operators.Conditional {
		args := step.AsCall().Args()
		if !isAccu(args[2]) {
			return false
		}
		step = args[1]
	}
	if step.Kind() != celast.CallKind || step.AsCall().FunctionName() != operators.Add {
		return false
	}
	args := step.AsCall().Args()
	return isAccu(args[0]) && args[1].Kind() == celast.ListKind && args[1].AsList().Size() == 1 && s.exprs[args[1].ID()]
}

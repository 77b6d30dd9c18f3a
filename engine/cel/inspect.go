package cel

import (
	"fmt"
	"slices"
	"strings"

	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// findings are what the source of expressions tells beyond its types.
type findings struct {
	// usesWorkload says that the variable workload is mentioned, comparesWorkload that it is compared with null.
	usesWorkload, comparesWorkload bool
	// parameters are the places where a parameter is read by its name.
	parameters []parameterRead
	// occurrences are the map literals that describe an occurrence.
	occurrences []celast.Expr
}

type parameterRead struct {
	name string
	id   int64
}

func (f *findings) add(other findings) {
	f.usesWorkload = f.usesWorkload || other.usesWorkload
	f.comparesWorkload = f.comparesWorkload || other.comparesWorkload
}

// inspect reads a parsed expression. A name that is also the variable of a comprehension is not ours to speak of.
func inspect(tree *celast.AST) findings {
	var found findings
	shadowed := map[string]bool{}
	celast.PostOrderVisit(tree.Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		if e.Kind() == celast.ComprehensionKind {
			c := e.AsComprehension()
			shadowed[c.IterVar()] = true
			shadowed[c.IterVar2()] = true
		}
	}))
	isVariable := func(e celast.Expr, name string) bool {
		return e.Kind() == celast.IdentKind && e.AsIdent() == name && !shadowed[name]
	}
	celast.PostOrderVisit(tree.Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		switch e.Kind() {
		case celast.IdentKind:
			found.usesWorkload = found.usesWorkload || isVariable(e, workloadVariable)
		case celast.SelectKind:
			if s := e.AsSelect(); isVariable(s.Operand(), paramsVariable) {
				found.parameters = append(found.parameters, parameterRead{s.FieldName(), e.ID()})
			}
		case celast.MapKind:
			if isOccurrence(e.AsMap()) {
				found.occurrences = append(found.occurrences, e)
			}
		case celast.CallKind:
			call := e.AsCall()
			args := call.Args()
			if len(args) != 2 {
				return
			}
			switch call.FunctionName() {
			case operators.Equals, operators.NotEquals:
				if isVariable(args[0], workloadVariable) && isNull(args[1]) || isNull(args[0]) && isVariable(args[1], workloadVariable) {
					found.comparesWorkload = true
				}
			case operators.OptSelect:
				if name, ok := stringLiteral(args[1]); ok && isVariable(args[0], paramsVariable) {
					found.parameters = append(found.parameters, parameterRead{name, args[1].ID()})
				}
			}
		}
	}))
	return found
}

func isNull(e celast.Expr) bool {
	return e.Kind() == celast.LiteralKind && e.AsLiteral() == types.NullValue
}

func stringLiteral(e celast.Expr) (string, bool) {
	if e.Kind() != celast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// isOccurrence tells whether a map literal describes an occurrence.
func isOccurrence(m celast.MapExpr) bool {
	for _, entry := range m.Entries() {
		if key, ok := stringLiteral(entry.AsMapEntry().Key()); ok && key == messageEntry {
			return true
		}
	}
	return false
}

// mixValues lets the values of occurrences have different types. Kubernetes' environment demands one type for all
// values of a map literal, so that {"message": "…", "recommendedValue": false} would not compile; an author would
// have to write dyn(...) around every value, and that is what is done here.
func mixValues(tree *celast.AST, occurrences []celast.Expr) {
	if len(occurrences) == 0 {
		return
	}
	factory := celast.NewExprFactory()
	next := celast.MaxID(tree)
	info := tree.SourceInfo()
	for _, literal := range occurrences {
		for _, entry := range literal.AsMap().Entries() {
			value := entry.AsMapEntry().Value()
			inner := factory.NewUnspecifiedExpr(next)
			inner.SetKindCase(value)
			if place, ok := info.GetOffsetRange(value.ID()); ok {
				info.SetOffsetRange(next, place)
			}
			function := "dyn"
			if entry.AsMapEntry().IsOptional() {
				function = dynOptional
			}
			value.SetKindCase(factory.NewCall(value.ID(), function, inner))
			next++
		}
	}
}

// undeclared are the reads of parameters that the policy does not declare.
func undeclared(field, source string, tree *celast.AST, reads []parameterRead, declared []string) []error {
	var errs []error
	for _, read := range reads {
		if slices.Contains(declared, read.name) {
			continue
		}
		message := fmt.Sprintf("the policy declares no parameter %q", read.name)
		if len(declared) > 0 {
			message += "; it declares " + strings.Join(declared, ", ")
		}
		errs = append(errs, errorAt(field, source, tree.SourceInfo().GetStartLocation(read.id), message))
	}
	return errs
}

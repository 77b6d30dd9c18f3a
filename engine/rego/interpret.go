package rego

import (
	"context"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// interpreter is a program for OPA's interpreter. It is made when first needed.
type interpreter struct {
	compiler *ast.Compiler
	query    ast.Body
	// builtins are those that check their bounds first.
	builtins map[string]*topdown.Builtin
	store    storage.Store
}

func newInterpreter(compiler *ast.Compiler, entry ast.Ref) (*interpreter, error) {
	builtins, err := boundCalls(compiler)
	if err != nil {
		return nil, err
	}
	query, err := compiler.QueryCompiler().Compile(ast.NewBody(ast.Equality.Expr(ast.VarTerm(resultVar), ast.NewTerm(entry))))
	if err != nil {
		return nil, fmt.Errorf("preparing OPA's interpreter: %w", err)
	}
	return &interpreter{compiler: compiler, query: query, builtins: builtins, store: inmem.New()}, nil
}

// interpreted is the program with its parameters, to be evaluated by OPA's interpreter.
func (p *Program) interpreted(parameters *ast.Term) (*Bound, error) {
	interpreter, err := p.interpreter()
	if err != nil {
		return nil, err
	}
	return &Bound{parameters: parameters, partialObject: p.isPartialObject(), interpreter: interpreter}, nil
}

// evaluate evaluates the program on a document. Its value stays a term: as JSON values it could need any memory, since
// terms share their parts.
func (i *interpreter) evaluate(document *ast.Term, cancel topdown.Cancel) (value *ast.Term, err error) {
	ctx := context.Background()
	transaction, err := i.store.NewTransaction(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading OPA's store: %w", err)
	}
	defer i.store.Abort(ctx, transaction)
	query := topdown.NewQuery(i.query).WithCompiler(i.compiler).WithStore(i.store).WithTransaction(transaction).
		WithBuiltins(i.builtins).WithInput(document).WithCancel(cancel)
	err = query.Iter(ctx, func(result topdown.QueryResult) error {
		value = result[resultVar]
		return nil
	})
	return value, err
}

// boundedPrefix is the namespace of built-ins that check their bounds first.
const boundedPrefix = "assay"

// boundCalls replaces the calls of built-ins that have bounds in compiled modules, and returns what is called instead.
// OPA's interpreter finds its own built-ins in a table of the process before those that it is given, so that they need
// names of their own.
func boundCalls(compiler *ast.Compiler) (map[string]*topdown.Builtin, error) {
	var err error
	builtins := map[string]*topdown.Builtin{}
	renamed := func(t *ast.Term) *ast.Term {
		ref, ok := t.Value.(ast.Ref)
		if !ok {
			return t
		}
		check, declaration := boundOf(ref.String()), ast.BuiltinMap[ref.String()]
		if check == nil || declaration == nil {
			return t
		}
		bounded := boundedRef(declaration.Name)
		builtins[bounded.String()] = boundedBuiltin(declaration, check)
		return ast.NewTerm(bounded)
	}
	for _, module := range compiler.Modules {
		ast.WalkExprs(module, func(expr *ast.Expr) bool {
			if terms, ok := expr.Terms.([]*ast.Term); ok && len(terms) > 0 {
				terms[0] = renamed(terms[0])
			}
			for _, with := range expr.With {
				with.Target = renamed(with.Target)
				if ref, ok := with.Value.Value.(ast.Ref); ok && boundOf(ref.String()) != nil {
					err = fmt.Errorf("replacing a function by %s is not supported here", ref)
				}
			}
			return false
		})
	}
	return builtins, err
}

func boundedRef(name string) ast.Ref {
	ref := ast.Ref{ast.VarTerm(boundedPrefix)}
	for _, part := range strings.Split(name, ".") {
		ref = append(ref, ast.StringTerm(part))
	}
	return ref
}

func boundedBuiltin(declaration *ast.Builtin, check bound) *topdown.Builtin {
	implementation := topdown.GetBuiltin(declaration.Name)
	renamed := *declaration
	renamed.Name = boundedRef(declaration.Name).String()
	call := func(ctx topdown.BuiltinContext, operands []*ast.Term, yield func(*ast.Term) error) error {
		if reason := check(operands); reason != "" {
			return topdown.Halt{Err: exceeds(declaration.Name, reason)}
		}
		return implementation(ctx, operands, func(result *ast.Term) error {
			if _, reason := boundResult(result); reason != "" {
				return topdown.Halt{Err: exceeds(declaration.Name, reason)}
			}
			return yield(result)
		})
	}
	return &topdown.Builtin{Decl: &renamed, Func: call}
}

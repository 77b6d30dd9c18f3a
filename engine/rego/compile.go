package rego

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/assay-gitops/assay/policy"
)

// codeField is the field of a policy that holds its Rego.
const codeField = "spec.code"

// entryRule is the rule that a policy must define.
const entryRule = "violation"

// networkBuiltins reach out of the process or reveal where it runs. Policies may not use them unless allowed: a policy is
// written by strangers, and a verdict must depend on nothing but policy and object.
var networkBuiltins = []string{"http.send", "net.lookup_ip_addr", "opa.runtime", "rego.parse_module"}

// endlessBuiltin may take any time and memory, with loops of its own that nothing stops.
const endlessBuiltin = "strings.render_template"

// Compiler turns the code of policies into programs. It is safe for concurrent use.
type Compiler struct {
	capabilities *ast.Capabilities
	refused      []string
}

// NewCompiler returns a compiler that refuses built-ins that reach out of the process, unless they are allowed.
func NewCompiler(allowNetwork bool) *Compiler {
	c := &Compiler{capabilities: ast.CapabilitiesForThisVersion()}
	if !allowNetwork {
		c.refused = networkBuiltins
		// The schemas of json.match_schema may name hosts.
		c.capabilities.AllowNet = []string{}
	}
	c.capabilities.Builtins = slices.DeleteFunc(c.capabilities.Builtins, func(b *ast.Builtin) bool {
		return b.Name == endlessBuiltin || slices.Contains(c.refused, b.Name)
	})
	return c
}

// Compile compiles the code of a policy. Errors are *policy.CodeError, joined when there are several.
func (c *Compiler) Compile(code string) (*Program, error) {
	if isEmpty(code) {
		return nil, &policy.CodeError{Field: codeField, Message: "the code is empty"}
	}
	version := ast.RegoV1
	module, compiler, err := c.compile(code, version)
	if err != nil {
		moduleV0, compilerV0, errV0 := c.compile(code, ast.RegoV0)
		if errV0 != nil {
			return nil, c.codeErrors(code, meant(err, errV0))
		}
		module, compiler, version = moduleV0, compilerV0, ast.RegoV0
	}
	if !definesRule(module, entryRule) {
		return nil, &policy.CodeError{
			Field: codeField, Line: module.Package.Location.Row, Column: module.Package.Location.Col,
			Message: fmt.Sprintf("rule `%s` is not found in %s", entryRule, module.Package),
			Excerpt: excerpt(code, module.Package.Location.Row, module.Package.Location.Col),
		}
	}
	entry := module.Package.Path.Append(ast.StringTerm(entryRule))
	program := &Program{compiler: compiler, entry: entry, version: version}
	program.interpreter = sync.OnceValues(func() (*interpreter, error) { return newInterpreter(compiler, entry) })
	if program.plan, err = plan(compiler, entry); err != nil {
		program.unplanned = err
	}
	return program, nil
}

func (c *Compiler) compile(code string, version ast.RegoVersion) (*ast.Module, *ast.Compiler, error) {
	module, err := ast.ParseModuleWithOpts("", code, ast.ParserOptions{RegoVersion: version, Capabilities: c.capabilities})
	if err != nil {
		return nil, nil, err
	}
	compiler := ast.NewCompiler().WithCapabilities(c.capabilities).WithDefaultRegoVersion(version)
	compiler.Compile(map[string]*ast.Module{"policy.rego": module})
	if compiler.Failed() {
		return nil, nil, compiler.Errors
	}
	return module, compiler, nil
}

// isEmpty tells whether there is nothing but comments.
func isEmpty(code string) bool {
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}

func definesRule(module *ast.Module, name string) bool {
	for _, rule := range module.Rules {
		ref := rule.Head.Ref()
		if len(ref) > 0 && ref[0].Value.Compare(ast.Var(name)) == 0 && (len(ref) == 1 || rule.Head.RuleKind() == ast.MultiValue || len(ref) == 2) {
			return true
		}
	}
	return false
}

// meant chooses between the errors of the two versions: the one that came further in the code, or past parsing it, is of
// the version that the author meant.
func meant(v1, v0 error) error {
	if isParseError(v1) && (!isParseError(v0) || firstRow(v0) > firstRow(v1)) {
		return v0
	}
	return v1
}

func isParseError(err error) bool {
	return slices.ContainsFunc(astErrors(err), func(e *ast.Error) bool { return e.Code == ast.ParseErr })
}

func firstRow(err error) int {
	row := 0
	for _, e := range astErrors(err) {
		if e.Location != nil && (row == 0 || e.Location.Row < row) {
			row = e.Location.Row
		}
	}
	return row
}

func astErrors(err error) ast.Errors {
	var many ast.Errors
	if errors.As(err, &many) {
		return many
	}
	var one *ast.Error
	if errors.As(err, &one) {
		return ast.Errors{one}
	}
	return ast.Errors{{Message: err.Error()}}
}

func (c *Compiler) codeErrors(code string, err error) error {
	var all []error
	for _, e := range astErrors(err) {
		codeErr := &policy.CodeError{Field: codeField, Message: c.explain(e)}
		if e.Location != nil {
			codeErr.Line, codeErr.Column = e.Location.Row, e.Location.Col
			codeErr.Excerpt = excerpt(code, e.Location.Row, e.Location.Col)
		}
		all = append(all, codeErr)
	}
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

func (c *Compiler) explain(e *ast.Error) string {
	if strings.HasSuffix(e.Message, "undefined function "+endlessBuiltin) {
		return endlessBuiltin + " is refused: its loops cannot be stopped; use sprintf and concat"
	}
	for _, name := range c.refused {
		if strings.HasSuffix(e.Message, "undefined function "+name) {
			return name + " is refused: policies may not reach out of the process"
		}
	}
	message := strings.TrimSpace(e.Message)
	if e.Code != "" {
		message = e.Code + ": " + message
	}
	return message
}

// excerptWidth is how much of a line of code an excerpt shows at the most, in bytes.
const excerptWidth = 160

// excerpt is the line of the code with a caret below the column.
func excerpt(code string, row, col int) string {
	lines := strings.Split(code, "\n")
	if row < 1 || row > len(lines) {
		return ""
	}
	line := strings.TrimRight(lines[row-1], "\r")
	if col < 1 || col > len(line)+1 || col > excerptWidth {
		return truncate(line)
	}
	// Tabs stay tabs in the caret line so that it lines up with the code however wide they are shown.
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, line[:col-1])
	return truncate(line) + "\n" + pad + "^"
}

func truncate(line string) string {
	if len(line) > excerptWidth {
		return strings.ToValidUTF8(line[:excerptWidth], "") + "…"
	}
	return line
}

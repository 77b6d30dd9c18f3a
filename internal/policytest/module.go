package policytest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	oparego "github.com/open-policy-agent/opa/v1/rego"

	"github.com/assay-gitops/assay/engine/rego"
	"github.com/assay-gitops/assay/policy"
)

// codeFile is the name by which coverage speaks of the code of a policy.
const codeFile = "spec.code"

// module is the code of a policy for OPA's own evaluator, which can tell what it evaluated.
type module struct {
	parsed *ast.Module
	query  oparego.PreparedEvalQuery
}

// parse reads Rego, v1 first and v0 when that fails, as the engine does.
func parse(name, code string) (*ast.Module, error) {
	parsed, err := ast.ParseModuleWithOpts(name, code, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err == nil {
		return parsed, nil
	}
	if v0, errV0 := ast.ParseModuleWithOpts(name, code, ast.ParserOptions{RegoVersion: ast.RegoV0}); errV0 == nil {
		return v0, nil
	}
	return nil, err
}

// offline lets http.send be named, so that tests can replace it, but not reach any host.
func offline() *ast.Capabilities {
	capabilities := ast.CapabilitiesForThisVersion()
	capabilities.AllowNet = []string{}
	return capabilities
}

func newModule(ctx context.Context, code string) (*module, error) {
	parsed, err := parse(codeFile, code)
	if err != nil {
		return nil, err
	}
	query, err := oparego.New(
		oparego.Query(parsed.Package.Path.String()+".violation"),
		oparego.ParsedModule(parsed),
		oparego.Capabilities(offline()),
	).PrepareForEval(ctx)
	if err != nil {
		return nil, fmt.Errorf("preparing the code for coverage: %w", err)
	}
	return &module{parsed: parsed, query: query}, nil
}

// trace evaluates the code once more, under the eyes of a tracer.
func (m *module) trace(ctx context.Context, request *policy.Request, parameters map[string]any, tracer *cover.Cover) error {
	_, err := m.query.Eval(ctx,
		oparego.EvalParsedInput(rego.Document(request, parameters).Value),
		oparego.EvalQueryTracer(tracer),
		oparego.EvalEarlyExit(false),
		oparego.EvalRuleIndexing(false),
	)
	return err
}

// report adds what the tracer saw of the code.
func (m *module) report(tracer *cover.Cover, to *Coverage) {
	file := tracer.Report(map[string]*ast.Module{codeFile: m.parsed}).Files[codeFile]
	if file == nil {
		return
	}
	to.Covered += file.CoveredLines
	to.Total += file.CoveredLines + file.NotCoveredLines
	for _, lines := range file.NotCovered {
		where := fmt.Sprintf("%s:%d", codeFile, lines.Start.Row)
		if lines.End.Row > lines.Start.Row {
			where += fmt.Sprintf("-%d", lines.End.Row)
		}
		if !slices.Contains(to.Missing, where) {
			to.Missing = append(to.Missing, where)
		}
	}
}

// decodeJSON reads a JSON value as the engine reads parameters: whole numbers stay whole.
func decodeJSON(raw []byte) (any, error) {
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return wholeNumbers(value), nil
}

func wholeNumbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64() // the decoder has accepted it
		return f
	case []any:
		for i := range v {
			v[i] = wholeNumbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = wholeNumbers(v[key])
		}
	}
	return value
}

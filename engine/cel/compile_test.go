package cel

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v2 "github.com/assay-gitops/assay/api/v2"
)

func TestWhatIsWrongWithAPolicyIsToldWithItsPlace(t *testing.T) {
	compiler := newCompiler(t)
	for _, test := range []struct {
		name, rule string
		// want is Field:Line:Column: the beginning of the message, one for each error.
		want []string
	}{
		{"a syntax error", `validations: [{expression: "object.spec. == 1"}]`,
			[]string{"spec.cel.validations[0].expression:1:14: no viable alternative at input '. =='"}},
		{"an undeclared variable", `validations: [{expression: "obj.spec.replicas > 1"}]`,
			[]string{"spec.cel.validations[0].expression:1:1: undeclared reference to 'obj'"}},
		{"an error in the second line", "validations:\n- expression: |\n    true &&\n      obj.spec",
			[]string{"spec.cel.validations[0].expression:2:3: undeclared reference to 'obj'"}},
		{"an expression that is no bool", `validations: [{expression: "'yes'"}]`,
			[]string{"spec.cel.validations[0].expression: it must yield bool, not string: compare"}},
		{"an expression that may be no bool", `validations: [{expression: "object.spec.paused"}]`,
			[]string{"spec.cel.validations[0].expression: it must yield bool, but its type is only known when it is evaluated: compare"}},
		{"a match condition that is no bool", `{matchConditions: [{name: a, expression: "1"}], validations: [{expression: "true"}]}`,
			[]string{"spec.cel.matchConditions[0].expression: it must yield bool, not int"}},
		{"a message that is no string", `validations: [{expression: "true", messageExpression: "object.spec.replicas"}]`,
			[]string{"spec.cel.validations[0].messageExpression: it must yield string, but its type is only known when it is evaluated: convert it with string(...)"}},
		{"a path that is no string", `validations: [{expression: "true", pathExpression: "3"}]`,
			[]string{"spec.cel.validations[0].pathExpression: it must yield string, not int"}},
		{"a path that cannot be parsed", `validations: [{expression: "true", path: "spec.x["}]`,
			[]string{`spec.cel.validations[0].path: path "spec.x["`}},
		{"occurrences that are no list", `validations: [{occurrences: "true"}]`,
			[]string{"spec.cel.validations[0].occurrences: it must yield a list of strings or of maps {message, path, recommendedValue}, not bool"}},
		{"occurrences of numbers", `validations: [{occurrences: "[1]"}]`,
			[]string{"spec.cel.validations[0].occurrences: it must yield a list of strings or of maps {message, path, recommendedValue}, not list(int)"}},
		{"occurrences that are maps by number", `validations: [{occurrences: "[{1: 'a'}]"}]`,
			[]string{"spec.cel.validations[0].occurrences: it must yield"}},
		{"a misspelt field of workload", `validations: [{expression: "workload.contaners.all(c, true)"}]`,
			[]string{"spec.cel.validations[0].expression:1:9: undefined field 'contaners'"}},
		{"a misspelt field of a container", `validations: [{expression: "workload.containers.all(c, c.image != '')"}]`,
			[]string{"spec.cel.validations[0].expression:1:29: undefined field 'image'"}},
		{"a field of the request that no gate knows", `validations: [{expression: "request.resource.resource == 'pods'"}]`,
			[]string{"spec.cel.validations[0].expression:1:8: undefined field 'resource'"}},
		{"an undeclared parameter", `validations: [{expression: "params.replica == 1 || has(params.x) || params.?y.hasValue()"}]`,
			[]string{
				`spec.cel.validations[0].expression:1:7: the policy declares no parameter "replica"; it declares replicas, image`,
				`spec.cel.validations[0].expression:1:27: the policy declares no parameter "x"`,
				`spec.cel.validations[0].expression:1:49: the policy declares no parameter "y"`,
			}},
		{"variables that nobody declares", `validations: [{expression: "variables.x == 1"}]`,
			[]string{"spec.cel.validations[0].expression:1:1: undeclared reference to 'variables'"}},
		{"a variable that is declared later", `{variables: [{name: a, expression: "variables.b"}, {name: b, expression: "1"}], validations: [{expression: "true"}]}`,
			[]string{"spec.cel.variables[0].expression:1:10: undefined field 'b'"}},
		{"a variable that is declared twice", `{variables: [{name: a, expression: "1"}, {name: a, expression: "2"}], validations: [{expression: "true"}]}`,
			[]string{"spec.cel.variables[1].name: the variable a is declared twice"}},
		{"a variable without a usable name", `{variables: [{name: a-b, expression: "1"}], validations: [{expression: "true"}]}`,
			[]string{`spec.cel.variables[0].name: "a-b" is not an identifier`}},
		{"a variable of another type than it is used as", `{variables: [{name: a, expression: "1"}], validations: [{expression: "variables.a == 'x'"}]}`,
			[]string{"spec.cel.validations[0].expression:1:13: found no matching overload for '_==_' applied to '(int, string)'"}},
		{"no validations", `validations: []`,
			[]string{"spec.cel.validations: at least one validation is needed"}},
		{"neither expression nor occurrences", `validations: [{message: hello}]`,
			[]string{"spec.cel.validations[0]: give either expression"}},
		{"both expression and occurrences", `validations: [{expression: "true", occurrences: "[]"}]`,
			[]string{"spec.cel.validations[0]: give either expression"}},
		{"fields that say nothing beside occurrences", `validations: [{occurrences: "[]", path: spec, messageExpression: "'a'"}]`,
			[]string{
				"spec.cel.validations[0].messageExpression: it belongs to a validation with expression",
				"spec.cel.validations[0].path: it belongs to a validation with expression",
			}},
		{"a regular expression that does not parse", `validations: [{expression: "object.metadata.name.matches('(')"}]`,
			[]string{"spec.cel.validations[0].expression:1:30: invalid matches argument"}},
		{"an optional entry that is no optional value", `{validations: [{expression: "[?object.x, 'a'].size() == 1"}, {expression: "{'a': 'b', ?'c': object.x}.size() == 1"}]}`,
			[]string{"spec.cel.validations[0].expression: the CEL compiler fails on the expression", "spec.cel.validations[1].expression: the CEL compiler fails on the expression"}},
		{"several errors at once, and none that only follow from another",
			`{variables: [{name: a, expression: "nope"}], matchConditions: [{name: m, expression: "neither"}], validations: [{expression: "variables.a == 1"}, {expression: "wrong", messageExpression: "too"}]}`,
			[]string{
				"spec.cel.variables[0].expression:1:1: undeclared reference to 'nope'",
				"spec.cel.matchConditions[0].expression:1:1: undeclared reference to 'neither'",
				"spec.cel.validations[1].expression:1:1: undeclared reference to 'wrong'",
				"spec.cel.validations[1].messageExpression:1:1: undeclared reference to 'too'",
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := compiler.Compile(withParameters(rule(t, test.rule), "replicas", "image"))
			got := codeErrors(err)
			if len(got) != len(test.want) {
				t.Fatalf("%d errors, want %d: %v", len(got), len(test.want), err)
			}
			for i, want := range test.want {
				if !strings.HasPrefix(got[i].Error(), want) {
					t.Errorf("error %d:\n got %s\nwant %s", i, got[i], want)
				}
				if (got[i].Line > 0) != (got[i].Excerpt != "") {
					t.Errorf("error %d is at line %d, with the excerpt %q", i, got[i].Line, got[i].Excerpt)
				}
			}
		})
	}
	if _, err := compiler.Compile(&v2.Policy{}); err == nil {
		t.Error("a policy without a CEL rule compiles")
	}
}

func TestExcerptPointsAtTheColumn(t *testing.T) {
	long := strings.Repeat("a", 300) + "!" + strings.Repeat("b", 300)
	for _, test := range []struct {
		name, source string
		line, column int
		want         string
	}{
		{"the first line", "object.x", 1, 8, "object.x\n       ^"},
		{"a later line", "true &&\n  oops\n&& true", 2, 3, "  oops\n  ^"},
		{"after the end", "object.", 1, 8, "object.\n       ^"},
		{"a tab", "\tx", 1, 2, "\tx\n\t^"},
		{"letters of several bytes", "'äö' + x", 1, 8, "'äö' + x\n       ^"},
		{"Windows line ends", "true &&\r\noops\r\n", 2, 1, "oops\n^"},
		{"a long line", long, 1, 301, long[240:360] + "\n" + strings.Repeat(" ", 60) + "^"},
		{"a line that is not there", "x", 7, 1, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, excerpt(test.source, test.line, test.column)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrorsOfOneExpressionAreBounded(t *testing.T) {
	_, err := newCompiler(t).Compile(check(strings.Repeat("nope || ", 1000) + "nope"))
	if got := len(codeErrors(err)); got != maxIssues {
		t.Errorf("%d errors, want %d", got, maxIssues)
	}
}

func TestHugeExpressionsAreRefused(t *testing.T) {
	compiler := newCompiler(t)
	for name, expression := range map[string]string{
		"long":   strings.Repeat("true || ", 2_500) + "true",
		"deep":   strings.Repeat("(", 5_000) + "true" + strings.Repeat(")", 5_000),
		"nested": strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000),
		"macros": strings.Repeat("[1].all(x, ", 1_000) + "true" + strings.Repeat(")", 1_000),
	} {
		_, err := compiler.Compile(check(expression))
		if errs := codeErrors(err); len(errs) == 0 || errs[0].Field != "spec.cel.validations[0].expression" {
			t.Errorf("%s: %v", name, err)
		}
	}
	many := check(strings.Repeat("true || ", 1_900) + "true")
	for range 8 {
		many.Spec.CEL.Validations = append(many.Spec.CEL.Validations, many.Spec.CEL.Validations[0])
	}
	_, err := compiler.Compile(many)
	if errs := codeErrors(err); len(errs) != 1 || errs[0].Field != "spec.cel" {
		t.Errorf("many long expressions: %v", err)
	}
}

func TestTheWorstExpressionCompilesInTime(t *testing.T) {
	const loop = "[1,2].all(x, x == 1) || "
	worst := strings.Repeat(loop, (maxExpression-4)/len(loop)) + "true"
	compile(t, newCompiler(t), check(worst))
}

func FuzzCompile(f *testing.F) {
	for _, expression := range sameAsAPIServer {
		f.Add(expression)
	}
	for _, expression := range notCompiling {
		f.Add(expression)
	}
	for _, p := range realistic {
		for _, v := range rule(f, p.rule).Spec.CEL.Validations {
			f.Add(v.Expression + v.Occurrences)
		}
	}
	f.Add(`[{"message": "a", ?"path": optional.of("b"), "recommendedValue": [1, {"message": 2}]}]`)
	compiler := newCompiler(f)
	r := request(fixture(f, "deployment.yaml"))
	f.Fuzz(func(t *testing.T, expression string) {
		p := withParameters(&v2.Policy{Spec: v2.PolicySpec{CEL: &v2.CELRule{
			Variables:   []v2.CELVariable{{Name: "v", Expression: expression}},
			Validations: []v2.CELValidation{{Occurrences: expression}, {Expression: "type(variables.v) != int", RecommendedValueExpression: "variables.v"}},
		}}}, "replicas")
		program, err := compiler.Compile(p)
		if err != nil {
			for _, code := range codeErrors(err) {
				if code.Line < 0 || code.Column < 0 || !strings.HasPrefix(code.Field, "spec.cel.") {
					t.Errorf("%+v", code)
				}
			}
			p.Spec.CEL.Validations = p.Spec.CEL.Validations[1:]
			if program, err = compiler.Compile(p); err != nil {
				return
			}
		}
		in, params := compiler.NewInput(r), map[string]any{"replicas": int64(1)}
		compareTracking(t, program, in, params)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, occurrences, _ := program.Evaluate(ctx, in, params)
		for _, occurrence := range occurrences {
			if occurrence.Message == "" {
				t.Errorf("an occurrence without a message: %+v", occurrence)
			}
		}
	})
}

package rego

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/assay-gitops/assay/policy"
)

func TestErrorsOfTheCompilerSayWhere(t *testing.T) {
	for name, c := range map[string]struct {
		code         string
		line, column int
		message      string
		excerpt      string
	}{
		"empty":                     {"  \n", 0, 0, "the code is empty", ""},
		"only a comment":            {"# nothing\n", 0, 0, "the code is empty", ""},
		"v1 syntax":                 {"package p\n\nviolation contains x if {\n\tx := \n}\n", 5, 1, "rego_parse_error", "}\n^"},
		"v0 syntax":                 {"package p\n\nviolation[x] {\n\tx := (1\n}\n", 5, 1, "rego_parse_error", "}\n^"},
		"unsafe variable":           {"package p\n\nviolation contains x if {\n\tnot y\n\tx := 1\n}\n", 4, 2, "rego_unsafe_var_error", "\tnot y\n\t^"},
		"no violation rule":         {"package p\n\ndeny contains 1\n", 1, 1, "rule `violation` is not found in package p", "package p\n^"},
		"http.send":                 {"package p\n\nviolation contains 1 if http.send({})\n", 3, 25, "http.send is refused", "violation contains 1 if http.send({})\n                        ^"},
		"opa.runtime in v0":         {"package p\n\nviolation[1] { opa.runtime() }\n", 3, 16, "opa.runtime is refused", ""},
		"a recursive rule":          {"package p\n\nviolation contains x if x := a\na := b\nb := a\n", 4, 1, "rego_recursion_error", ""},
		"a type error":              {"package p\n\nviolation contains x if x := count(1)\n", 3, 30, "rego_type_error", ""},
		"very long lines are short": {"package p\n\nviolation contains x if x := \"" + strings.Repeat("a", 1000) + "\" + \n", 0, 0, "rego_parse_error", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewCompiler(false).Compile(c.code)
			var code *policy.CodeError
			if !errors.As(err, &code) {
				t.Fatalf("error %v", err)
			}
			if c.line > 0 && (code.Line != c.line || code.Column != c.column) {
				t.Errorf("at %d:%d, want %d:%d", code.Line, code.Column, c.line, c.column)
			}
			if !strings.Contains(code.Message, c.message) {
				t.Errorf("message %q, want %q", code.Message, c.message)
			}
			if c.excerpt != "" && code.Excerpt != c.excerpt {
				t.Errorf("excerpt\n%s\nwant\n%s", code.Excerpt, c.excerpt)
			}
			for _, line := range strings.Split(code.Excerpt, "\n") {
				if len(line) > excerptWidth+len("…") {
					t.Errorf("a line of the excerpt has %d bytes", len(line))
				}
			}
		})
	}
}

func TestNetworkBuiltinsCanBeAllowed(t *testing.T) {
	if _, err := NewCompiler(true).Compile("package p\nviolation contains 1 if http.send({}).status_code == 1"); err != nil {
		t.Error(err)
	}
}

func TestBothVersionsOfRegoAreUnderstood(t *testing.T) {
	for code, want := range map[string]string{
		"package p\nviolation[x] { x := 1 }":                                   "v0",
		"package p\nimport future.keywords.in\nviolation[x] { some x in [1] }": "v0",
		"package p\nviolation contains x if x := 1":                            "v1",
		"package p\nimport rego.v1\nviolation contains x if { x := 1 }":        "v1",
		"package p\nviolation := {\"msg\": \"both\"}":                          "v1",
	} {
		program, err := NewCompiler(false).Compile(code)
		if err != nil {
			t.Errorf("%s: %v", code, err)
			continue
		}
		if got := program.Version(); got != want {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
}

// TestTheDocumentedExampleWorks compiles and runs what docs/policies-rego.md shows.
func TestTheDocumentedExampleWorks(t *testing.T) {
	page, err := os.ReadFile("../../docs/policies-rego.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```rego\n(.*?)```").FindSubmatch(page)
	bound := bind(t, string(example[1]))
	in := NewInput(&policy.Request{Object: &policy.Object{Content: map[string]any{"kind": "Deployment", "spec": map[string]any{
		"template": map[string]any{"spec": map[string]any{"containers": []any{
			map[string]any{"name": "good", "securityContext": map[string]any{"readOnlyRootFilesystem": true}}, map[string]any{"name": "bad"},
		}}},
	}}}})
	found, err := bound.Evaluate(in, nil)
	if err != nil || len(found) != 1 || found[0].Path != "spec.template.spec.containers[1].securityContext.readOnlyRootFilesystem" || found[0].RecommendedValue != true {
		t.Errorf("found %+v, error %v", found, err)
	}
}

func bind(tb testing.TB, code string) *Bound {
	tb.Helper()
	program, err := NewCompiler(false).Compile(code)
	if err != nil {
		tb.Fatal(err)
	}
	bound, err := program.Bind(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return bound
}

func TestARunawayPolicyIsStopped(t *testing.T) {
	for name, code := range map[string]string{
		"in rules":                       "package p\nviolation contains x if { some a in input.review.object.n; some b in input.review.object.n; some c in input.review.object.n; x := a * b * c; x < 0 }",
		"in a built-in":                  "package p\nviolation contains x if { some y in input.review.object.n; x := numbers.range(1, 900000 + y); count(x) < 0 }",
		"in functions":                   "package p\nf(x) := count([y | some y in input.review.object.n; y > x])\nviolation contains x if { some x in input.review.object.n; some z in input.review.object.n; f(x + z) < 0 }",
		"in what can be evaluated ahead": "package p\nbig := [x | some a in numbers.range(1, 5000); some b in numbers.range(1, 5000); x := a * b]\nviolation contains x if { some x in big; x < 0 }",
	} {
		t.Run(name, func(t *testing.T) {
			bound := bind(t, code)
			numbers := make([]any, 5000)
			for i := range numbers {
				numbers[i] = int64(i)
			}
			in := NewInput(&policy.Request{Object: &policy.Object{Content: map[string]any{"n": numbers}}})
			cancel := topdown.NewCancel()
			defer time.AfterFunc(50*time.Millisecond, cancel.Cancel).Stop()
			if _, err := bound.Evaluate(in, cancel); !Cancelled(err) {
				t.Errorf("error %v", err)
			}
			// The machine is as good as new for the next policy.
			if found, err := bind(t, "package p\nviolation contains \"x\" if input.review.object.n").Evaluate(in, nil); err != nil || len(found) != 1 {
				t.Errorf("afterwards: %v %v", found, err)
			}
		})
	}
}

func FuzzCompile(f *testing.F) {
	for _, code := range []string{
		"package p\nviolation[x] { x := input.review.object.kind }",
		"package p\nviolation contains {\"msg\": m} if { some m in [\"a\", \"b\"]; not m == input.parameters.x }",
		"package p\nimport future.keywords\nviolation[x] { every y in input.review.object.l { y > 0 }; x := {k: v | some k, v in input.review.object} }",
		"package p\nf(x) = y { y := x + 1 } else = 2 { true }\nviolation = f(1) { f(input.parameters.a) with input as {\"parameters\": {}} }",
		"package p\nviolation[x] = y { x := data.p[input.review.object.kind]; y := walk(input) }",
	} {
		f.Add(code)
	}
	compiler := NewCompiler(false)
	object := &policy.Object{Content: map[string]any{
		"kind": "Pod", "metadata": map[string]any{"name": "x", "labels": map[string]any{"a.b/c": "d"}}, "l": []any{int64(1), "two", nil, 2.5, true},
	}}
	f.Fuzz(func(t *testing.T, code string) {
		program, err := compiler.Compile(code)
		if err != nil {
			return
		}
		bound, err := program.Bind(map[string]any{"a": int64(1), "x": nil})
		if err != nil {
			return
		}
		interpreted, err := program.interpreted(bound.parameters)
		if err != nil {
			t.Fatal(err)
		}
		in := NewInput(&policy.Request{Object: object})
		cancel := topdown.NewCancel()
		defer time.AfterFunc(time.Second, cancel.Cancel).Stop()
		got, gotErr := bound.Evaluate(in, cancel)
		want, wantErr := interpreted.Evaluate(in, cancel)
		if cancel.Cancelled() || strings.Contains(code, "rand") || strings.Contains(code, "time") || strings.Contains(code, "uuid") {
			return
		}
		if (gotErr == nil) != (wantErr == nil) || len(got) != len(want) {
			t.Errorf("got %v (%v)\nwant %v (%v)", got, gotErr, want, wantErr)
		}
	})
}

package rego

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/assay-gitops/assay/policy"
)

// both are a program as we run it and as OPA's interpreter does.
func both(t *testing.T, code string) map[string]*Bound {
	t.Helper()
	program, err := NewCompiler(false).Compile(code)
	if err != nil {
		t.Fatal(err)
	}
	lowered, err := program.Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	if lowered.Fallback() != nil {
		t.Fatal(lowered.Fallback())
	}
	interpreted, err := program.interpreted(ast.ObjectTerm())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*Bound{"lowered": lowered, "interpreted": interpreted}
}

// boundsInput has long values, so that nothing can be evaluated ahead.
func boundsInput() *Input {
	graph := map[string]any{}
	for i := range 26 {
		graph[string(rune('a'+i))] = []any{string(rune('a' + i + 1)), string(rune('A' + i))}
		graph[string(rune('A'+i))] = []any{string(rune('a' + i + 1))}
	}
	return NewInput(&policy.Request{Object: &policy.Object{Content: map[string]any{
		"k": strings.Repeat("k", 1<<10), "m": strings.Repeat("m", 1<<20), "n": int64(1), "zero": int64(0), "graph": graph,
		"list": strings.Split(strings.Repeat("x ", 1<<10), " "),
	}}})
}

func TestOneCallOfABuiltInIsBounded(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"a range":                   {`x := numbers.range(o.n, 100000000)`, "numbers.range: the result would have more than 1048576 elements"},
		"a range downwards":         {`x := numbers.range(100000000, o.n)`, "numbers.range: the result would have more than 1048576 elements"},
		"a range of huge numbers":   {`x := numbers.range(o.n, 100000000000000000000000000)`, "numbers.range: the result would have more than 1048576 elements"},
		"a range across all int64":  {`x := numbers.range(-9223372036854775808 + o.zero, 9223372036854775807)`, "numbers.range: the result would have more than 1048576 elements"},
		"a range with small steps":  {`x := numbers.range_step(o.n, 100000000, 10)`, "numbers.range_step: the result would have more than 1048576 elements"},
		"a wide format":             {`x := sprintf(concat("", ["%1000000d" | some i in numbers.range(1, 100)]), [o.n])`, "sprintf: the result would be larger than 16 MiB"},
		"a format of stars":         {`x := sprintf(concat("", ["%[1]*d" | some i in numbers.range(1, 100)]), [1000000, o.n])`, "sprintf: the result would be larger than 16 MiB"},
		"a precise format":          {`x := sprintf(concat("", ["%.1000000f" | some i in numbers.range(1, 100)]), [o.n])`, "sprintf: the result would be larger than 16 MiB"},
		"a format that repeats":     {`x := sprintf(concat("", ["%[1]s" | some i in numbers.range(1, 100)]), [o.m])`, "sprintf: the result would be larger than 16 MiB"},
		"a joined text":             {`x := concat(o.m, [o.k | some i in numbers.range(1, 100)])`, "concat: the result would be larger than 16 MiB"},
		"a text joined with a set":  {`x := concat(o.m, {sprintf("%d", [i]) | some i in numbers.range(1, 100)})`, "concat: the result would be larger than 16 MiB"},
		"an interpolated text":      {`a := o.m; x := $"{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}"`, "the result would be larger than 16 MiB"},
		"a replacement":             {`x := replace(o.k, "k", o.m)`, "replace: the result would be larger than 16 MiB"},
		"a replacement of nothing":  {`x := replace(o.k, "", o.m)`, "replace: the result would be larger than 16 MiB"},
		"replacements":              {`x := strings.replace_n({"k": o.m}, o.k)`, "strings.replace_n: the result would be larger than 16 MiB"},
		"replaced by pattern":       {`x := regex.replace(o.k, "k", o.m)`, "regex.replace: the result would be larger than 16 MiB"},
		"replaced by references":    {`x := regex.replace(o.m, "m*", "$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0")`, "regex.replace: the result would be larger than 16 MiB"},
		"a split text":              {`x := split(concat("", [o.m, o.m]), "")`, "split: the result would have more than 1048576 elements"},
		"a text split by pattern":   {`x := regex.split("", concat("", [o.m, o.m]))`, "regex.split: the result would have more than 1048576 elements"},
		"groups without end":        {`x := regex.find_all_string_submatch_n("()()()()()()()()m", o.m, -1)`, "regex.find_all_string_submatch_n: the result would have more than 1048576 elements"},
		"a huge pattern":            {`x := regex.match(concat("", ["(k[a-z]{500}){2}" | some i in numbers.range(1, 500)]), o.k)`, "regex.match: the pattern is too large"},
		"a slow pattern":            {`x := regex.match(concat("", ["(m[a-z]{30})" | some i in numbers.range(1, 500)]), o.m)`, "regex.match: the pattern is too large for a text of 1048576 bytes"},
		"joined lists":              {`a := numbers.range(o.n, 600000); x := array.concat(a, a)`, "array.concat: the result would have more than 1048576 elements"},
		"flattened lists":           {`a := numbers.range(o.n, 600000); x := array.flatten([a, a])`, "array.flatten: the result would have more than 1048576 elements"},
		"a value that shares parts": {doubling + `x := json.marshal(d)`, "json.marshal: the result would be larger than 16 MiB"},
		"formatted shared parts":    {doubling + `x := sprintf("%v", [d])`, "sprintf: the result would be larger than 16 MiB"},
		"shared parts as YAML":      {doubling + `x := yaml.marshal(d)`, "yaml.marshal: the result would be larger than 16 MiB"},
		"a deep indent":             {`x := json.marshal_with_options([[[[o.list]]]], {"pretty": true, "indent": o.k, "prefix": o.k})`, "json.marshal_with_options: the result would be larger than 16 MiB"},
		"a text to parse":           {`x := json.unmarshal(concat("", ["[", o.m, o.m, o.m]))`, "json.unmarshal: a text of more than 2 MiB is not parsed"},
		"a huge product":            {`x := product([y | some i in numbers.range(o.n, 2000); y := 10000000000000000000 + i])`, "product: the product would have more than 20000 digits"},
		"a squared number":          {squaring + `x := d * d`, "mul: the number has more than 20000 digits"},
		"a shift":                   {`x := bits.lsh(o.n, 1000000)`, "bits.lsh: a shift by more than 60000 bits"},
		"a large network":           {`x := net.cidr_expand(sprintf("10.0.0.0/%d", [o.n]))`, "net.cidr_expand: 10.0.0.0/1 has more than 131072 addresses"},
		"a network of IPv6":         {`x := net.cidr_expand(sprintf("fe80::/%d", [o.n]))`, "net.cidr_expand: fe80::/1 has more than 131072 addresses"},
		"paths through a graph":     {`x := graph.reachable_paths(o.graph, {"a"})`, "graph.reachable_paths: the graph has too many paths"},
	} {
		t.Run(name, func(t *testing.T) {
			for how, bound := range both(t, "package p\n\no := input.review.object\n\nviolation contains \"found\" if {\n\t"+c.body+"\n\tx != null\n}\n") {
				if how == "interpreted" && strings.HasPrefix(c.body, doubling) {
					continue // OPA's interpreter copies values with all their parts as often as they are shared
				}
				found, err := bound.Evaluate(boundsInput(), nil)
				var exceeded *boundError
				if !errors.As(err, &exceeded) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: found %.100v, error %.200v, want %s", how, found, err, c.want)
				}
			}
		})
	}
}

// doubling makes a value whose text doubles with each step, though the value itself grows by one list.
const doubling = `d0 := [o.n, o.n]; d1 := [d0, d0]; d2 := [d1, d1]; d3 := [d2, d2]; d4 := [d3, d3]; d5 := [d4, d4]; d6 := [d5, d5]; d7 := [d6, d6]
	d8 := [d7, d7]; d9 := [d8, d8]; d10 := [d9, d9]; d11 := [d10, d10]; d12 := [d11, d11]; d13 := [d12, d12]; d14 := [d13, d13]; d15 := [d14, d14]
	d16 := [d15, d15]; d17 := [d16, d16]; d18 := [d17, d17]; d19 := [d18, d18]; d20 := [d19, d19]; d21 := [d20, d20]; d22 := [d21, d21]
	d23 := [d22, d22]; d24 := [d23, d23]; d25 := [d24, d24]; d26 := [d25, d25]; d27 := [d26, d26]; d28 := [d27, d27]; d29 := [d28, d28]
	d := [d29, d29]
	`

const squaring = `s0 := o.n + 9999999999999999; s1 := s0 * s0; s2 := s1 * s1; s3 := s2 * s2; s4 := s3 * s3; s5 := s4 * s4; s6 := s5 * s5; s7 := s6 * s6
	s8 := s7 * s7; s9 := s8 * s8; s10 := s9 * s9; d := s10
	`

func TestOrdinaryCallsStayWithinTheirBounds(t *testing.T) {
	for name, body := range map[string]string{
		"ranges":             `count(numbers.range(o.n, 1000)) == 1000; count(numbers.range_step(o.n, 1000000000, 10000000)) == 100`,
		"formats":            `sprintf("%5d|%-10s|%.2f|%q|%v", [o.n, "a", 1.5, "b", {"c": [o.n]}]) == "    1|a         |1.50|\"b\"|{\"c\": [1]}"`,
		"a long message":     `count(sprintf("%s and %s", [o.m, o.m])) > 2000000`,
		"joined texts":       `count(concat(", ", [o.k, o.k])) == 2050`,
		"replacements":       `replace(o.k, "k", "") == ""; count(strings.replace_n({"k": "ab"}, o.k)) == 2048`,
		"patterns":           `regex.match("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", "web"); count(regex.find_n("m", o.m, 10)) == 10; regex.match("^m{1,100}", o.m)`,
		"replaced patterns":  `count(regex.replace(o.m, "^m", "abc")) == 1048578`,
		"a split text":       `count(split(o.m, ",")) == 1; count(regex.split(",", o.m)) == 1`,
		"marshalled":         `json.unmarshal(json.marshal(o.list)) == o.list; yaml.unmarshal(yaml.marshal(o.list)) == o.list; count(json.marshal_with_options(o.list, {"pretty": true})) > 5000`,
		"numbers":            `product([o.n, 2, 3]) == 6; bits.lsh(o.n, 64) == 18446744073709551616; 1e300 * 1e300 > o.n`,
		"a network":          `count(net.cidr_expand("10.0.0.0/24")) == 256`,
		"paths":              `count(graph.reachable_paths({"a": ["b", "c"], "b": ["c"], "c": []}, {"a"})) == 2`,
		"a schema":           `json.match_schema({"a": o.n}, {"$ref": "#/definitions/x", "definitions": {"x": {"required": ["a"]}}})[0]`,
		"a schema in a text": `not json.match_schema({"a": o.n}, "{\"required\": [\"b\"]}")[0]`,
	} {
		t.Run(name, func(t *testing.T) {
			for how, bound := range both(t, "package p\n\no := input.review.object\n\nviolation contains \"found\" if {\n\t"+body+"\n}\n") {
				if found, err := bound.Evaluate(boundsInput(), nil); err != nil || len(found) != 1 {
					t.Errorf("%s: found %v, error %v", how, found, err)
				}
			}
		})
	}
}

func TestWhatAPolicyFindsIsBounded(t *testing.T) {
	for name, c := range map[string]struct{ code, want string }{
		"results without end":       {"violation contains i if some i in numbers.range(input.review.object.n, 10001)", "rule `violation` yields 10001 results; no more than 10000 are read"},
		"a message without end":     {"violation contains {\"msg\": input.review.object.m, \"violating_key\": sprintf(\"x%d\", [i])} if some i in numbers.range(1, 17)", "what rule `violation` yields is larger than 16 MiB"},
		"a recommendation of parts": {"violation contains {\"msg\": \"m\", \"recommended_value\": d} if {\n\to := input.review.object\n\t" + doubling + "}", "what rule `violation` yields is larger than 16 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			for how, bound := range both(t, "package p\n\n"+c.code+"\n") {
				if how == "interpreted" && strings.Contains(c.code, doubling) {
					continue // as above
				}
				if found, err := bound.Evaluate(boundsInput(), nil); err == nil || err.Error() != c.want {
					t.Errorf("%s: %d found, error %v", how, len(found), err)
				}
			}
		})
	}
}

func TestSchemasCannotReadFilesOrReachHosts(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(secret, []byte(`{"required": ["the secret"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ body, want string }{
		"a file":                      {`x := json.match_schema({}, {"$ref": "file://` + secret + `"})`, "policies may not reach out of the process"},
		"a file in a text":            {`x := json.match_schema({}, "{\"\\u0024ref\": \"FILE://` + secret + `\"}")`, "policies may not reach out of the process"},
		"a relative file":             {`x := json.match_schema({}, {"$id": "file:///tmp/", "$ref": "schema.json"})`, "policies may not reach out of the process"},
		"a file deep in a schema":     {`x := json.verify_schema({"properties": {"a": {"anyOf": [{"$ref": "file://` + secret + `"}]}}})`, "policies may not reach out of the process"},
		"a host that may not be read": {`x := json.verify_schema({"$ref": "http://127.0.0.1:1/schema.json"})[1]; contains(x, "remote reference loading disabled")`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for how, bound := range both(t, "package p\n\nviolation contains sprintf(\"%v\", [x]) if {\n\tinput.review.object\n\t"+c.body+"\n}\n") {
				found, err := bound.Evaluate(boundsInput(), nil)
				if c.want == "" && (err != nil || len(found) != 1) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("%s: found %v, error %v", how, found, err)
				}
			}
		})
	}
}

func TestTemplatesWithLoopsAreRefused(t *testing.T) {
	_, err := NewCompiler(true).Compile("package p\nviolation contains strings.render_template(\"{{range .a}}{{end}}\", {})")
	var code *policy.CodeError
	if !errors.As(err, &code) || !strings.Contains(code.Message, "strings.render_template is refused") || code.Line != 2 {
		t.Errorf("%v", err)
	}
}

func TestWhatIsEvaluatedAheadTakesLittleMemory(t *testing.T) {
	const most = 48 << 20
	for name, code := range map[string]string{
		"texts":  "package p\nbig := [x | some i in numbers.range(1, 2000); x := sprintf(\"%999999d\", [i])]\nviolation contains count(big)",
		"ranges": "package p\nbig := [x | some i in numbers.range(1, 2000); x := numbers.range(i, 100000)]\nviolation contains count(big)",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			bind(t, code)
			runtime.ReadMemStats(&after)
			if made := after.TotalAlloc - before.TotalAlloc; made > most {
				t.Errorf("%d MiB were allocated", made>>20)
			} else {
				t.Logf("%d MiB were allocated", made>>20)
			}
		})
	}
}

func TestWhatIsEvaluatedAheadIsKeptOnlyWhenSmall(t *testing.T) {
	for code, kept := range map[string]bool{
		"small := numbers.range(1, 100)":     true,
		"large := numbers.range(1, 100000)":  false,
		"text := sprintf(\"%999999d\", [1])": false,
	} {
		program, err := NewCompiler(false).Compile("package p\n" + code + "\nviolation contains " + strings.Fields(code)[0])
		if err != nil {
			t.Fatal(err)
		}
		bound, err := program.Bind(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := bound.lowered.entry.constant; got != kept {
			t.Errorf("%s: kept %t", code, got)
		}
		if found, err := bound.Evaluate(boundsInput(), nil); err != nil || len(found) != 1 {
			t.Errorf("%s: found %.100v, error %v", code, found, err)
		}
	}
}

package cel

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecommendedValuesAreJSON(t *testing.T) {
	for expression, want := range map[string]any{
		`null`:                                   nil,
		`true`:                                   true,
		`"a"`:                                    "a",
		`-7`:                                     int64(-7),
		`7u`:                                     int64(7),
		`18446744073709551615u`:                  float64(18446744073709551615),
		`1.5`:                                    1.5,
		`double("NaN")`:                          nil,
		`[1, 2]`:                                 []any{int64(1), int64(2)},
		`{"a": ["b"]}`:                           map[string]any{"a": []any{"b"}},
		`{1: "a"}`:                               nil,
		`b"\x01\x02"`:                            "AQI=",
		`duration("90m")`:                        "5400s",
		`timestamp("2026-01-02T03:04:05Z")`:      "2026-01-02T03:04:05Z",
		`quantity("1Gi")`:                        "1Gi",
		`semver("1.2.3")`:                        "1.2.3",
		`url("https://a.example/b")`:             "https://a.example/b",
		`ip("10.0.0.1")`:                         "10.0.0.1",
		`cidr("10.0.0.0/8")`:                     "10.0.0.0/8",
		`optional.of(1)`:                         int64(1),
		`optional.none()`:                        nil,
		`object.spec.ports[0]`:                   map[string]any{"port": int64(80)},
		`object.spec.ports`:                      []any{map[string]any{"port": int64(80)}, map[string]any{"port": int64(443), "nodePort": int64(30443)}},
		`object.spec.ports.map(p, p.port) + [1]`: []any{int64(80), int64(443), int64(1)},
		`request.kind`:                           nil,
		`request.userInfo.extra`:                 map[string]any{},
	} {
		p := check("false")
		p.Spec.CEL.Validations[0].RecommendedValueExpression = expression
		_, got, err := evaluate(t, p, request(content(t, service)), nil)
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %v, %v", expression, got, err)
			continue
		}
		if diff := cmp.Diff(want, got[0].RecommendedValue); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expression, diff)
		}
	}
}

func TestDeepValuesAreNotRecommended(t *testing.T) {
	deep := "1"
	for range 70 {
		deep = "[" + deep + "]"
	}
	p := check("false")
	p.Spec.CEL.Validations[0].RecommendedValueExpression = deep
	if _, err := newCompiler(t).Compile(p); err != nil {
		if !strings.Contains(err.Error(), "recursion") {
			t.Fatal(err)
		}
		t.Skip("the parser does not take it")
	}
	_, got, err := evaluate(t, p, request(content(t, service)), nil)
	if err != nil || len(got) != 1 || got[0].RecommendedValue != nil {
		t.Errorf("%v, %v", got, err)
	}
}

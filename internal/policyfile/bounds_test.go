package policyfile_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/policyfile"
	"github.com/assay-gitops/assay/policy"
)

func object(kind string, spec map[string]any) *policy.Object {
	return &policy.Object{Content: map[string]any{
		"apiVersion": "pac.weave.works/v2", "kind": kind,
		"metadata": map[string]any{"name": "example"}, "spec": spec,
	}}
}

// valid adds to the spec of a Policy what it must have, except for the rule.
func valid(spec map[string]any) map[string]any {
	for _, name := range []string{"id", "name", "description", "how_to_solve", "category"} {
		spec[name] = "x"
	}
	spec["severity"] = "low"
	return spec
}

func TestHostileObjectsCostLittle(t *testing.T) {
	manyFields := map[string]any{"filters": map[string]any{}}
	for i := range 100_000 {
		manyFields["x"+strconv.Itoa(i)] = true
	}
	many := func(n int, element any) []any { return slices.Repeat([]any{element}, n) }
	for name, object := range map[string]*policy.Object{
		"unknown fields":                    object(v2.PolicySetKind, manyFields),
		"elements of the wrong type":        object(v2.PolicySetKind, map[string]any{"filters": map[string]any{"ids": many(400_000, int64(1))}}),
		"elements without what they need":   object(v2.PolicyKind, map[string]any{"parameters": many(200_000, map[string]any{})}),
		"values that are not allowed":       object(v2.PolicyKind, map[string]any{"targets": map[string]any{"operations": many(200_000, "x")}}),
		"values that are too short":         object(v2.PolicyExceptionKind, map[string]any{"policies": many(200_000, "")}),
		"names that do not match a pattern": object(v2.PolicyKind, map[string]any{"cel": map[string]any{"variables": many(30_000, map[string]any{"name": "-", "expression": "1"})}}),
		"rules that do not hold":            object(v2.PolicyKind, valid(map[string]any{"cel": map[string]any{"validations": many(50_000, map[string]any{"message": ""})}})),
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := policyfile.FromObjects([]*policy.Object{object})
			last := problems[len(problems)-1].Message
			if len(problems) != 21 || !strings.Contains(last, "more problems") {
				t.Errorf("%d problems, the last is %q", len(problems), last)
			}
		})
	}
}

func TestMessagesAreShort(t *testing.T) {
	spec := map[string]any{"filters": map[string]any{}, strings.Repeat("é", 100_000): true, "mode": strings.Repeat("x", 100_000)}
	_, problems := policyfile.FromObjects([]*policy.Object{object(v2.PolicySetKind, spec)})
	if len(problems) != 2 {
		t.Fatalf("got %d problems", len(problems))
	}
	for _, problem := range problems {
		if len(problem.Message) > 1100 || len(problem.Hint) > 1100 {
			t.Errorf("message of %d bytes, hint of %d", len(problem.Message), len(problem.Hint))
		}
	}
}

func TestObjectsThatNoClusterStoresAreRefused(t *testing.T) {
	_, problems := policyfile.FromObjects([]*policy.Object{object(v2.PolicySetKind, map[string]any{
		"name": strings.Repeat("x", 2<<20), "filters": map[string]any{},
	})})
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "larger than 1536 KiB") {
		t.Errorf("got %v", problems)
	}
}

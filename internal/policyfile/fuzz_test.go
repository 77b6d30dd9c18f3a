package policyfile

import (
	"strings"
	"testing"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/policy"
)

func TestFieldPath(t *testing.T) {
	content := map[string]any{
		"spec": map[string]any{
			"config": map[string]any{
				"weave.policies.x": map[string]any{"parameters": map[string]any{"1": "one", "a[0]": "odd"}},
				"weave":            "shorter",
			},
			"list": []any{map[string]any{"name": "x"}},
		},
	}
	config := policy.Path{policy.Key("spec"), policy.Key("config"), policy.Key("weave.policies.x")}
	for written, want := range map[string]policy.Path{
		"spec.list[0].name":                               {policy.Key("spec"), policy.Key("list"), policy.Index(0), policy.Key("name")},
		"spec.list[0].absent":                             {policy.Key("spec"), policy.Key("list"), policy.Index(0), policy.Key("absent")},
		"spec.list[7]":                                    {policy.Key("spec"), policy.Key("list"), policy.Index(7)},
		"spec.config.weave":                               {policy.Key("spec"), policy.Key("config"), policy.Key("weave")},
		"spec.config.weave.policies.x.absent":             append(config[:3:3], policy.Key("absent")),
		"spec.config[weave.policies.x].parameters.absent": append(config[:3:3], policy.Key("parameters"), policy.Key("absent")),
		"spec.config[weave.policies.x].parameters[1]":     append(config[:3:3], policy.Key("parameters"), policy.Key("1")),
		"spec.config.weave.policies.x.parameters.a[0]":    append(config[:3:3], policy.Key("parameters"), policy.Key("a[0]")),
		"spec.config[nobody.knows]":                       {policy.Key("spec"), policy.Key("config"), policy.Key("[nobody.knows]")},
		"":                                                nil,
	} {
		if diff := cmp.Diff(want, fieldPath(content, written)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", written, diff)
		}
	}
}

func FuzzFieldPath(f *testing.F) {
	content := map[string]any{"": map[string]any{"a": 1}, "a": []any{nil, map[string]any{"b.c": "d", "[": "]"}}}
	for _, seed := range []string{"a[1].b.c", "a[1][b.c]", ".a", "..", "a[", "a[-1]", "[][", "a[1].["} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		path := fieldPath(content, written)
		if strings.Trim(written, ".") != "" && len(path) == 0 {
			t.Errorf("%q has no path", written)
		}
		valueAt(content, path)
	})
}

// Whatever a file holds, decoding ends with a source or with problems, and does not change the object.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"apiVersion":"pac.weave.works/v2","kind":"PolicySet","metadata":{"name":"a"},"spec":{"mode":"audit","filters":{}}}`,
		`{"apiVersion":"pac.weave.works/v2","kind":"Policy","metadata":{"labels":{"a":1}},"spec":{"parameters":[null,{"value":{}}],"cel":{"validations":[{}]}}}`,
		`{"apiVersion":"pac.weave.works/v2","kind":"PolicyConfig","metadata":[],"spec":{"config":{"a.b":{"params":1}},"match":{"apps":[[]]}}}`,
		`{"apiVersion":"pac.weave.works/v2","kind":"PolicyException","metadata":{"name":"a"},"spec":{"expires":1,"match":null},"status":7}`,
		`{"apiVersion":7,"kind":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		object := &policy.Object{}
		if err := utiljson.Unmarshal(content, &object.Content); err != nil {
			return
		}
		before, err := utiljson.Marshal(object.Content)
		if err != nil {
			return
		}
		set, problems := FromObjects([]*policy.Object{object})
		sources := set.Sources
		decoded := len(sources.Policies) + len(sources.Sets) + len(sources.Configs) + len(sources.Exceptions)
		if ours := object.Group() == "pac.weave.works"; ours != (decoded+len(problems) > 0) || decoded > 0 && len(problems) > 0 {
			t.Errorf("%d sources and %d problems from %s", decoded, len(problems), content)
		}
		if after, _ := utiljson.Marshal(object.Content); string(after) != string(before) {
			t.Errorf("changed from %s to %s", before, after)
		}
	})
}

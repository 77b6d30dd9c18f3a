package policytest

import (
	"strings"
	"testing"
)

func TestReadCases(t *testing.T) {
	for _, test := range []struct {
		name, content string
		cases         int
		found         bool
		wantErr       string
	}{
		{"nothing", "", 0, false, ""},
		{"a manifest", "kind: Pod\n", 0, false, ""},
		{"several manifests", "kind: Pod\n---\nkind: Service\n", 0, false, ""},
		{"what does not parse is left to who reads manifests", "a: [", 0, false, ""},
		{"no cases", "cases: []\n", 0, true, ""},
		{"an object", "cases:\n- {name: a, object: {kind: Pod}}\n", 1, true, ""},
		{"a pod", "cases:\n- {name: a, pod: {spec: {}}}\n", 1, true, ""},
		{"an anchor", "shared: &pod {kind: Pod}\ncases:\n- {name: a, object: *pod}\n", 0, true, "unknown field"},
		{"a case without a name", "cases:\n- {name: a, object: {}}\n- object: {}\n", 0, true, "line 3: the case has no name"},
		{"a case without an object", "cases:\n- name: a\n", 0, true, `line 2: case "a": give either object or pod`},
		{"a case with both", "cases:\n- {name: a, object: {}, pod: {}}\n", 0, true, "give either object or pod"},
		{"kinds of an object", "cases:\n- {name: a, object: {}, kinds: [Pod]}\n", 0, true, "kinds belongs to pod"},
		{"violations where it does not apply", "cases:\n- {name: a, object: {}, applies: false, violations: [{}]}\n", 0, true, "finds no violations"},
		{"a misspelt field", "cases:\n- {name: a, object: {}}\n- {name: b, object: {}, violation: []}\n", 0, true, `line 3: unknown field "cases[1].violation"`},
		{"a field of another type", "cases:\n- {name: 1, object: {}}\n", 0, true, "line 2: "},
		{"a repeated key", "cases:\n- {name: a, name: b, object: {}}\n", 0, true, "already set"},
		{"two documents", "cases:\n- {name: a, object: {}}\n---\nkind: Pod\n", 0, true, "one YAML document"},
		{"cases that are no list", "cases: {a: b}\n", 0, true, "line 1: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			cases, found, err := readCases([]byte(test.content))
			if found != test.found || len(cases) != test.cases {
				t.Errorf("%d cases, found %v", len(cases), found)
			}
			switch {
			case err == nil && test.wantErr != "":
				t.Error("no error")
			case err != nil && (test.wantErr == "" || !strings.Contains(err.Error(), test.wantErr)):
				t.Errorf("error: %v", err)
			}
		})
	}
}

func FuzzReadCases(f *testing.F) {
	f.Add("cases:\n- {name: a, pod: {spec: {}}, violations: [{path: a, recommendedValue: [1]}]}\n")
	f.Add("a: &a [*a]\ncases: *a\n")
	f.Add("cases:\n- ? {a: b}\n")
	f.Fuzz(func(t *testing.T, content string) {
		cases, found, err := readCases([]byte(content))
		if len(cases) > 0 && (!found || err != nil) {
			t.Errorf("%d cases, found %v, %v", len(cases), found, err)
		}
		for i := range cases {
			c := &cases[i]
			if c.Pod != nil {
				expand(c.Pod, c.Kinds)
			}
			for j := range c.Violations {
				c.Violations[j].describe(&podObject{})
			}
		}
	})
}

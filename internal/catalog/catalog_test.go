package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/internal/suggest"
	"github.com/assay-gitops/assay/policy"
)

func policyYAML(id, message string) string {
	return fmt.Sprintf(`apiVersion: pac.weave.works/v2
kind: Policy
metadata:
  name: %[1]s
spec:
  id: %[1]s
  name: %[1]s
  severity: high
  category: acme.categories.test
  description: A test.
  how_to_solve: Pass it.
  tags: [first]
  standards:
  - id: weave.standards.soc2-type-i
  targets:
    kinds: [Deployment, Pod]
  cel:
    validations:
    - expression: "true"
      message: %[2]s
`, id, message)
}

const configYAML = `apiVersion: pac.weave.works/v2
kind: PolicyConfig
metadata:
  name: config
spec:
  match:
    namespaces: [shop]
  config:
    acme.policies.a: {parameters: {}}
    acme.policies.b: {parameters: {}}
    acme.policies.nowhere: {parameters: {}}
`

const exceptionYAML = `apiVersion: pac.weave.works/v2
kind: PolicyException
metadata:
  name: exception
spec:
  policies: [acme.policies.a, acme.policies.b]
  match:
    namespaces: [shop]
  reason: agreed
`

func parse(t *testing.T, files ...string) []*policy.Object {
	t.Helper()
	var objects []*policy.Object
	for i := 0; i < len(files); i += 2 {
		found, problems := raw.Parse(files[i], []byte(files[i+1]))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		objects = append(objects, found...)
	}
	return objects
}

func gather(t *testing.T, library fs.FS, files ...string) *Catalog {
	t.Helper()
	c, err := Gather(library, parse(t, files...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// messages of the policies by id.
func messages(policies []*v2.Policy) map[string]string {
	found := map[string]string{}
	for _, p := range policies {
		found[p.Spec.ID] = p.Spec.CEL.Validations[0].Message
	}
	return found
}

func TestGatherSettlesNamesThatOccurTwice(t *testing.T) {
	library := fstest.MapFS{
		"a/policy.yaml":  {Data: []byte(policyYAML("acme.policies.a", "shipped"))},
		"z/policy.yaml":  {Data: []byte(policyYAML("acme.policies.z", "shipped"))},
		"z/policy.rego":  {Data: []byte("not a manifest")},
		"z/tests/x.json": {Data: []byte("{")},
	}
	for _, test := range []struct {
		name    string
		library fs.FS
		files   []string
		want    map[string]string
		problem string
	}{
		{"those that ship", library, nil, map[string]string{"acme.policies.a": "shipped", "acme.policies.z": "shipped"}, ""},
		{
			"one in a file replaces one that ships", library, []string{"a.yaml", policyYAML("acme.policies.a", "own")},
			map[string]string{"acme.policies.a": "own", "acme.policies.z": "shipped"}, "",
		},
		{
			"of two in files the first is used, and both are named", nil,
			[]string{"one.yaml", policyYAML("acme.policies.a", "one"), "two.yaml", policyYAML("acme.policies.a", "two")},
			map[string]string{"acme.policies.a": "one"},
			"policy acme.policies.a is defined twice with different content: first in one.yaml:1, which is used, and again in two.yaml:1",
		},
		{
			"two that say the same are one", nil,
			[]string{"one.yaml", policyYAML("acme.policies.a", "one"), "two.yaml", policyYAML("acme.policies.a", "one")},
			map[string]string{"acme.policies.a": "one"}, "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := gather(t, test.library, test.files...)
			if diff := cmp.Diff(test.want, messages(c.Sources.Policies)); diff != "" {
				t.Errorf("policies (-want +got):\n%s", diff)
			}
			var got []string
			for _, p := range c.Problems {
				got = append(got, p.Message)
				if p.Location.File != "two.yaml" || p.Warning {
					t.Errorf("problem %+v is not a fault of two.yaml", p)
				}
			}
			if joined := strings.Join(got, "\n"); joined != test.problem {
				t.Errorf("problems %q, want %q", joined, test.problem)
			}
		})
	}
}

func TestABrokenLibraryIsAnError(t *testing.T) {
	_, err := Gather(fstest.MapFS{"a/policy.yaml": {Data: []byte("a: \"b\n")}}, nil)
	if err == nil || !strings.Contains(err.Error(), "a/policy.yaml") {
		t.Errorf("error %v does not name the file", err)
	}
}

func TestFind(t *testing.T) {
	c := gather(t, nil, "a.yaml", policyYAML("weave.policies.host-network", "m"), "b.yaml", policyYAML("acme.policies.owner", "m"))
	for name, want := range map[string]string{
		"weave.policies.host-network": "weave.policies.host-network",
		"host-network":                "weave.policies.host-network",
		"acme.policies.owner":         "acme.policies.owner",
	} {
		p, err := c.Find(name)
		if err != nil || p.Spec.ID != want {
			t.Errorf("Find(%q) = %v, %v; want %s", name, p, err, want)
		}
	}
	_, err := c.Find("host-netwrok")
	var unknown *suggest.UnknownError
	if !errors.As(err, &unknown) || len(unknown.Nearest) == 0 || unknown.Nearest[0] != "weave.policies.host-network" {
		t.Errorf("error %v does not suggest weave.policies.host-network", err)
	}
}

func TestSelectLeavesOutWhatBelongsToOtherPolicies(t *testing.T) {
	c := gather(t, nil,
		"a.yaml", policyYAML("acme.policies.a", "m"), "b.yaml", policyYAML("acme.policies.b", "m"),
		"config.yaml", configYAML, "exception.yaml", exceptionYAML)
	only := c.Select(func(p *v2.Policy) bool { return p.Spec.ID == "acme.policies.a" })
	if diff := cmp.Diff(map[string]string{"acme.policies.a": "m"}, messages(only.Policies)); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
	config := only.Configs[0]
	if _, ok := config.Spec.Config["acme.policies.b"]; ok || len(config.Spec.Config) != 2 {
		t.Errorf("config %v: want those of a, and of what does not exist at all", config.Spec.Config)
	}
	if diff := cmp.Diff([]string{"acme.policies.a"}, only.Exceptions[0].Spec.Policies); diff != "" {
		t.Errorf("exception (-want +got):\n%s", diff)
	}
	located := c.Locate(engine.Problem{Source: config, Message: "m"})
	if located.Location.File != "config.yaml" || !located.Warning {
		t.Errorf("a problem of the narrowed config is at %+v (warning %v), want config.yaml and a warning", located.Location, located.Warning)
	}
	if c.Origin(only.Exceptions[0]).Object().File != "exception.yaml" {
		t.Errorf("the narrowed exception lost its origin")
	}

	nothing := c.Select(func(*v2.Policy) bool { return false })
	if len(nothing.Policies)+len(nothing.Exceptions) > 0 || len(nothing.Configs) != 1 {
		t.Errorf("selecting nothing gives %+v", nothing)
	}
	if all := c.Select(func(*v2.Policy) bool { return true }); all.Configs[0] != c.Sources.Configs[0] {
		t.Error("selecting everything copied a config")
	}
}

func TestFilter(t *testing.T) {
	c := gather(t, nil, "a.yaml", policyYAML("weave.policies.host-network", "m"))
	p := c.Sources.Policies[0]
	for _, test := range []struct {
		name   string
		filter Filter
		want   bool
	}{
		{"nothing is asked for", Filter{}, true},
		{"its id", Filter{Policies: []string{"weave.policies.host-network"}}, true},
		{"its short id, among others", Filter{Policies: []string{"x", "host-network"}}, true},
		{"a pattern", Filter{Policies: []string{"host-*"}}, true},
		{"another pattern", Filter{Policies: []string{"*-host"}}, false},
		{"a pattern that is not valid", Filter{Policies: []string{"[host"}}, false},
		{"its severity", Filter{Severities: []v2.Severity{"low", "high"}}, true},
		{"another severity", Filter{Severities: []v2.Severity{"low"}}, false},
		{"its category", Filter{Categories: []string{"acme.categories.test"}}, true},
		{"its short category", Filter{Categories: []string{"test"}}, true},
		{"its short standard", Filter{Standards: []string{"soc2-type-i"}}, true},
		{"another standard", Filter{Standards: []string{"type-i"}}, false},
		{"its tag", Filter{Tags: []string{"first"}}, true},
		{"one of its kinds in any case", Filter{Kinds: []string{"pod"}}, true},
		{"another kind", Filter{Kinds: []string{"Service"}}, false},
		{"one of two conditions", Filter{Tags: []string{"first"}, Severities: []v2.Severity{"low"}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.filter.Match(p); got != test.want {
				t.Errorf("Match = %v, want %v", got, test.want)
			}
		})
	}
}

func TestAFilterThatChoosesNothingIsAMistake(t *testing.T) {
	policies := gather(t, nil, "a.yaml", policyYAML("weave.policies.host-network", "m")).Sources.Policies
	for want, filter := range map[string]Filter{
		`unknown policy "host"`:          {Policies: []string{"host-network", "host"}},
		`unknown category "tset"`:        {Categories: []string{"tset"}},
		`unknown standard "soc3-type-i"`: {Standards: []string{"soc3-type-i"}},
		`unknown tag "frist"`:            {Tags: []string{"frist"}},
	} {
		err := filter.Check(policies)
		var hinted interface{ Hint() string }
		if err == nil || err.Error() != want || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "did you mean") {
			t.Errorf("error %v, want %s with a suggestion", err, want)
		}
	}
	fine := Filter{Policies: []string{"host-network"}, Kinds: []string{"Unheard"}, Severities: []v2.Severity{"low"}}
	if err := fine.Check(policies); err != nil {
		t.Errorf("a filter of severities and kinds that exist names nothing wrong: %v", err)
	}
}

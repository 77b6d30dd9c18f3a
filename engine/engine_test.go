package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/policy"
)

func newPolicy(id, code string, change ...func(*v2.Policy)) *v2.Policy {
	p := &v2.Policy{ObjectMeta: metav1.ObjectMeta{Name: id}}
	p.Spec = v2.PolicySpec{ID: id, Name: "Policy " + id, Code: code, Severity: v2.SeverityHigh, Category: "weave.categories.test"}
	for _, c := range change {
		c(p)
	}
	return p
}

// always violates, whatever the object.
const always = `package always
violation contains {"msg": "always", "violating_key": "metadata.name"}`

func object(t testing.TB, manifest string) *policy.Object {
	t.Helper()
	o := &policy.Object{}
	if err := yaml.Unmarshal([]byte(manifest), &o.Content); err != nil {
		t.Fatal(err)
	}
	return o
}

func named(t testing.TB, kind, namespace, name string, labels map[string]string) *policy.Object {
	t.Helper()
	metadata := map[string]any{"name": name}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	if labels != nil {
		l := map[string]any{}
		for k, v := range labels {
			l[k] = v
		}
		metadata["labels"] = l
	}
	return &policy.Object{Content: map[string]any{"apiVersion": "v1", "kind": kind, "metadata": metadata}}
}

func namespaceOf(tenant string) map[string]any {
	return map[string]any{"metadata": map[string]any{"labels": map[string]any{policy.TenantLabel: tenant}}}
}

func compile(t testing.TB, sources engine.Sources, options engine.Options) (*engine.Snapshot, []engine.Problem) {
	t.Helper()
	s, problems, err := engine.Compile(context.Background(), sources, options)
	if err != nil {
		t.Fatal(err)
	}
	return s, problems
}

func mustCompile(t testing.TB, sources engine.Sources, options engine.Options) *engine.Snapshot {
	t.Helper()
	s, problems := compile(t, sources, options)
	for _, p := range problems {
		t.Errorf("problem: %s: %s", p.Field, p.Message)
	}
	return s
}

func raw(v any) apiextensionsv1.JSON {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return apiextensionsv1.JSON{Raw: b}
}

func parameter(name, kind string, value any) v2.PolicyParameter {
	j := raw(value)
	return v2.PolicyParameter{Name: name, Type: kind, Value: &j}
}

func TestTargetsAndExclusionsDecideWhatIsJudged(t *testing.T) {
	web := map[string]string{"app": "web", "tier": "front"}
	for name, c := range map[string]struct {
		change  func(*v2.PolicySpec)
		request policy.Request
		applies bool
	}{
		"no targets match everything":                {func(*v2.PolicySpec) {}, policy.Request{Object: named(t, "Pod", "shop", "web", nil)}, true},
		"a kind is matched exactly":                  {func(s *v2.PolicySpec) { s.Targets.Kinds = []string{"pod"} }, policy.Request{Object: named(t, "Pod", "shop", "web", nil)}, false},
		"one of several kinds":                       {func(s *v2.PolicySpec) { s.Targets.Kinds = []string{"Service", "Pod"} }, policy.Request{Object: named(t, "Pod", "shop", "web", nil)}, true},
		"a group narrows the kinds":                  {func(s *v2.PolicySpec) { s.Targets.APIGroups = []string{"apps"} }, policy.Request{Object: named(t, "Pod", "shop", "web", nil)}, false},
		"the core group is empty":                    {func(s *v2.PolicySpec) { s.Targets.APIGroups = []string{""} }, policy.Request{Object: named(t, "Pod", "shop", "web", nil)}, true},
		"another namespace":                          {func(s *v2.PolicySpec) { s.Targets.Namespaces = []string{"other"} }, policy.Request{Object: named(t, "Pod", "shop", "web", nil)}, false},
		"cluster-scoped objects are in no namespace": {func(s *v2.PolicySpec) { s.Targets.Namespaces = []string{"shop"} }, policy.Request{Object: named(t, "ClusterRole", "", "web", nil)}, false},
		"any pair of any label map": {func(s *v2.PolicySpec) {
			s.Targets.Labels = []map[string]string{{"app": "db"}, {"tier": "front", "x": "y"}}
		}, policy.Request{Object: named(t, "Pod", "shop", "web", web)}, true},
		"a star is any value":              {func(s *v2.PolicySpec) { s.Targets.Labels = []map[string]string{{"app": "*"}} }, policy.Request{Object: named(t, "Pod", "shop", "web", web)}, true},
		"no label matches":                 {func(s *v2.PolicySpec) { s.Targets.Labels = []map[string]string{{"app": "db"}} }, policy.Request{Object: named(t, "Pod", "shop", "web", web)}, false},
		"excluded namespace":               {func(s *v2.PolicySpec) { s.Exclude.Namespaces = []string{"shop"} }, policy.Request{Object: named(t, "Pod", "shop", "web", nil)}, false},
		"excluded resource":                {func(s *v2.PolicySpec) { s.Exclude.Resources = []string{"shop/web"} }, policy.Request{Object: named(t, "Pod", "shop", "web", nil)}, false},
		"excluded cluster-scoped resource": {func(s *v2.PolicySpec) { s.Exclude.Resources = []string{"/web"} }, policy.Request{Object: named(t, "ClusterRole", "", "web", nil)}, false},
		"excluded by any label":            {func(s *v2.PolicySpec) { s.Exclude.Labels = map[string]string{"x": "y", "tier": "*"} }, policy.Request{Object: named(t, "Pod", "shop", "web", web)}, false},
		"another label does not exclude":   {func(s *v2.PolicySpec) { s.Exclude.Labels = map[string]string{"tier": "back"} }, policy.Request{Object: named(t, "Pod", "shop", "web", web)}, true},
		"namespace selector": {func(s *v2.PolicySpec) {
			s.Targets.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{policy.TenantLabel: "red"}}
		}, policy.Request{Object: named(t, "Pod", "shop", "web", nil), Namespace: namespaceOf("red")}, true},
		"namespace selector without a namespace object": {func(s *v2.PolicySpec) {
			s.Targets.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{policy.TenantLabel: "red"}}
		}, policy.Request{Object: named(t, "Pod", "shop", "web", nil)}, false},
		"a Namespace is selected by its own labels": {func(s *v2.PolicySpec) {
			s.Targets.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
		}, policy.Request{Object: named(t, "Namespace", "", "shop", web)}, true},
		"DELETE only when asked for":                            {func(*v2.PolicySpec) {}, policy.Request{Object: named(t, "Pod", "shop", "web", nil), Operation: policy.Delete}, false},
		"DELETE when asked for":                                 {func(s *v2.PolicySpec) { s.Targets.Operations = []string{"DELETE"} }, policy.Request{Object: named(t, "Pod", "shop", "web", nil), Operation: policy.Delete}, true},
		"gates without operation pass by":                       {func(s *v2.PolicySpec) { s.Targets.Operations = []string{"DELETE"} }, policy.Request{Object: named(t, "Pod", "shop", "web", nil)}, true},
		"a policy fails closed unless it says otherwise":        {func(*v2.PolicySpec) {}, policy.Request{Object: named(t, "Pod", "shop", "web", nil), FailurePolicy: v2.FailurePolicyFail}, true},
		"the other webhook asks for the other failure policy":   {func(*v2.PolicySpec) {}, policy.Request{Object: named(t, "Pod", "shop", "web", nil), FailurePolicy: v2.FailurePolicyIgnore}, false},
		"a policy that fails open is asked for by its webhook":  {func(s *v2.PolicySpec) { s.FailurePolicy = v2.FailurePolicyIgnore }, policy.Request{Object: named(t, "Pod", "shop", "web", nil), FailurePolicy: v2.FailurePolicyIgnore}, true},
		"a policy that only warns fails open":                   {func(s *v2.PolicySpec) { s.Enforce = new(bool) }, policy.Request{Object: named(t, "Pod", "shop", "web", nil), FailurePolicy: v2.FailurePolicyFail}, false},
		"gates without webhooks ask for any failure policy":     {func(s *v2.PolicySpec) { s.FailurePolicy = v2.FailurePolicyIgnore }, policy.Request{Object: named(t, "Pod", "shop", "web", nil)}, true},
		"a subresource only when asked for":                     {func(*v2.PolicySpec) {}, policy.Request{Object: named(t, "Scale", "shop", "web", nil), Subresource: "scale"}, false},
		"a subresource when asked for":                          {func(s *v2.PolicySpec) { s.Targets.Subresources = []string{"status", "scale"} }, policy.Request{Object: named(t, "Scale", "shop", "web", nil), Subresource: "scale"}, true},
		"another subresource":                                   {func(s *v2.PolicySpec) { s.Targets.Subresources = []string{"status"} }, policy.Request{Object: named(t, "Scale", "shop", "web", nil), Subresource: "scale"}, false},
		"a star is any subresource":                             {func(s *v2.PolicySpec) { s.Targets.Subresources = []string{"*"} }, policy.Request{Object: named(t, "Scale", "shop", "web", nil), Subresource: "scale"}, true},
		"subresources do not keep the object itself out":        {func(s *v2.PolicySpec) { s.Targets.Subresources = []string{"scale"} }, policy.Request{Object: named(t, "Pod", "shop", "web", nil)}, true},
		"what a judged controller made is not judged again":     {func(s *v2.PolicySpec) { s.Targets.Kinds = []string{"ReplicaSet", "Pod"} }, policy.Request{Object: named(t, "Pod", "shop", "web", nil), Controller: policy.GroupKind{Group: "apps", Kind: "ReplicaSet"}}, false},
		"nor by a policy of all kinds":                          {func(*v2.PolicySpec) {}, policy.Request{Object: named(t, "Pod", "shop", "web", nil), Controller: policy.GroupKind{Group: "apps", Kind: "ReplicaSet"}}, false},
		"a policy for exactly what the controller made":         {func(s *v2.PolicySpec) { s.Targets.Kinds = []string{"Pod"} }, policy.Request{Object: named(t, "Pod", "shop", "web", nil), Controller: policy.GroupKind{Group: "apps", Kind: "ReplicaSet"}}, true},
		"a controller in a group that the policy does not mean": {func(s *v2.PolicySpec) { s.Targets.APIGroups = []string{""} }, policy.Request{Object: named(t, "Pod", "shop", "web", nil), Controller: policy.GroupKind{Group: "apps", Kind: "ReplicaSet"}}, true},
		"terraform policies judge plans":                        {func(s *v2.PolicySpec) { s.Provider = v2.ProviderTerraform }, policy.Request{Object: named(t, "Pod", "shop", "web", nil)}, false},
		"terraform in its mode":                                 {func(s *v2.PolicySpec) { s.Provider = v2.ProviderTerraform }, policy.Request{Object: named(t, "Terraform", "shop", "web", nil), Mode: v2.ModeTFAdmission}, true},
		"enabled: false decides nothing":                        {func(s *v2.PolicySpec) { off := false; s.Enabled = &off }, policy.Request{Object: named(t, "Pod", "shop", "web", nil)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPolicy("p", always)
			c.change(&p.Spec)
			v := mustCompile(t, engine.Sources{Policies: []*v2.Policy{p}}, engine.Options{}).Judge(context.Background(), &c.request)
			if got := len(v.Results) == 1; got != c.applies || v.Evaluated != len(v.Results) {
				t.Errorf("applies: %v (%d evaluated), want %v", got, v.Evaluated, c.applies)
			}
		})
	}
}

func TestARequestLimitsWhatIsAsked(t *testing.T) {
	never := newPolicy("never", "package never\nviolation contains {} if false")
	s := mustCompile(t, engine.Sources{Policies: []*v2.Policy{newPolicy("a", always), newPolicy("b", always), never}}, engine.Options{})
	for name, c := range map[string]struct {
		request policy.Request
		want    string
	}{
		"all that is wrong":     {policy.Request{}, "a violation, b violation"},
		"what complies as well": {policy.Request{Compliance: true}, "a violation, b violation, never compliance"},
		"some policies":         {policy.Request{Only: map[string]bool{"b": true, "never": true}}, "b violation"},
		"none":                  {policy.Request{Only: map[string]bool{}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.request.Object = named(t, "Pod", "shop", "web", nil)
			v := s.Judge(context.Background(), &c.request)
			var got []string
			for _, r := range v.Results {
				got = append(got, r.Policy.Spec.ID+" "+string(r.Status))
			}
			if strings.Join(got, ", ") != c.want || c.request.Only != nil && v.Evaluated != len(c.request.Only) {
				t.Errorf("got %q of %d, want %q", got, v.Evaluated, c.want)
			}
		})
	}
}

func TestPolicySetsChooseWhatActs(t *testing.T) {
	tagged := func(p *v2.Policy) { p.Spec.Tags = []string{"pci"} }
	tenancy := func(p *v2.Policy) { p.Spec.Tags = []string{v2.TenancyTag} }
	lowStandard := func(p *v2.Policy) {
		p.Spec.Severity = v2.SeverityLow
		p.Spec.Standards = []v2.PolicyStandard{{ID: "weave.standards.gdpr"}}
	}
	policies := []*v2.Policy{
		newPolicy("plain", always), newPolicy("tagged", always, tagged), newPolicy("tenant", always, tenancy), newPolicy("standard", always, lowStandard),
	}
	set := func(mode v2.Mode, filters v2.PolicySetFilters) *v2.PolicySet {
		return &v2.PolicySet{ObjectMeta: metav1.ObjectMeta{Name: string(mode)}, Spec: v2.PolicySetSpec{Mode: mode, Filters: filters}}
	}
	for name, c := range map[string]struct {
		sets []*v2.PolicySet
		mode v2.Mode
		want string
	}{
		"no set: all":                        {nil, v2.ModeAudit, "plain standard tagged tenant"},
		"a set of another mode: all":         {[]*v2.PolicySet{set(v2.ModeAdmission, v2.PolicySetFilters{IDs: []string{"plain"}})}, v2.ModeAudit, "plain standard tagged tenant"},
		"by id, tenancy acts at admission":   {[]*v2.PolicySet{set(v2.ModeAdmission, v2.PolicySetFilters{IDs: []string{"plain"}})}, v2.ModeAdmission, "plain tenant"},
		"by id, tenancy is limited in audit": {[]*v2.PolicySet{set(v2.ModeAudit, v2.PolicySetFilters{IDs: []string{"plain"}})}, v2.ModeAudit, "plain"},
		"filters are joined by or":           {[]*v2.PolicySet{set(v2.ModeAudit, v2.PolicySetFilters{Tags: []string{"pci"}, Severities: []string{"low"}})}, v2.ModeAudit, "standard tagged"},
		"by standard":                        {[]*v2.PolicySet{set(v2.ModeAudit, v2.PolicySetFilters{Standards: []string{"weave.standards.gdpr"}})}, v2.ModeAudit, "standard"},
		"by category":                        {[]*v2.PolicySet{set(v2.ModeAudit, v2.PolicySetFilters{Categories: []string{"weave.categories.test"}})}, v2.ModeAudit, "plain standard tagged tenant"},
		"sets of a mode are joined": {[]*v2.PolicySet{
			set(v2.ModeAudit, v2.PolicySetFilters{IDs: []string{"plain"}}), set(v2.ModeAudit, v2.PolicySetFilters{Tags: []string{"pci"}}),
		}, v2.ModeAudit, "plain tagged"},
		"empty filters choose nothing": {[]*v2.PolicySet{set(v2.ModeAudit, v2.PolicySetFilters{})}, v2.ModeAudit, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustCompile(t, engine.Sources{Policies: policies, Sets: c.sets}, engine.Options{})
			v := s.Judge(context.Background(), &policy.Request{Object: named(t, "Pod", "shop", "web", nil), Mode: c.mode})
			var ids []string
			for _, r := range v.Results {
				ids = append(ids, r.Policy.Spec.ID)
			}
			if got := strings.Join(ids, " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if got := mustCompile(t, engine.Sources{Policies: policies}, engine.Options{}).Modes("plain"); !cmp.Equal(got, []v2.Mode{v2.ModeAudit, v2.ModeAdmission}) {
		t.Errorf("modes %v", got)
	}
}

// echo tells the value of its parameter.
const echo = `package echo
violation contains {"msg": sprintf("%v", [input.parameters.limit])}`

func TestConfigsAreResolvedBySixLevels(t *testing.T) {
	p := newPolicy("limit", echo, func(p *v2.Policy) {
		p.Spec.Parameters = []v2.PolicyParameter{parameter("limit", "integer", 0), parameter("other", "string", "own")}
	})
	config := func(name string, value int, target v2.PolicyConfigTarget) *v2.PolicyConfig {
		c := &v2.PolicyConfig{ObjectMeta: metav1.ObjectMeta{Name: name}}
		c.Spec.Match = target
		c.Spec.Config = map[string]v2.PolicyConfigConfig{"limit": {Parameters: map[string]apiextensionsv1.JSON{"limit": raw(value)}}}
		return c
	}
	levels := []*v2.PolicyConfig{
		config("f-workspace", 1, v2.PolicyConfigTarget{Workspaces: []string{"red"}}),
		config("e-namespace", 2, v2.PolicyConfigTarget{Namespaces: []string{"shop"}}),
		config("d-app", 3, v2.PolicyConfigTarget{Applications: []v2.PolicyTargetApplication{{Kind: "Kustomization", Name: "apps"}}}),
		config("c-app-in-ns", 4, v2.PolicyConfigTarget{Applications: []v2.PolicyTargetApplication{{Kind: "Kustomization", Name: "apps", Namespace: "flux-system"}}}),
		config("b-resource", 5, v2.PolicyConfigTarget{Resources: []v2.PolicyTargetResource{{Kind: "Pod", Name: "web"}}}),
		config("a-resource-in-ns", 6, v2.PolicyConfigTarget{Resources: []v2.PolicyTargetResource{{Kind: "Pod", Name: "web", Namespace: "shop"}}}),
	}
	request := &policy.Request{
		Object: named(t, "Pod", "shop", "web", map[string]string{
			"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
		}),
		Namespace: namespaceOf("red"),
	}
	names := []engine.Level{engine.OfWorkspace, engine.OfNamespace, engine.OfApp, engine.OfAppInNamespace, engine.OfResource, engine.OfResourceInNamespace}
	for n := range len(levels) + 1 {
		s := mustCompile(t, engine.Sources{Policies: []*v2.Policy{p}, Configs: levels[:n]}, engine.Options{})
		settings, problems := engine.NewSettings([]*v2.Policy{p}, levels[:n])
		if len(problems) != 0 || len(settings.Policies()) != 1 {
			t.Errorf("with %d levels: %v", n, problems)
		}
		effective := settings.Of(request)
		for i := range effective.Matches {
			m := &effective.Matches[i]
			value, set := m.Value("limit", "limit")
			if _, other := m.Value("limit", "other"); m.Config != levels[i] || m.Level != names[i] || !set || value != int64(i+1) || other {
				t.Errorf("with %d levels: %s matches as %s and sets %v", n, m.Config.Name, m.Level, value)
			}
		}
		if len(effective.Matches) != n || effective.Parameters("gone") != nil {
			t.Errorf("with %d levels: %d configs match", n, len(effective.Matches))
		}
		for range 2 { // the second time from what is remembered
			r := s.Judge(context.Background(), request).Results[0]
			if want := fmt.Sprint(n); r.Occurrences[0].Message != want {
				t.Errorf("with %d levels: %s, want %s", n, r.Occurrences[0].Message, want)
			}
			ref := ""
			if n > 0 {
				ref = levels[n-1].Name
			}
			if r.Parameters[0].ConfigRef != ref || r.Parameters[0].Value != int64(n) {
				t.Errorf("with %d levels: parameter %+v, want config_ref %q", n, r.Parameters[0], ref)
			}
			if got := effective.Parameters("limit"); !reflect.DeepEqual(got, r.Parameters) {
				t.Errorf("with %d levels: %+v is said to be in effect, and %+v was judged by", n, got, r.Parameters)
			}
			if r.Parameters[1].ConfigRef != "" || r.Parameters[1].Value != "own" {
				t.Errorf("a parameter that no config names changed: %+v", r.Parameters[1])
			}
		}
	}
	// Whatever does not match, does not count.
	s := mustCompile(t, engine.Sources{Policies: []*v2.Policy{p}, Configs: levels}, engine.Options{})
	if r := s.Judge(context.Background(), &policy.Request{Object: named(t, "Pod", "elsewhere", "other", nil)}).Results[0]; r.Occurrences[0].Message != "0" {
		t.Errorf("an object that no config matches got %s", r.Occurrences[0].Message)
	}
}

// Settings leave out what a snapshot leaves out too, and say so.
func TestSettingsLeaveOutWhatCannotBeRead(t *testing.T) {
	huge := newPolicy("huge", echo, func(p *v2.Policy) {
		p.Spec.Parameters = []v2.PolicyParameter{{Name: "n", Type: "number", Value: &apiextensionsv1.JSON{Raw: []byte("1e999")}}}
	})
	config := &v2.PolicyConfig{ObjectMeta: metav1.ObjectMeta{Name: "all"}}
	config.Spec.Match = v2.PolicyConfigTarget{Namespaces: []string{"shop"}}
	config.Spec.Config = map[string]v2.PolicyConfigConfig{"fine": {Parameters: map[string]apiextensionsv1.JSON{"n": {Raw: []byte("1e999")}}}, "gone": {}}
	fine := newPolicy("fine", "this does not compile", func(p *v2.Policy) { p.Spec.Parameters = []v2.PolicyParameter{parameter("n", "integer", 7)} })
	settings, problems := engine.NewSettings([]*v2.Policy{huge, fine, fine}, []*v2.PolicyConfig{config})
	if len(problems) != 4 { // an id twice, the huge number twice, and a policy that is gone
		t.Errorf("got %d: %+v", len(problems), problems)
	}
	effective := settings.Of(&policy.Request{Object: named(t, "Pod", "shop", "web", nil)})
	if got := effective.Parameters("fine"); len(got) != 1 || got[0].Value != int64(7) || got[0].ConfigRef != "" || effective.Parameters("huge") != nil {
		t.Errorf("got %+v", got)
	}
}

func TestTiesBetweenConfigsAreBrokenByName(t *testing.T) {
	p := newPolicy("limit", echo, func(p *v2.Policy) { p.Spec.Parameters = []v2.PolicyParameter{parameter("limit", "integer", 0)} })
	var configs []*v2.PolicyConfig
	for i, name := range []string{"b", "c", "a"} {
		c := &v2.PolicyConfig{ObjectMeta: metav1.ObjectMeta{Name: name}}
		c.Spec.Match.Namespaces = []string{"shop"}
		c.Spec.Config = map[string]v2.PolicyConfigConfig{"limit": {Parameters: map[string]apiextensionsv1.JSON{"limit": raw(i + 1)}}}
		configs = append(configs, c)
	}
	s, problems := compile(t, engine.Sources{Policies: []*v2.Policy{p}, Configs: configs}, engine.Options{})
	r := s.Judge(context.Background(), &policy.Request{Object: named(t, "Pod", "shop", "web", nil)}).Results[0]
	if r.Parameters[0].ConfigRef != "c" {
		t.Errorf("config %s won, want c", r.Parameters[0].ConfigRef)
	}
	if len(problems) != 3 || !strings.Contains(problems[0].Message, "'a' already targets namespace 'shop'") || problems[0].LeftOut {
		t.Errorf("problems %+v", problems)
	}
}

func TestConfigsThatNothingWillReadAreReported(t *testing.T) {
	p := newPolicy("weave.policies.limit", echo, func(p *v2.Policy) { p.Spec.Parameters = []v2.PolicyParameter{parameter("limit", "integer", 0)} })
	c := &v2.PolicyConfig{ObjectMeta: metav1.ObjectMeta{Name: "c"}}
	c.Spec.Match.Namespaces = []string{"shop"}
	c.Spec.Config = map[string]v2.PolicyConfigConfig{
		"weave.policies.limits": {Parameters: map[string]apiextensionsv1.JSON{"limit": raw(1)}},
		"weave.policies.limit":  {Parameters: map[string]apiextensionsv1.JSON{"limits": raw(1), "limit": raw("three")}},
	}
	_, problems := compile(t, engine.Sources{Policies: []*v2.Policy{p}, Configs: []*v2.PolicyConfig{c}}, engine.Options{})
	var got []string
	for _, problem := range problems {
		got = append(got, problem.Field+": "+problem.Message+" ("+problem.Hint+")")
	}
	want := []string{
		`spec.config["weave.policies.limit"].parameters.limit: parameter limit of weave.policies.limit is of type integer, not string (the value is used as it is, and the policy may not understand it)`,
		`spec.config["weave.policies.limit"].parameters.limits: policy weave.policies.limit has no parameter limits (did you mean limit?)`,
		`spec.config["weave.policies.limits"]: there is no policy weave.policies.limits, or it does not compile (did you mean weave.policies.limit?)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestExceptionsAreShownAndExpire(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	later, before := metav1.NewTime(now.Add(time.Hour)), metav1.NewTime(now.Add(-time.Hour))
	tenancy := func(p *v2.Policy) { p.Spec.Tags = []string{v2.TenancyTag} }
	request := &policy.Request{Object: named(t, "Pod", "shop", "web", map[string]string{"app": "web"}), Namespace: namespaceOf("red")}
	all := v2.PolicyExceptionMatch{Namespaces: []string{"shop"}}
	for name, c := range map[string]struct {
		policies []string
		match    v2.PolicyExceptionMatch
		expires  *metav1.Time
		change   func(*v2.Policy)
		excepted bool
	}{
		"by namespace":                         {[]string{"p"}, all, nil, nil, true},
		"not yet expired":                      {[]string{"p"}, all, &later, nil, true},
		"expired":                              {[]string{"p"}, all, &before, nil, false},
		"another policy":                       {[]string{"q"}, all, nil, nil, false},
		"all policies":                         {[]string{"*"}, all, nil, nil, true},
		"all policies but tenancy":             {[]string{"*"}, all, nil, tenancy, false},
		"tenancy by name":                      {[]string{"p"}, all, nil, tenancy, true},
		"by workspace":                         {[]string{"p"}, v2.PolicyExceptionMatch{Workspaces: []string{"red"}}, nil, nil, true},
		"another workspace":                    {[]string{"p"}, v2.PolicyExceptionMatch{Workspaces: []string{"blue"}}, nil, nil, false},
		"all conditions must hold":             {[]string{"p"}, v2.PolicyExceptionMatch{Namespaces: []string{"shop"}, Labels: map[string]string{"app": "db"}}, nil, nil, false},
		"by labels":                            {[]string{"p"}, v2.PolicyExceptionMatch{Labels: map[string]string{"app": "*"}}, nil, nil, true},
		"by resource":                          {[]string{"p"}, v2.PolicyExceptionMatch{Resources: []v2.PolicyTargetResource{{Kind: "Pod", Name: "web", Namespace: "shop"}}}, nil, nil, true},
		"another resource":                     {[]string{"p"}, v2.PolicyExceptionMatch{Resources: []v2.PolicyTargetResource{{Kind: "Pod", Name: "api"}}}, nil, nil, false},
		"no app":                               {[]string{"p"}, v2.PolicyExceptionMatch{Applications: []v2.PolicyTargetApplication{{Kind: "Kustomization", Name: "apps"}}}, nil, nil, false},
		"nothing to match: it excepts nothing": {[]string{"p"}, v2.PolicyExceptionMatch{}, nil, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPolicy("p", always)
			if c.change != nil {
				c.change(p)
			}
			e := &v2.PolicyException{ObjectMeta: metav1.ObjectMeta{Name: "e"}}
			e.Spec = v2.PolicyExceptionSpec{Policies: c.policies, Match: c.match, Reason: "because", Expires: c.expires}
			s, _ := compile(t, engine.Sources{Policies: []*v2.Policy{p}, Exceptions: []*v2.PolicyException{e}},
				engine.Options{Now: func() time.Time { return now }})
			r := s.Judge(context.Background(), request).Results[0]
			if excepted := r.Status == policy.Excepted; excepted != c.excepted || excepted == r.Enforced || excepted != (r.Exception == e) {
				t.Errorf("status %s, enforced %v, exception %v", r.Status, r.Enforced, r.Exception)
			}
			if len(r.Occurrences) != 1 {
				t.Error("the violation is hidden")
			}
		})
	}
}

func TestABrokenPolicyLeavesTheOthersAlone(t *testing.T) {
	cel := func(p *v2.Policy) {
		p.Spec.CEL = &v2.CELRule{Validations: []v2.CELValidation{{Expression: "object.metadata.name =="}}}
	}
	s, problems := compile(t, engine.Sources{Policies: []*v2.Policy{
		newPolicy("good", always),
		newPolicy("syntax", "package x\n\nviolation contains {"),
		newPolicy("no-rule", "package x\n\nallow := true"),
		newPolicy("network", "package x\nviolation contains r.body if r := http.send({})"),
		newPolicy("cel", "", cel),
		newPolicy("good", always),
		newPolicy("", always),
		newPolicy("nothing", ""),
		newPolicy("both", always, cel),
	}}, engine.Options{})
	if len(s.Policies()) != 1 || s.Policies()[0].Spec.ID != "good" {
		t.Errorf("compiled %v", s.Policies())
	}
	var got []string
	for _, p := range problems {
		if !p.LeftOut {
			t.Errorf("%s is not left out", p.Message)
		}
		got = append(got, fmt.Sprintf("%s %s:%d:%d: %s", p.Source.(*v2.Policy).Spec.ID, p.Field, p.Line, p.Column, p.Message))
	}
	for _, want := range []string{
		"syntax spec.code:3:", "no-rule spec.code:1:1: rule `violation` is not found", "network spec.code:2:", "cel spec.cel.validations[0].expression:1:",
		"policy id good is already used", "has no id", "nothing spec.code:0:0: the code is empty", "both spec.code:0:0: the policy has both",
	} {
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("no problem %q in:\n%s", want, strings.Join(got, "\n"))
		}
	}
	if v := s.Judge(context.Background(), &policy.Request{Object: named(t, "Pod", "shop", "web", nil)}); len(v.Results) != 1 || v.Results[0].Status != policy.Violation {
		t.Errorf("verdict %+v", v)
	}
}

func TestAFailingEvaluationIsAResult(t *testing.T) {
	loop := "package loop\nviolation contains x if { some a in numbers.range(1, 100000); some b in numbers.range(1, 100000); x := a * b; x < 0 }"
	clash := "package clash\nviolation := \"a\" if input.review.object.kind\nviolation := \"b\" if input.review.object.kind"
	ignore := func(p *v2.Policy) { p.Spec.FailurePolicy = v2.FailurePolicyIgnore }
	s := mustCompile(t, engine.Sources{Policies: []*v2.Policy{newPolicy("a", always), newPolicy("b", loop), newPolicy("c", clash, ignore), newPolicy("d", always)}},
		engine.Options{Timeout: 50 * time.Millisecond})
	v := s.Judge(context.Background(), &policy.Request{Object: named(t, "Pod", "shop", "web", nil)})
	var got []string
	for _, r := range v.Results {
		got = append(got, fmt.Sprintf("%s %s enforced=%v", r.Policy.Spec.ID, r.Status, r.Enforced))
	}
	want := []string{"a violation enforced=true", "b error enforced=true", "c error enforced=false", "d violation enforced=true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if message := v.Results[1].Err.Error(); message != "evaluation did not end within 50ms" {
		t.Errorf("the deadline's error is %q", message)
	}
	if message := v.Results[2].Err.Error(); !strings.Contains(message, "complete rules must not produce multiple outputs") {
		t.Errorf("the conflict's error is %q", message)
	}
}

func TestAnEndedContextEndsJudging(t *testing.T) {
	s := mustCompile(t, engine.Sources{Policies: []*v2.Policy{newPolicy("a", always)}}, engine.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if v := s.Judge(ctx, &policy.Request{Object: named(t, "Pod", "shop", "web", nil)}); v.Err == nil || len(v.Results) != 0 {
		t.Errorf("verdict %+v", v)
	}
}

func TestResultsComeInAStableOrder(t *testing.T) {
	many := `package many
violation contains {"msg": "z", "violating_key": "spec.a"}
violation contains {"msg": "a", "violating_key": "spec.b"}
violation contains {"msg": "a", "violating_key": "spec.a"}
violation contains "plain"`
	s := mustCompile(t, engine.Sources{Policies: []*v2.Policy{newPolicy("b", many), newPolicy("a", always)}}, engine.Options{})
	v := s.Judge(context.Background(), &policy.Request{Object: named(t, "Pod", "shop", "web", nil)})
	var got []string
	for _, r := range v.Results {
		for _, o := range r.Occurrences {
			got = append(got, r.Policy.Spec.ID+" "+o.Path+" "+o.Message)
		}
	}
	want := []string{"a metadata.name always", "b  plain", "b spec.a a", "b spec.a z", "b spec.b a"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, want := v.Results[1].Message, "Policy b in pod web (4 occurrences)"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
}

func TestComplianceIsReturnedWhenAskedFor(t *testing.T) {
	never := "package never\nviolation contains \"x\" if false"
	s := mustCompile(t, engine.Sources{Policies: []*v2.Policy{newPolicy("a", never)}}, engine.Options{Compliance: true})
	if v := s.Judge(context.Background(), &policy.Request{Object: named(t, "Pod", "shop", "web", nil)}); len(v.Results) != 1 || v.Results[0].Status != policy.Compliance {
		t.Errorf("verdict %+v", v)
	}
}

func TestAChangedPolicyIsCompiledAloneAndItsMetadataIsNew(t *testing.T) {
	a, b := newPolicy("a", always), newPolicy("b", always)
	first := mustCompile(t, engine.Sources{Policies: []*v2.Policy{a, b}}, engine.Options{})
	renamed := newPolicy("a", always, func(p *v2.Policy) { p.Spec.Name = "Renamed" })
	changed := newPolicy("b", strings.ReplaceAll(always, `"msg": "always"`, `"msg": "changed"`))
	second := mustCompile(t, engine.Sources{Policies: []*v2.Policy{renamed, changed}}, engine.Options{Previous: first})
	v := second.Judge(context.Background(), &policy.Request{Object: named(t, "Pod", "shop", "web", nil)})
	if v.Results[0].Policy != renamed || v.Results[1].Occurrences[0].Message != "changed" {
		t.Errorf("verdict %+v", v)
	}
}

func TestBothFluxOwnersMakeTheReleaseTheApp(t *testing.T) {
	o := named(t, "Pod", "shop", "web", map[string]string{
		"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
		"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "shop",
	})
	for range 50 {
		if app, _ := o.App(); app != (policy.App{Kind: "HelmRelease", Name: "web", Namespace: "shop"}) {
			t.Fatalf("app %+v", app)
		}
	}
}

func TestRegoSeesWhatAdmissionKnows(t *testing.T) {
	code := `package p
violation contains sprintf("%v %v %v %v %v", [r.operation, r.userInfo.username, r.oldObject.spec.x, r.namespaceObject.metadata.labels["toolkit.fluxcd.io/tenant"], r.object.metadata]) if r := input.review`
	o := named(t, "Pod", "shop", "web", nil)
	o.Content["metadata"].(map[string]any)["managedFields"] = []any{map[string]any{"manager": "x"}}
	s := mustCompile(t, engine.Sources{Policies: []*v2.Policy{newPolicy("p", code)}}, engine.Options{})
	v := s.Judge(context.Background(), &policy.Request{
		Object: o, Operation: policy.Update, UserInfo: &policy.UserInfo{Username: "jane", Groups: []string{"dev"}},
		OldObject: map[string]any{"spec": map[string]any{"x": int64(7)}}, Namespace: namespaceOf("red"),
	})
	want := `UPDATE jane 7 red {"name": "web", "namespace": "shop"}`
	if len(v.Results) != 1 || v.Results[0].Occurrences[0].Message != want {
		t.Fatalf("got %+v, want %s", v.Results, want)
	}
}

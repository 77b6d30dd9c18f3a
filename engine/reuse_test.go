package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"weak"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

func limiting(id, code string) *v2.Policy {
	p := &v2.Policy{}
	p.Name, p.Spec.ID, p.Spec.Code = id, id, code
	p.Spec.Parameters = []v2.PolicyParameter{{Name: "limit", Type: "integer", Value: &apiextensionsv1.JSON{Raw: []byte("1")}}}
	return p
}

const limited = "package p\nviolation contains input.parameters.limit"

// What is compiled outlives the lists that its policies came in: each list that stayed would be all policies once more.
func TestWhatIsNotCompiledAgainKeepsNoListOfBefore(t *testing.T) {
	inCEL := limiting("cel", "")
	inCEL.Spec.CEL = &v2.CELRule{Validations: []v2.CELValidation{{Expression: "params.limit > 1", Message: "low"}}}
	selecting := limiting("selecting", limited)
	selecting.Spec.Targets.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "shop"}}
	all := []*v2.Policy{limiting("plain", limited), limiting("broken", "package p\nviolation contains x"), inCEL, selecting}
	var snapshot *Snapshot
	var lists []weak.Pointer[[4]v2.Policy]
	for range 3 {
		list := new([4]v2.Policy)
		var sources Sources
		for i, p := range all {
			list[i] = *p.DeepCopy()
			sources.Policies = append(sources.Policies, &list[i])
		}
		var err error
		if snapshot, _, err = Compile(context.Background(), sources, Options{Previous: snapshot}); err != nil {
			t.Fatal(err)
		}
		lists = append(lists, weak.Make(list))
	}
	runtime.GC()
	for i, list := range lists[:2] {
		if list.Value() != nil {
			t.Errorf("list %d is still in memory", i)
		}
	}
	if lists[2].Value() == nil || len(snapshot.Policies()) != 3 {
		t.Errorf("%d policies are judged by", len(snapshot.Policies()))
	}
	runtime.KeepAlive(snapshot)
}

func TestNothingIsCompiledAgainForOtherSources(t *testing.T) {
	sources := Sources{Policies: []*v2.Policy{limiting("a", limited), limiting("b", limited), limiting("broken", "package p\nviolation contains x")}}
	first, problems, err := Compile(context.Background(), sources, Options{})
	if err != nil || len(problems) != 1 {
		t.Fatal(problems, err)
	}
	set, config, exception := &v2.PolicySet{}, &v2.PolicyConfig{}, &v2.PolicyException{}
	set.Spec.Mode, set.Spec.Filters.IDs = v2.ModeAudit, []string{"a"}
	config.Spec.Match.Namespaces = []string{"shop"}
	exception.Spec.Policies, exception.Spec.Match.Namespaces = []string{"a"}, []string{"shop"}
	changed := Sources{Sets: []*v2.PolicySet{set}, Configs: []*v2.PolicyConfig{config}, Exceptions: []*v2.PolicyException{exception}}
	for _, p := range sources.Policies {
		p = p.DeepCopy()
		p.Spec.Description, p.Labels = "changed", map[string]string{"changed": "too"}
		changed.Policies = append(changed.Policies, p)
	}
	second, problems, err := Compile(context.Background(), changed, Options{Previous: first})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range second.policies {
		if c.own != first.policies[i].own {
			t.Errorf("%s was compiled again", c.policy.Spec.ID)
		}
		if c.policy.Spec.Description != "changed" {
			t.Errorf("results of %s would show the policy as it was", c.policy.Spec.ID)
		}
	}
	if _, known := second.outcome(changed.Policies[2]); !known {
		t.Error("a broken policy is compiled again and again")
	}
	if len(problems) != 1 || problems[0].Source != changed.Policies[2] || problems[0].Line != 2 {
		t.Errorf("problems: %+v", problems)
	}
	// The one that is mended is compiled, and what was wrong with it forgotten.
	mended := changed
	mended.Policies = append(changed.Policies[:2:2], limiting("broken", limited))
	third, problems, err := Compile(context.Background(), mended, Options{Previous: second})
	if err != nil || len(problems) != 0 || len(third.policies) != 3 || len(third.broken) != 0 {
		t.Errorf("mended: %v %v, %d policies", problems, err, len(third.policies))
	}
	// A policy that goes by another id is another policy.
	renamed := Sources{Policies: []*v2.Policy{limiting("c", limited)}}
	fourth, problems, err := Compile(context.Background(), renamed, Options{Previous: third})
	if err != nil || len(problems) != 0 || len(fourth.policies) != 1 || fourth.policies[0].policy.Spec.ID != "c" {
		t.Errorf("renamed: %v %v %v", problems, err, fourth.Policies())
	}
}

// TestCombinationsOfConfigsAreForgotten judges in more namespaces than can be remembered, each with parameters of its own.
func TestCombinationsOfConfigsAreForgotten(t *testing.T) {
	const namespaces = 3 * generationSize / bindingSize
	sources := Sources{Policies: []*v2.Policy{limiting("a", limited)}}
	for i := range namespaces {
		c := &v2.PolicyConfig{}
		c.Name = fmt.Sprintf("config-%d", i)
		c.Spec.Match.Namespaces = []string{fmt.Sprintf("n%d", i)}
		value, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		c.Spec.Config = map[string]v2.PolicyConfigConfig{"a": {Parameters: map[string]apiextensionsv1.JSON{"limit": {Raw: value}}}}
		sources.Configs = append(sources.Configs, c)
	}
	s, problems, err := Compile(context.Background(), sources, Options{})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	for range 2 {
		for i := range namespaces {
			o := &policy.Object{Content: map[string]any{"kind": "Pod", "metadata": map[string]any{"name": "x", "namespace": fmt.Sprintf("n%d", i)}}}
			results := s.Judge(context.Background(), &policy.Request{Object: o}).Results
			if len(results) != 1 || results[0].Parameters[0].Value != int64(i) || results[0].Parameters[0].ConfigRef != fmt.Sprintf("config-%d", i) {
				t.Fatalf("n%d: %+v", i, results)
			}
		}
	}
	remembered := 0
	for _, generation := range []func(func(any, any) bool){s.resolved.young.Load().Range, s.resolved.old.Load().Range} {
		generation(func(any, any) bool {
			remembered++
			return true
		})
	}
	if remembered < generationSize/bindingSize/2 || remembered > 2*generationSize/bindingSize+2 {
		t.Errorf("%d of %d combinations are remembered", remembered, namespaces)
	}
}

func TestWhatIsAskedForAgainIsRemembered(t *testing.T) {
	r := newResolutions()
	made := 0
	find := func(key string) {
		r.find(key, func() resolution {
			made++
			return resolution{}
		})
	}
	find("often")
	for i := range 10 * generationSize / bindingSize {
		r.keep(bindingSize)
		find("often")
		find(fmt.Sprint(i))
	}
	if want := 1 + 10*generationSize/bindingSize; made != want {
		t.Errorf("%d were made, want %d", made, want)
	}
}

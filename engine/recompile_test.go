package engine_test

import (
	"fmt"
	"testing"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
)

// madePolicies are so many in the style that people have.
func madePolicies(n int) []*v2.Policy {
	all := make([]*v2.Policy, 0, n)
	for i := range n {
		all = append(all, newPolicy(fmt.Sprintf("made-%04d", i), fmt.Sprintf(madeCode, i), func(p *v2.Policy) {
			p.Spec.Targets.Kinds = []string{"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"}
			p.Spec.Parameters = []v2.PolicyParameter{
				parameter("exclude_namespaces", "array", []string{"kube-system"}), parameter("exclude_label_key", "string", nil),
				parameter("exclude_label_value", "string", nil),
			}
		}))
	}
	return all
}

// copied are the policies as an informer hands them out: the same, in other memory.
func copied(policies []*v2.Policy) []*v2.Policy {
	all := make([]*v2.Policy, 0, len(policies))
	for _, p := range policies {
		all = append(all, p.DeepCopy())
	}
	return all
}

// BenchmarkRecompileOne is what a change costs when there are many policies.
func BenchmarkRecompileOne(b *testing.B) {
	policies := madePolicies(1000)
	s := mustCompile(b, engine.Sources{Policies: policies}, engine.Options{})
	code := policies[500].Spec.Code
	for name, change := range map[string]func(n int) engine.Sources{
		"policy": func(n int) engine.Sources {
			all := copied(policies)
			all[500].Spec.Code = fmt.Sprintf("# change %d\n%s", n, code)
			return engine.Sources{Policies: all}
		},
		"config": func(n int) engine.Sources {
			c := &v2.PolicyConfig{}
			c.Name = fmt.Sprintf("change-%d", n)
			c.Spec.Match.Namespaces = []string{"shop"}
			return engine.Sources{Policies: copied(policies), Configs: []*v2.PolicyConfig{c}}
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				b.StopTimer()
				sources := change(n)
				b.StartTimer()
				s = mustCompile(b, sources, engine.Options{Previous: s})
			}
		})
	}
}

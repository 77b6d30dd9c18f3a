package engine_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/realdata"
	"github.com/assay-gitops/assay/policy"
)

// sizes are how many policies the benchmarks take.
var sizes = []int{1, 10, 50, 143}

// benchDeployment is what admission sees most.
const benchDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {app: web, app.kubernetes.io/name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.example.com/shop/web:1.2.3
        ports: [{containerPort: 8080}]
        env: [{name: LOG_LEVEL, value: info}]
        securityContext: {privileged: false, allowPrivilegeEscalation: false, readOnlyRootFilesystem: false}
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: 500m, memory: 256Mi}}
        livenessProbe: {httpGet: {path: /healthz, port: 8080}}
      - name: proxy
        image: registry.example.com/proxy:2.0.0
`

// benchPolicies are the old library's where it is at hand, else as many made in its style.
func benchPolicies(b *testing.B, n int) []*v2.Policy {
	b.Helper()
	var all []*v2.Policy
	if realdata.Dir() != "" {
		all = realdata.Policies(b)
		// Only what judges a Deployment counts for the small sizes.
		if n < len(all) {
			var some []*v2.Policy
			for _, p := range all {
				if len(some) < n && slices.Contains(p.Spec.Targets.Kinds, "Deployment") {
					some = append(some, p)
				}
			}
			return some
		}
		return all
	}
	for i := range n {
		all = append(all, newPolicy(fmt.Sprintf("weave.policies.made-%03d", i), fmt.Sprintf(madeCode, i), func(p *v2.Policy) {
			p.Spec.Targets.Kinds = []string{"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"}
			p.Spec.Parameters = []v2.PolicyParameter{
				parameter("exclude_namespaces", "array", nil), parameter("exclude_label_key", "string", nil), parameter("exclude_label_value", "string", nil),
			}
		}))
	}
	return all
}

// madeCode is Rego in the style that people have: v0, helper rules in every policy, exclusions by parameters.
const madeCode = `
package made.p%03d

import future.keywords.in

exclude_namespaces := input.parameters.exclude_namespaces
exclude_label_key := input.parameters.exclude_label_key
exclude_label_value := input.parameters.exclude_label_value

violation[result] {
  isExcludedNamespace == false
  not exclude_label_value == controller_input.metadata.labels[exclude_label_key]
  some i
  container := controller_spec.containers[i]
  not container.securityContext.readOnlyRootFilesystem
  result = {
    "msg": sprintf("container %%v should have a read-only root file system", [container.name]),
    "violating_key": sprintf("spec.template.spec.containers[%%v].securityContext.readOnlyRootFilesystem", [i]),
    "recommended_value": true
  }
}

controller_input = input.review.object

controller_spec = controller_input.spec.template.spec {
  contains_kind(controller_input.kind, {"StatefulSet", "DaemonSet", "Deployment", "Job"})
} else = controller_input.spec.jobTemplate.spec.template.spec {
  controller_input.kind == "CronJob"
}

contains_kind(kind, kinds) {
  kinds[_] = kind
}

isExcludedNamespace = true {
  controller_input.metadata.namespace in exclude_namespaces
} else = false
`

func BenchmarkCompile(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("policies=%d", n), func(b *testing.B) {
			policies := benchPolicies(b, n)
			b.ReportAllocs()
			for b.Loop() {
				mustCompile(b, engine.Sources{Policies: policies}, engine.Options{})
			}
		})
	}
}

// BenchmarkCompiledMemory reports what a snapshot keeps.
func BenchmarkCompiledMemory(b *testing.B) {
	policies := benchPolicies(b, sizes[len(sizes)-1])
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := heap()
		s := mustCompile(b, engine.Sources{Policies: policies}, engine.Options{})
		b.ReportMetric(float64(heap()-before)/1e6, "MB-kept")
		runtime.KeepAlive(s)
	}
}

func BenchmarkJudge(b *testing.B) {
	deployment := object(b, benchDeployment)
	for _, n := range sizes {
		b.Run(fmt.Sprintf("policies=%d", n), func(b *testing.B) {
			s := mustCompile(b, engine.Sources{Policies: benchPolicies(b, n)}, engine.Options{})
			pairs := 0
			var before, after runtime.MemStats
			b.ReportAllocs()
			runtime.ReadMemStats(&before)
			for b.Loop() {
				pairs += s.Judge(context.Background(), &policy.Request{Object: deployment}).Evaluated
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(pairs), "ns/pair")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(pairs), "B/pair")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(pairs), "allocs/pair")
			b.ReportMetric(float64(pairs)/float64(b.N), "pairs/object")
		})
	}
}

// BenchmarkJudgeParallel shows how judging scales with cores.
func BenchmarkJudgeParallel(b *testing.B) {
	deployment := object(b, benchDeployment)
	s := mustCompile(b, engine.Sources{Policies: benchPolicies(b, 143)}, engine.Options{})
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.Judge(context.Background(), &policy.Request{Object: deployment})
		}
	})
}

// BenchmarkCorpus judges real manifests where they are at hand, else made ones.
func BenchmarkCorpus(b *testing.B) {
	s := mustCompile(b, engine.Sources{Policies: benchPolicies(b, 143)}, engine.Options{})
	objects := corpus(b)
	judged := 0
	for b.Loop() {
		for _, o := range objects {
			s.Judge(context.Background(), &policy.Request{Object: o})
			judged++
		}
	}
	b.ReportMetric(float64(judged)/b.Elapsed().Seconds(), "objects/s")
}

func corpus(tb testing.TB) []*policy.Object {
	tb.Helper()
	if realdata.Dir() != "" {
		return realdata.Objects(tb)
	}
	var all []*policy.Object
	for i, kind := range []string{"Deployment", "Service", "ConfigMap", "StatefulSet", "Role", "DaemonSet"} {
		for j := range 50 {
			o := object(tb, benchDeployment)
			o.Content["kind"] = kind
			o.Content["metadata"].(map[string]any)["name"] = fmt.Sprintf("made-%d-%d", i, j)
			all = append(all, o)
		}
	}
	return all
}

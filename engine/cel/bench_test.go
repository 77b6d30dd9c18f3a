package cel

import (
	"context"
	"fmt"
	"testing"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// realistic policies, of the kinds that libraries are made of.
var realistic = []struct{ name, rule string }{
	{"replicas", `
validations:
- expression: object.spec.?replicas.orValue(1) >= params.replicas
  messageExpression: '"at least " + string(params.replicas) + " replicas are needed"'
  path: spec.replicas
  recommendedValueExpression: params.replicas
`},
	{"privileged", privileged},
	{"image-tag", `
validations:
- occurrences: |
    workload.containers.filter(c, !c.spec.image.matches('^[^@]+(:[^:/@]+|@sha256:[a-f0-9]{64})$') || c.spec.image.endsWith(':latest'))
      .map(c, {"message": "container " + c.name + " uses " + c.spec.image, "path": c.path + ".image"})
`},
	{"resources", `
variables:
- name: incomplete
  expression: |
    workload.containers.filter(c, !has(c.spec.resources) || !has(c.spec.resources.requests) || !has(c.spec.resources.requests.memory))
validations:
- occurrences: |
    variables.incomplete.map(c, {"message": "container " + c.name + " requests no memory", "path": c.path + ".resources.requests.memory"})
- expression: variables.incomplete.size() == 0
`},
	{"memory-limit", `
validations:
- occurrences: |
    workload.containers.filter(c, isQuantity(c.spec.?resources.?limits.?memory.orValue("")) &&
        quantity(c.spec.resources.limits.memory).isGreaterThan(quantity("4Gi")))
      .map(c, {"message": "container " + c.name + " may use more than 4Gi", "path": c.path + ".resources.limits.memory", "recommendedValue": "4Gi"})
`},
	{"labels", `
matchConditions:
- name: not-system
  expression: request.namespace != "kube-system"
validations:
- occurrences: |
    ["team", "app.kubernetes.io/name"].filter(l, !(l in object.metadata.?labels.orValue({})))
      .map(l, {"message": "the label " + l + " is missing", "path": pathKey("metadata.labels", l)})
`},
	{"non-root", `
validations:
- expression: |
    workload.spec.?securityContext.?runAsNonRoot.orValue(false) == true ||
    workload.containers.all(c, c.spec.?securityContext.?runAsNonRoot.orValue(false) == true)
  message: containers may run as root
  pathExpression: workload.path + ".securityContext.runAsNonRoot"
  recommendedValueExpression: "true"
`},
	{"host", `
validations:
- expression: workload.spec.?hostNetwork.orValue(false) == false
- expression: workload.spec.?hostPID.orValue(false) == false
- expression: workload.spec.?hostIPC.orValue(false) == false
`},
}

func realisticPolicy(tb testing.TB, i int) *v2.Policy {
	return withParameters(rule(tb, realistic[i].rule), "replicas")
}

func BenchmarkNewCompiler(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newCompiler(b)
	}
}

// BenchmarkCompile40 compiles as many policies as a library has.
func BenchmarkCompile40(b *testing.B) {
	compiler := newCompiler(b)
	var policies []*v2.Policy
	for i := range 40 {
		policies = append(policies, realisticPolicy(b, i%len(realistic)))
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range policies {
			compile(b, compiler, p)
		}
	}
}

// BenchmarkEvaluate judges a Deployment; the time and the allocations are those of one policy and object.
func BenchmarkEvaluate(b *testing.B) {
	compiler := newCompiler(b)
	r := request(fixture(b, "deployment.yaml"))
	params := map[string]any{"replicas": int64(2)}
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	var programs []*Program
	for i := range realistic {
		programs = append(programs, compile(b, compiler, realisticPolicy(b, i)))
	}
	judge := func(b *testing.B, in *Input, program *Program) {
		applies, occurrences, err := program.Evaluate(ctx, in, params)
		if !applies || len(occurrences) > 0 || err != nil {
			b.Fatal(applies, occurrences, err)
		}
	}
	for i, program := range programs {
		b.Run(realistic[i].name, func(b *testing.B) {
			in := compiler.NewInput(r)
			b.ReportAllocs()
			for b.Loop() {
				judge(b, in, program)
			}
		})
	}
	b.Run(fmt.Sprintf("all-%d-with-a-new-input", len(programs)), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			in := compiler.NewInput(r)
			for _, program := range programs {
				judge(b, in, program)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(programs)), "ns/policy")
	})
}

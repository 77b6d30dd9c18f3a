package policytest

import (
	"context"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/cover"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/policy"
)

// Coverage tells what the tests of a policy reach.
type Coverage struct {
	// Covered and Total count what can be reached: for Rego the lines that can be evaluated, for CEL twice the number of
	// validations, as each must be seen to find something and to find nothing.
	Covered, Total int
	// Missing says what was not reached, such as "spec.code:12-14" or "spec.cel.validations[0] never finds a violation".
	Missing []string
	// UntestedKinds are targeted but no case has an object of that kind which violates, and one which does not.
	UntestedKinds []string
}

// Percent of what can be reached that was.
func (c *Coverage) Percent() float64 {
	if c.Total == 0 {
		return 100
	}
	return 100 * float64(c.Covered) / float64(c.Total)
}

// coverage gathers what the tests of one policy reach.
type coverage struct {
	trial *trial
	kinds map[string]seen
	// validations of a CEL policy, each compiled as a policy of its own.
	validations []seen
	// rego of a policy in Rego; nil for others.
	rego   *module
	tracer *cover.Cover
}

// seen says which verdicts occurred.
type seen struct{ violation, compliance bool }

func (s *seen) add(found bool) {
	s.violation = s.violation || found
	s.compliance = s.compliance || !found
}

func newCoverage(ctx context.Context, t *trial) (*coverage, error) {
	c := &coverage{trial: t, kinds: map[string]seen{}}
	if cel := t.policy.Spec.CEL; cel != nil {
		c.validations = make([]seen, len(cel.Validations))
		return c, nil
	}
	var err error
	c.tracer = cover.New()
	c.rego, err = newModule(ctx, t.policy.Spec.Code)
	return c, err
}

// observe records what a case reached.
func (c *coverage) observe(ctx context.Context, tested *v2.Policy, request *policy.Request, got verdict) error {
	if !got.applies || got.err != nil {
		return nil
	}
	kind := c.kinds[request.Object.Kind()]
	kind.add(len(got.occurrences) > 0)
	c.kinds[request.Object.Kind()] = kind
	if c.rego != nil {
		return c.rego.trace(ctx, request, effective(tested), c.tracer)
	}
	for i := range c.validations {
		if err := c.observeValidation(ctx, i, tested, request); err != nil {
			return err
		}
	}
	return nil
}

// observeValidation asks one validation alone: a verdict does not tell which of them found what.
func (c *coverage) observeValidation(ctx context.Context, i int, tested *v2.Policy, request *policy.Request) error {
	alone := *tested
	rule := *tested.Spec.CEL
	rule.Validations = rule.Validations[i : i+1 : i+1]
	alone.Spec.CEL = &rule
	snapshot, err := c.trial.runner.judges.compile(ctx, &alone)
	if err != nil {
		return err
	}
	if got := judge(ctx, snapshot, request); got.applies && got.err == nil {
		c.validations[i].add(len(got.occurrences) > 0)
	}
	return nil
}

// effective are the values of a policy's parameters.
func effective(p *v2.Policy) map[string]any {
	values := make(map[string]any, len(p.Spec.Parameters))
	for _, parameter := range p.Spec.Parameters {
		values[parameter.Name] = nil
		if parameter.Value != nil {
			// What does not parse was refused when the policy was compiled.
			values[parameter.Name], _ = decodeJSON(parameter.Value.Raw)
		}
	}
	return values
}

func (c *coverage) report() *Coverage {
	report := &Coverage{}
	for i, s := range c.validations {
		report.add(s.violation, fmt.Sprintf("spec.cel.validations[%d] never finds a violation", i))
		report.add(s.compliance, fmt.Sprintf("spec.cel.validations[%d] is never satisfied", i))
	}
	if c.rego != nil {
		c.rego.report(c.tracer, report)
	}
	for _, kind := range c.trial.policy.Spec.Targets.Kinds {
		if s := c.kinds[kind]; !s.violation || !s.compliance {
			report.UntestedKinds = append(report.UntestedKinds, kind)
		}
	}
	slices.Sort(report.UntestedKinds)
	return report
}

func (c *Coverage) add(covered bool, missing string) {
	c.Total++
	if covered {
		c.Covered++
	} else {
		c.Missing = append(c.Missing, missing)
	}
}

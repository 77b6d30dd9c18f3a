package policytest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/policy"
)

// judges compiles policies one at a time and remembers what it compiled last, so that what all snapshots share is made
// once.
type judges struct {
	options  engine.Options
	previous *engine.Snapshot
}

// compile makes a snapshot of one policy alone.
func (j *judges) compile(ctx context.Context, p *v2.Policy) (*engine.Snapshot, error) {
	options := j.options
	options.Compliance = true
	options.Previous = j.previous
	snapshot, problems, err := engine.Compile(ctx, engine.Sources{Policies: []*v2.Policy{p}}, options)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, problem := range problems {
		errs = append(errs, errors.New(problemText(&problem)))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	j.previous = snapshot
	return snapshot, nil
}

func problemText(p *engine.Problem) string {
	var b strings.Builder
	b.WriteString(p.Field)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	if p.Excerpt != "" {
		b.WriteString("\n" + p.Excerpt)
	}
	return b.String()
}

// judge asks a snapshot of one policy.
func judge(ctx context.Context, snapshot *engine.Snapshot, request *policy.Request) verdict {
	answer := snapshot.Judge(ctx, request)
	if answer.Err != nil {
		return verdict{err: answer.Err}
	}
	if len(answer.Results) == 0 {
		return verdict{}
	}
	result := answer.Results[0]
	return verdict{applies: true, occurrences: result.Occurrences, err: result.Err}
}

// request is what a case asks about an object.
func (c *testCase) request(p *v2.Policy, content map[string]any) *policy.Request {
	r := &policy.Request{
		Object:    &policy.Object{Content: content},
		Mode:      v2.ModeAdmission,
		Operation: policy.Operation(c.Operation),
		OldObject: c.OldObject,
		Namespace: c.Namespace,
	}
	if p.Spec.ProviderOrDefault() == v2.ProviderTerraform {
		r.Mode = v2.ModeTFAdmission
	}
	if c.User != nil {
		r.UserInfo = &policy.UserInfo{Username: c.User.Username, Groups: c.User.Groups}
	}
	return r
}

// withParameters is the policy with other values of some of its parameters.
func withParameters(p *v2.Policy, overrides map[string]any) (*v2.Policy, error) {
	if len(overrides) == 0 {
		return p, nil
	}
	changed := *p
	changed.Spec.Parameters = slices.Clone(p.Spec.Parameters)
	for name, value := range overrides {
		i := slices.IndexFunc(changed.Spec.Parameters, func(parameter v2.PolicyParameter) bool { return parameter.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("the policy declares no parameter %q", name)
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
		changed.Spec.Parameters[i].Value = &apiextensionsv1.JSON{Raw: raw}
	}
	return &changed, nil
}

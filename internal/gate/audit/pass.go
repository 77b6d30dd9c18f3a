package audit

import (
	"maps"
	"time"
)

// Pass is a full audit: every object of every kind that a policy targets was looked at. What was judged before, and has not
// changed since, is not judged again but counted.
type Pass struct {
	ID string `json:"id"`
	// Trigger is initial-audit, periodic-audit or requested-audit.
	Trigger string `json:"trigger"`
	// Request is the value of the annotation that was answered.
	Request string    `json:"request,omitempty"`
	Start   time.Time `json:"start"`
	// End is zero while it goes on.
	End time.Time `json:"end,omitzero"`
	// Kinds are those that are done, by resource such as deployments.apps.
	Kinds map[string]KindCount `json:"kinds"`
	// Policies have those with violations or errors.
	Policies map[string]PolicyCount `json:"policies"`
	// Errors say why a kind was not looked at completely.
	Errors []string `json:"errors,omitempty"`
	// MoreErrors is how many did not fit.
	MoreErrors int `json:"moreErrors,omitempty"`
}

// KindCount counts what a pass met in a kind.
type KindCount struct {
	// Objects that are there, Exempt among them.
	Objects int `json:"objects"`
	// Exempt objects are not judged.
	Exempt int `json:"exempt,omitempty"`
	// Judged and Known are pairs of an object and a policy: judged now, and judged before with nothing changed since. What a policy
	// itself does not apply to is among Known.
	Judged int `json:"judged"`
	Known  int `json:"known"`
	// Open findings.
	Open int `json:"open"`
	// Failed are pairs that could not be judged.
	Failed int `json:"failed,omitempty"`
}

// PolicyCount counts what a pass found of a policy.
type PolicyCount struct {
	Open   int `json:"open"`
	Failed int `json:"failed,omitempty"`
}

const (
	// maxErrors of a pass that are kept, maxError the bytes of each: a pass is kept in a ConfigMap.
	maxErrors = 50
	maxError  = 300
	// maxCounted policies and kinds.
	maxCounted = 2000
)

func (p *Pass) fail(text string) {
	if len(p.Errors) >= maxErrors {
		p.MoreErrors++
		return
	}
	p.Errors = append(p.Errors, text)
}

// done notes that a kind was looked at.
func (p *Pass) done(resource string, count KindCount, policies map[string]PolicyCount) {
	if len(p.Kinds) < maxCounted {
		p.Kinds[resource] = count
	}
	for id, c := range policies {
		sum, ok := p.Policies[id]
		if !ok && len(p.Policies) >= maxCounted {
			continue
		}
		p.Policies[id] = PolicyCount{sum.Open + c.Open, sum.Failed + c.Failed}
	}
}

func (p *Pass) clone() *Pass {
	if p == nil {
		return nil
	}
	c := *p
	c.Kinds, c.Policies = maps.Clone(p.Kinds), maps.Clone(p.Policies)
	c.Errors = append([]string(nil), p.Errors...)
	return &c
}

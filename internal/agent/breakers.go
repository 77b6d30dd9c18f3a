package agent

import (
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/agent/breaker"
)

// breakers suspend policies, at admission and in audit apart: audit judges on a machine that it keeps busy itself, and what is slow
// there must not let requests pass. They are an engine.Observer.
type breakers struct{ admission, audit *breaker.Breaker }

var _ engine.Observer = (*breakers)(nil)

func newBreakers(options func(gate string) breaker.Options) *breakers {
	return &breakers{breaker.New(options(gateAdmission)), breaker.New(options(gateAudit))}
}

// The names of the gates in metrics and events; that of admission stands for Terraform's plans too.
const gateAdmission, gateAudit = "admission", "audit"

func (b *breakers) of(mode v2.Mode) *breaker.Breaker {
	if mode == v2.ModeAudit {
		return b.audit
	}
	return b.admission
}

// Admit refuses evaluations of a policy that is suspended at the gate.
func (b *breakers) Admit(mode v2.Mode, p *v2.Policy) error { return b.of(mode).Admit(p) } //nolint:wrapcheck // its own words

// Evaluated counts the failures of a policy at the gate.
func (b *breakers) Evaluated(mode v2.Mode, p *v2.Policy, took time.Duration, err error) {
	b.of(mode).Evaluated(p, took, err)
}

func (b *breakers) setOptions(options func(gate string) breaker.Options) {
	b.admission.SetOptions(options(gateAdmission))
	b.audit.SetOptions(options(gateAudit))
}

func (b *breakers) forget(keep func(policyID string) bool) {
	b.admission.Forget(keep)
	b.audit.Forget(keep)
}

package engine

import (
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// Observer sees every evaluation of a policy. Implementations are quick and safe for concurrent use.
type Observer interface {
	// Admit is asked, with the mode of the request, before an evaluation. An error keeps the policy from being evaluated: the result then has status
	// error with this error, and is not enforced.
	Admit(mode v2.Mode, p *v2.Policy) error
	// Evaluated tells how long an evaluation took, and how it failed if it did (see ErrTimeout and ErrMemory).
	Evaluated(mode v2.Mode, p *v2.Policy, took time.Duration, err error)
}

package auth

import (
	"fmt"
	"time"
)

// Reason is why somebody is refused.
type Reason int

// The reasons.
const (
	// Unauthenticated: nobody knows who it is.
	Unauthenticated Reason = iota + 1
	// Forbidden: it is known who it is, and they may not.
	Forbidden
	// Unavailable: who decides could not be asked.
	Unavailable
	// Throttled: it was tried too often.
	Throttled
)

// Refusal is the error when somebody is not let in.
type Refusal struct {
	Reason Reason
	// Detail is for the one who is refused: what is missing and what to do. It has no secret in it.
	Detail string
	// Cause is for the hub's log; may be nil.
	Cause error
	// Wait is how long, of one that is Throttled.
	Wait time.Duration
}

// Error has the cause in it: it is for the log.
func (r *Refusal) Error() string {
	if r.Cause == nil {
		return r.Detail
	}
	return fmt.Sprintf("%s: %v", r.Detail, r.Cause)
}

// Unwrap is the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

func unauthenticated(detail string) error {
	return &Refusal{Reason: Unauthenticated, Detail: detail}
}

func unavailable(doing string, cause error) error {
	return &Refusal{Reason: Unavailable, Detail: "the hub's API server could not be asked for " + doing + "; try again in a moment", Cause: cause}
}

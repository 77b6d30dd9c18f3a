package store

import (
	"crypto/sha256"
	"strconv"
	"strings"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
)

// Denied is the resolution of what a gate refused: it never came to be.
const Denied = "denied"

// ID of the violation that a result of a cluster is about: 32 hexadecimal digits. The version of the object's API is not part of it,
// as one object is served under several, nor is its UID: an object that is made anew under its name violates again.
func ID(cluster string, gate sink.Gate, policy string, object *weave.Entity) string {
	return KeyOf(cluster, gate, policy, object).String()
}

// KeyOf is what ID writes.
func KeyOf(cluster string, gate sink.Gate, policy string, object *weave.Entity) Key {
	group, _, found := strings.Cut(object.APIVersion, "/")
	if !found {
		group = ""
	}
	h := sha256.New()
	for _, part := range []string{cluster, string(gate), policy, group, object.Kind, object.Namespace, object.Name} {
		// With its length, so that no two lists of parts are written the same. A hash takes everything.
		_, _ = h.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return Key(h.Sum(nil)[:16])
}

// Reading is what one result says of its violation.
type Reading struct {
	Status     Status
	Resolution string
	// Violates is false of a result that says that the object complies and not that a finding is resolved by that.
	Violates bool
	// Enforced is whether the violation is refused; a result that says that nothing is wrong does not tell (Wrong).
	Wrong, Enforced bool
	// Day is what the result counts as in a timeline.
	Day Tick
}

// Tick is what a result counts as in a timeline.
type Tick uint8

// What results count as.
const (
	NoTick Tick = iota
	TickOpened
	TickResolved
	TickDenied
	TickWarned
)

// Read says what a result means.
func Read(r *sink.Result) Reading {
	v := &r.Validation
	wrong := v.Status == weave.StatusViolation || v.Status == weave.StatusError
	reading := Reading{Wrong: wrong, Enforced: v.Enforced, Violates: wrong || r.Life != "" || v.Status == weave.StatusExcepted}
	switch {
	case v.Status == weave.StatusExcepted:
		reading.Status = Excepted
		if r.Exception != nil {
			reading.Resolution = r.Exception.Name
		}
	case r.Life == sink.Resolved || !wrong:
		reading.Status, reading.Resolution = Resolved, r.Resolution
	case r.Gate != sink.Audit && v.Enforced:
		reading.Status, reading.Resolution = Resolved, Denied
	default:
		reading.Status = Open
	}
	switch {
	case r.Life == sink.Opened:
		reading.Day = TickOpened
	case r.Life == sink.Resolved:
		reading.Day = TickResolved
	case r.Gate == sink.Audit || !wrong:
	case v.Enforced:
		reading.Day = TickDenied
	default:
		reading.Day = TickWarned
	}
	return reading
}

package agent

import (
	"slices"
	"testing"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/agent/breaker"
)

func TestWhatIsSlowInAuditIsNotSuspendedAtAdmission(t *testing.T) {
	var told []string
	b := newBreakers(func(gate string) breaker.Options {
		return breaker.Options{Budget: time.Millisecond, Failures: 2, Window: time.Minute, Pause: time.Minute, OnChange: func(id string, open bool, _ string) {
			if open {
				told = append(told, gate+" "+id)
			}
		}}
	})
	p := policyNamed("slow", goodCode)
	for range 3 {
		b.Evaluated(v2.ModeAudit, p, time.Second, nil)
	}
	if b.Admit(v2.ModeAudit, p) == nil {
		t.Error("audit evaluates a policy that is slow again and again")
	}
	for _, mode := range []v2.Mode{v2.ModeAdmission, v2.ModeTFAdmission} {
		if err := b.Admit(mode, p); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
	for range 3 {
		b.Evaluated(v2.ModeAdmission, p, time.Second, nil)
	}
	if b.Admit(v2.ModeAdmission, p) == nil || b.Admit(v2.ModeTFAdmission, p) == nil {
		t.Error("admission evaluates a policy that is slow again and again")
	}
	if want := []string{"audit slow", "admission slow"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	b.forget(func(string) bool { return false })
	if err := b.Admit(v2.ModeAudit, p); err != nil {
		t.Error(err)
	}
}

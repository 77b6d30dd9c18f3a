package agent

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
)

// The conditions that the agent writes. Ready and Stalled follow kstatus
// (https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md), so that Flux knows when a policy is in
// force and gives up on one that never will be.
const (
	conditionReady   = "Ready"
	conditionStalled = "Stalled"
	// conditionEnforcing is true while violations of the policy are refused at admission.
	conditionEnforcing = "Enforcing"
)

var ownConditions = []string{conditionReady, conditionStalled, conditionEnforcing}

// desiredStatuses are the statuses that the objects of an edition should have.
func desiredStatuses(e *edition, found facts) []desiredStatus {
	problems := map[any][]engine.Problem{}
	for _, p := range e.problems {
		problems[p.Source] = append(problems[p.Source], p)
	}
	known := map[string]bool{}
	for _, p := range e.sources.Policies {
		known[p.Spec.ID] = true
	}
	var all []desiredStatus
	for _, p := range e.sources.Policies {
		all = append(all, desiredStatus{p, &v2.Policy{}, "Policy", policyStatus(e.snapshot, p, problems[p], found)})
	}
	for _, s := range e.sources.Sets {
		all = append(all, desiredStatus{s, &v2.PolicySet{}, "PolicySet", setStatus(e.snapshot, s, problems[s], found.now)})
	}
	for _, c := range e.sources.Configs {
		all = append(all, desiredStatus{c, &v2.PolicyConfig{}, "PolicyConfig", configStatus(c, problems[c], known, found.now)})
	}
	for _, x := range e.sources.Exceptions {
		all = append(all, desiredStatus{x, &v2.PolicyException{}, "PolicyException", exceptionStatus(x, problems[x], found.now)})
	}
	return all
}

func policyStatus(snapshot *engine.Snapshot, p *v2.Policy, problems []engine.Problem, found facts) map[string]any {
	for _, problem := range problems {
		if problem.LeftOut {
			return map[string]any{
				"observedGeneration": p.Generation, "modes": []any{}, "modes_str": "",
				"conditions": []any{
					condition(conditionReady, metav1.ConditionFalse, p.Generation, found.now, "NotCompiled", problemText(problems)),
					condition(conditionStalled, metav1.ConditionTrue, p.Generation, found.now, "NotCompiled", "the policy acts nowhere until it is changed"),
				},
			}
		}
	}
	modes := []any{}
	var names []string
	for _, mode := range snapshot.Modes(p.Spec.ID) {
		modes = append(modes, string(mode))
		names = append(names, string(mode))
	}
	message := "acts in " + strings.Join(names, ", ")
	if len(names) == 0 {
		message = "compiled, but acts in no mode: no PolicySet chooses it"
	}
	if len(problems) > 0 {
		message += "; " + problemText(problems)
	}
	enforcing := condition(conditionEnforcing, metav1.ConditionTrue, p.Generation, found.now, "Enforced", "violations are refused at admission")
	switch {
	case !slices.Contains(names, string(v2.ModeAdmission)) && !slices.Contains(names, string(v2.ModeTFAdmission)):
		enforcing = condition(conditionEnforcing, metav1.ConditionFalse, p.Generation, found.now, "NotActing", "the policy does not act at admission")
	case !p.Spec.IsEnforced():
		enforcing = condition(conditionEnforcing, metav1.ConditionFalse, p.Generation, found.now, "WarnOnly", "spec.enforce is false: violations are warned about")
	case found.brake != "":
		enforcing = condition(conditionEnforcing, metav1.ConditionFalse, p.Generation, found.now, "EmergencyBrake", "the emergency brake is on: "+found.brake)
	case found.suspended[p.Spec.ID] != "":
		enforcing = condition(conditionEnforcing, metav1.ConditionFalse, p.Generation, found.now, "CircuitOpen", found.suspended[p.Spec.ID])
	}
	return map[string]any{
		"observedGeneration": p.Generation, "modes": modes, "modes_str": strings.Join(names, "/"),
		"conditions": []any{condition(conditionReady, metav1.ConditionTrue, p.Generation, found.now, "Compiled", message), enforcing},
	}
}

func setStatus(snapshot *engine.Snapshot, s *v2.PolicySet, problems []engine.Problem, now time.Time) map[string]any {
	count := len(snapshot.Chosen(s))
	ready := condition(conditionReady, metav1.ConditionTrue, s.Generation, now, "Chosen", fmt.Sprintf("policies chosen for %s: %d", s.Spec.Mode, count))
	switch {
	case len(problems) > 0:
		ready = condition(conditionReady, metav1.ConditionFalse, s.Generation, now, "NoEffect", problemText(problems))
	case count == 0:
		ready = condition(conditionReady, metav1.ConditionFalse, s.Generation, now, "ChoosesNothing",
			fmt.Sprintf("no policy matches the filters, and so none acts in %s unless another set chooses it", s.Spec.Mode))
	}
	return map[string]any{"observedGeneration": s.Generation, "policies": int64(count), "conditions": []any{ready}}
}

func configStatus(c *v2.PolicyConfig, problems []engine.Problem, known map[string]bool, now time.Time) map[string]any {
	missing := []any{}
	for id := range c.Spec.Config {
		if !known[id] {
			missing = append(missing, id)
		}
	}
	slices.SortFunc(missing, func(a, b any) int { return strings.Compare(a.(string), b.(string)) }) //nolint:errcheck // strings, see above
	// The words of the old agent.
	word, ready := "OK", condition(conditionReady, metav1.ConditionTrue, c.Generation, now, "InForce", "every policy and parameter that the config names exists")
	if len(problems) > 0 {
		word, ready = "Warning", condition(conditionReady, metav1.ConditionFalse, c.Generation, now, "Misconfigured", problemText(problems))
	}
	return map[string]any{"observedGeneration": c.Generation, "status": word, "missingPolicies": missing, "conditions": []any{ready}}
}

func exceptionStatus(x *v2.PolicyException, problems []engine.Problem, now time.Time) map[string]any {
	message := "violations are accepted without end"
	if x.Spec.Expires != nil {
		message = "violations are accepted until " + x.Spec.Expires.UTC().Format(time.RFC3339)
	}
	ready := condition(conditionReady, metav1.ConditionTrue, x.Generation, now, "InForce", message)
	switch {
	case expired(x, now):
		ready = condition(conditionReady, metav1.ConditionFalse, x.Generation, now, "Expired", "the exception ended at "+x.Spec.Expires.UTC().Format(time.RFC3339))
	case len(problems) > 0:
		ready = condition(conditionReady, metav1.ConditionFalse, x.Generation, now, "Misconfigured", problemText(problems))
	}
	return map[string]any{"observedGeneration": x.Generation, "conditions": []any{ready}}
}

func expired(x *v2.PolicyException, now time.Time) bool {
	return x.Spec.Expires != nil && !x.Spec.Expires.After(now)
}

// nextExpiry is how long it is until the next exception ends, at most statusResync.
func nextExpiry(exceptions []*v2.PolicyException, now time.Time) time.Duration {
	next := statusResync
	for _, x := range exceptions {
		if x.Spec.Expires != nil && x.Spec.Expires.After(now) {
			next = min(next, x.Spec.Expires.Sub(now)+time.Second)
		}
	}
	return next
}

// problemText joins problems to a message: the field and the place in it, the reason, the way out.
func problemText(problems []engine.Problem) string {
	var texts []string
	for _, p := range problems {
		text := p.Message
		place := p.Field
		if p.Line > 0 {
			place = fmt.Sprintf("%s:%d:%d", p.Field, p.Line, p.Column)
		}
		if place != "" {
			text = place + ": " + text
		}
		if p.Hint != "" {
			text += " (" + p.Hint + ")"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

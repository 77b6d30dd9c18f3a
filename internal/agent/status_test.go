package agent

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const goodCode = `package p
import rego.v1
violation contains {"msg": "no"} if input.review.object.metadata.labels.bad == input.parameters.value
`

func policyNamed(name, code string, change ...func(*v2.Policy)) *v2.Policy {
	p := &v2.Policy{}
	p.Name, p.Generation, p.UID = name, 3, "u-"+"1"
	p.Spec = v2.PolicySpec{
		Name: "Policy " + name, ID: name, Code: code, Severity: v2.SeverityHigh, Category: "weave.categories.x",
		Parameters: []v2.PolicyParameter{{Name: "value", Type: "string"}},
	}
	for _, c := range change {
		c(p)
	}
	return p
}

func configFor(name, policy, parameter, value string, namespaces ...string) *v2.PolicyConfig {
	c := &v2.PolicyConfig{}
	c.Name, c.Generation = name, 2
	c.Spec.Match.Namespaces = namespaces
	c.Spec.Config = map[string]v2.PolicyConfigConfig{policy: {Parameters: map[string]apiextensionsv1.JSON{parameter: {Raw: []byte(value)}}}}
	return c
}

func compiledEdition(t *testing.T, sources engine.Sources) *edition {
	t.Helper()
	snapshot, problems, err := engine.Compile(t.Context(), sources, engine.Options{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	return &edition{snapshot: snapshot, sources: sources, problems: problems, at: noon}
}

// statuses of an edition by kind/name.
func statuses(t *testing.T, sources engine.Sources, found facts) map[string]map[string]any {
	t.Helper()
	found.now = noon
	all := map[string]map[string]any{}
	for _, d := range desiredStatuses(compiledEdition(t, sources), found) {
		all[d.kind+"/"+d.object.GetName()] = d.status
	}
	return all
}

// conditionOf writes a condition as "Status Reason: message"; "" when it is not there.
func conditionOf(status map[string]any, kind string) string {
	conditions, _ := status["conditions"].([]any)
	for _, c := range conditions {
		if condition, ok := c.(map[string]any); ok && condition["type"] == kind {
			return strings.TrimSpace(condition["status"].(string) + " " + condition["reason"].(string) + ": " + condition["message"].(string))
		}
	}
	return ""
}

func TestStatusesOfPolicies(t *testing.T) {
	no := false
	admissionSet := &v2.PolicySet{Spec: v2.PolicySetSpec{Mode: v2.ModeAdmission, Filters: v2.PolicySetFilters{IDs: []string{"other"}}}}
	auditSet := &v2.PolicySet{Spec: v2.PolicySetSpec{Mode: v2.ModeAudit, Filters: v2.PolicySetFilters{IDs: []string{"other"}}}}
	tests := map[string]struct {
		policy    *v2.Policy
		sets      []*v2.PolicySet
		facts     facts
		ready     string
		stalled   string
		enforcing string
		modes     string
	}{
		"in force": {
			policy: policyNamed("p", goodCode),
			ready:  "True Compiled: acts in audit, admission", enforcing: "True Enforced: violations are refused at admission", modes: "audit/admission",
		},
		"broken": {
			policy: policyNamed("p", "package p\nviolation contains {\"msg\": x} if true\n"),
			ready:  "False NotCompiled: spec.code:2:", stalled: "True NotCompiled: the policy acts nowhere until it is changed",
		},
		"warns only": {
			policy: policyNamed("p", goodCode, func(p *v2.Policy) { p.Spec.Enforce = &no }),
			ready:  "True Compiled", enforcing: "False WarnOnly: spec.enforce is false", modes: "audit/admission",
		},
		"under the brake": {
			policy: policyNamed("p", goodCode), facts: facts{brake: "INC-1"},
			ready: "True Compiled", enforcing: "False EmergencyBrake: the emergency brake is on: INC-1", modes: "audit/admission",
		},
		"suspended": {
			policy: policyNamed("p", goodCode), facts: facts{suspended: map[string]string{"p": "too slow"}},
			ready: "True Compiled", enforcing: "False CircuitOpen: too slow", modes: "audit/admission",
		},
		"chosen by no set": {
			policy: policyNamed("p", goodCode), sets: []*v2.PolicySet{admissionSet, auditSet},
			ready: "True Compiled: compiled, but acts in no mode: no PolicySet chooses it", enforcing: "False NotActing: the policy does not act at admission",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status := statuses(t, engine.Sources{Policies: []*v2.Policy{test.policy}, Sets: test.sets}, test.facts)["Policy/p"]
			for kind, want := range map[string]string{conditionReady: test.ready, conditionStalled: test.stalled, conditionEnforcing: test.enforcing} {
				if got := conditionOf(status, kind); !strings.HasPrefix(got, want) || want == "" && got != "" {
					t.Errorf("%s is %q, want %q", kind, got, want)
				}
			}
			if status["modes_str"] != test.modes || status["observedGeneration"] != int64(3) {
				t.Errorf("modes %q of generation %v, want %q of 3", status["modes_str"], status["observedGeneration"], test.modes)
			}
		})
	}
}

func TestStatusesOfConfigsSetsAndExceptions(t *testing.T) {
	past, future := metav1.NewTime(noon.Add(-time.Hour)), metav1.NewTime(noon.Add(time.Hour))
	exception := func(name string, expires *metav1.Time) *v2.PolicyException {
		x := &v2.PolicyException{Spec: v2.PolicyExceptionSpec{
			Policies: []string{"p"}, Match: v2.PolicyExceptionMatch{Namespaces: []string{"a"}}, Reason: "r", Expires: expires,
		}}
		x.Name = name
		return x
	}
	set := func(name string, id string) *v2.PolicySet {
		s := &v2.PolicySet{Spec: v2.PolicySetSpec{Mode: v2.ModeAudit, Filters: v2.PolicySetFilters{IDs: []string{id}}}}
		s.Name = name
		return s
	}
	all := statuses(t, engine.Sources{
		Policies: []*v2.Policy{policyNamed("p", goodCode)},
		Sets:     []*v2.PolicySet{set("some", "p"), set("none", "q")},
		Configs: []*v2.PolicyConfig{
			configFor("fine", "p", "value", `"x"`, "a"),
			configFor("missing", "nobody", "value", `"x"`, "b"),
			configFor("mistyped", "p", "value", `7`, "c"),
			configFor("second", "p", "value", `"y"`, "a"),
		},
		Exceptions: []*v2.PolicyException{exception("endless", nil), exception("over", &past), exception("running", &future)},
	}, facts{})
	want := map[string]string{
		"PolicySet/some":          "True Chosen: policies chosen for audit: 1",
		"PolicySet/none":          "False ChoosesNothing: no policy matches the filters",
		"PolicyConfig/fine":       "True InForce",
		"PolicyConfig/missing":    `False Misconfigured: spec.config.nobody: there is no policy nobody`,
		"PolicyConfig/mistyped":   "False Misconfigured: spec.config.p.parameters.value: parameter value of p is of type string, not integer",
		"PolicyConfig/second":     "False Misconfigured: spec.match.namespaces[0]: policy config 'fine' already targets namespace 'a'",
		"PolicyException/endless": "True InForce: violations are accepted without end",
		"PolicyException/over":    "False Expired: the exception ended at 2026-11-24T11:00:00Z",
		"PolicyException/running": "True InForce: violations are accepted until 2026-11-24T13:00:00Z",
	}
	for name, prefix := range want {
		if got := conditionOf(all[name], conditionReady); !strings.HasPrefix(got, prefix) {
			t.Errorf("%s is %q, want %q", name, got, prefix)
		}
	}
	if got := all["PolicyConfig/missing"]; got["status"] != "Warning" || got["missingPolicies"].([]any)[0] != "nobody" {
		t.Errorf("old fields of a config without its policy: %v", got)
	}
	if got := all["PolicyConfig/fine"]["status"]; got != "OK" {
		t.Errorf("old status of a config that is fine: %v", got)
	}
}

func TestTheNextLookAtStatusesIsWhenAnExceptionEnds(t *testing.T) {
	soon, later, past := metav1.NewTime(noon.Add(time.Minute)), metav1.NewTime(noon.Add(time.Hour)), metav1.NewTime(noon.Add(-time.Hour))
	var exceptions []*v2.PolicyException
	if got := nextExpiry(exceptions, noon); got != statusResync {
		t.Errorf("without exceptions: %s", got)
	}
	for _, end := range []*metav1.Time{&later, &past, &soon, nil} {
		exceptions = append(exceptions, &v2.PolicyException{Spec: v2.PolicyExceptionSpec{Expires: end}})
	}
	if got := nextExpiry(exceptions, noon); got != time.Minute+time.Second {
		t.Errorf("got %s, want a second after the first that ends", got)
	}
}

// A status is written when it says something else than the one that is there, and only then.
func TestStatusesDoNotFlap(t *testing.T) {
	p := policyNamed("p", goodCode)
	desired := func(found facts, now time.Time) map[string]any {
		found.now = now
		return desiredStatuses(compiledEdition(t, engine.Sources{Policies: []*v2.Policy{p}}), found)[0].status
	}
	// stored is what the cache holds after the status was written: the typed object.
	stored := func(status map[string]any) map[string]any {
		content, err := json.Marshal(map[string]any{"status": status})
		if err != nil {
			t.Fatal(err)
		}
		var typed v2.Policy
		if err := json.Unmarshal(content, &typed); err != nil {
			t.Fatal(err)
		}
		back, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&typed)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := back["status"].(map[string]any)
		return s
	}
	first := desired(facts{}, noon)
	if !settleTimes(first, nil) {
		t.Fatal("the first status was not written")
	}
	before := stored(first)
	if again := desired(facts{}, noon.Add(time.Hour)); settleTimes(again, before) {
		t.Errorf("the same status would be written again an hour later:\n%v\nover\n%v", again, before)
	}
	braked := desired(facts{brake: "INC-1"}, noon.Add(time.Hour))
	if !settleTimes(braked, before) {
		t.Error("the brake changes no status")
	}
	for _, c := range braked["conditions"].([]any) {
		want := "2026-11-24T12:00:00Z" // Ready was true before and is
		if c.(map[string]any)["type"] == conditionEnforcing {
			want = "2026-11-24T13:00:00Z"
		}
		if got := c.(map[string]any)["lastTransitionTime"]; got != want {
			t.Errorf("%v changed at %v, want %s", c.(map[string]any)["type"], got, want)
		}
	}
	// Somebody else's condition is theirs; one of ours that no longer holds is taken away.
	before["conditions"] = append(before["conditions"].([]any), map[string]any{"type": "Theirs", "status": "True"})
	if settleTimes(desired(facts{}, noon), before) {
		t.Error("somebody else's condition makes the status be written")
	}
	before["conditions"] = append(before["conditions"].([]any), map[string]any{"type": conditionStalled, "status": "True"})
	if !settleTimes(desired(facts{}, noon), before) {
		t.Error("a condition of ours that no longer holds stays")
	}
	// A policy that acts nowhere has empty modes, which typed objects leave out.
	broken := policyNamed("p", "no rego")
	nothing := desiredStatuses(compiledEdition(t, engine.Sources{Policies: []*v2.Policy{broken}}), facts{now: noon})[0].status
	if settleTimes(nothing, stored(nothing)) {
		t.Error("empty modes would be written again and again")
	}
}

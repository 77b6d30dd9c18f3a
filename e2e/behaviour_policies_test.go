package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
)

// brokenPolicy has its fault in the fourth line of its code.
var brokenPolicy = regoOf("behaviour.broken", `
package behaviour.broken
import rego.v1
violation contains result if {
  result := nonsense(input)
}`, "targets: {kinds: [ConfigMap], namespaces: [nowhere]}")

func testStatuses(t *testing.T) {
	applied(t, policyOf("behaviour.whole", "false", "targets: {kinds: [ConfigMap], namespaces: [nowhere]}"))
	t.Run("a policy that compiles is ready and says where it acts", func(t *testing.T) {
		eventuallyCondition(t, "policy/behaviour.whole", "Ready", "True Compiled acts in ")
		whole := get(t, "policy", "behaviour.whole")
		if modes := kubectl(t, "", "get", "policy", "behaviour.whole", "-o", "jsonpath={.status.modes} {.status.modes_str}"); !strings.Contains(modes, `"admission"`) || !strings.Contains(modes, "admission") {
			t.Errorf("the modes are %s", modes)
		}
		if is := condition(t, "policy/behaviour.whole", "Enforcing"); !strings.HasPrefix(is, "True Enforced") {
			t.Errorf("Enforcing is %q", is)
		}
		kstatus(t, "behaviour.whole", status.CurrentStatus)
		// Git and the cluster do not differ because of the agent.
		written := false
		for _, fields := range whole.GetManagedFields() {
			var set map[string]any
			if err := json.Unmarshal(fields.FieldsV1.GetRawBytes(), &set); err != nil {
				t.Fatal(err)
			}
			_, owns := set["f:status"]
			if owns {
				written = fields.Manager == "assay-agent" && fields.Subresource == "status" && len(set) == 1
			}
			if strings.Contains(fields.Manager, "assay") && len(set) != 1 {
				t.Errorf("%s owns %s", fields.Manager, fields.FieldsV1.GetRawString())
			}
		}
		if !written || len(whole.GetManagedFields()) != 2 {
			t.Errorf("the managers are %v", whole.GetManagedFields())
		}
		if whole.GetLabels() != nil || whole.GetAnnotations() != nil || whole.GetGeneration() != 1 {
			t.Errorf("the agent changed %v, %v, generation %d", whole.GetLabels(), whole.GetAnnotations(), whole.GetGeneration())
		}
	})
	t.Run("a policy that is broken says where, and that waiting for it is in vain", func(t *testing.T) {
		eventuallyCondition(t, "policy/behaviour.broken", "Ready", "False NotCompiled spec.code:4:")
		if is := condition(t, "policy/behaviour.broken", "Ready"); !strings.Contains(is, "nonsense") {
			t.Errorf("it does not name what is wrong: %s", is)
		}
		if is := condition(t, "policy/behaviour.broken", "Stalled"); !strings.HasPrefix(is, "True ") {
			t.Errorf("Stalled is %q", is)
		}
		kstatus(t, "behaviour.broken", status.FailedStatus)
	})
	t.Run("a set is ready when it chooses a policy", func(t *testing.T) {
		applied(t, "apiVersion: pac.weave.works/v2\nkind: PolicySet\nmetadata: {name: behaviour}\nspec: {mode: audit, filters: {ids: [behaviour.set]}}\n")
		eventuallyCondition(t, "policyset/behaviour", "Ready", "False ChoosesNothing")
		applied(t, policyOf("behaviour.set", "true", "targets: {kinds: [ConfigMap], namespaces: [nowhere]}"))
		eventuallyCondition(t, "policyset/behaviour", "Ready", "True Chosen policies chosen for audit: 1")
		eventuallyCondition(t, "policy/behaviour.set", "Ready", "True Compiled acts in audit, admission")
	})
	t.Run("statuses that are right are not written again", func(t *testing.T) {
		before := get(t, "policy", "behaviour.broken").GetResourceVersion()
		applied(t, policyOf("behaviour.another", "true", "targets: {kinds: [ConfigMap], namespaces: [nowhere]}"))
		eventuallyCondition(t, "policy/behaviour.another", "Ready", "True")
		if after := get(t, "policy", "behaviour.broken").GetResourceVersion(); after != before {
			t.Errorf("the policy was written again: %s, then %s", before, after)
		}
	})
}

// kstatus compares what Flux, Helm and others conclude from a policy's status.
func kstatus(t *testing.T, policy string, want status.Status) {
	t.Helper()
	result, err := status.Compute(get(t, "policy", policy))
	if err != nil || result.Status != want {
		t.Errorf("kstatus says %+v, %v, want %s", result, err, want)
	}
}

func testRefusedPolicies(t *testing.T) {
	const name = "behaviour.refused"
	broken := strings.ReplaceAll(brokenPolicy, "behaviour.broken", name)
	var said string
	eventually(t, "a refusal", func() error {
		_, err := shared.Kubectl(t.Context(), broken, "apply", "--server-side", "--dry-run=server", "-f", "-")
		if err == nil {
			return fmt.Errorf("accepted")
		}
		said = err.Error()
		return nil
	})
	if !strings.Contains(said, "Policy "+name+" cannot work:") || !regexp.MustCompile(`spec.code:4:\d+: .*nonsense`).MatchString(said) {
		t.Errorf("the refusal does not say what is wrong and where:\n%s", said)
	}
	if _, err := shared.Kubectl(t.Context(), broken, "apply", "--server-side", "-f", "-"); err == nil || !strings.Contains(err.Error(), "cannot work") {
		t.Errorf("the policy was not refused: %v", err)
	}
	if out := kubectl(t, "", "get", "policy", name, "--ignore-not-found", "-o", "name"); out != "" {
		t.Errorf("%s is there", out)
	}
	// What was good stays in force when its change is refused.
	applied(t, policyOf(name, "true", "targets: {kinds: [ConfigMap], namespaces: [nowhere]}"))
	if _, err := shared.Kubectl(t.Context(), "", "patch", "policy", name, "--type", "json", "-p", `[{"op":"replace","path":"/spec/cel/validations/0/expression","value":"object.spec.("}]`); err == nil ||
		!strings.Contains(err.Error(), "spec.cel") && !strings.Contains(err.Error(), "cel.validations[0]") {
		t.Errorf("the change was not refused: %v", err)
	}
}

const limitParameter = "parameters: [{name: limit, type: integer, required: true, value: 5}]"

func testRefusedConfigs(t *testing.T) {
	config := func(name, policy string) string {
		return fmt.Sprintf("apiVersion: pac.weave.works/v2\nkind: PolicyConfig\nmetadata: {name: %s}\nspec: {match: {namespaces: [elsewhere]}, config: {%s: {parameters: {limit: 3}}}}\n", name, policy)
	}
	applied(t, policyOf("behaviour.configured", "params.limit > 0", limitParameter, "targets: {kinds: [ConfigMap], namespaces: [elsewhere]}"))
	eventuallyCondition(t, "policy/behaviour.configured", "Ready", "True")
	applied(t, config("behaviour-first", "behaviour.configured"))
	eventuallyCondition(t, "policyconfig/behaviour-first", "Ready", "True InForce")
	// The replica that is asked may hear of the first one later than the one that wrote its status.
	eventually(t, "a refusal", func() error {
		_, err := shared.Kubectl(t.Context(), config("behaviour-second", "behaviour.configured"), "apply", "--server-side", "--dry-run=server", "-f", "-")
		if err == nil || !strings.Contains(err.Error(), "policy config 'behaviour-first' already targets namespace 'elsewhere'") {
			return fmt.Errorf("there is no such refusal: %v", err)
		}
		return nil
	})

	// What may be right a moment later is let in with a warning.
	later := config("behaviour-later", "behaviour.later")
	beside, err := warned(t, later, "apply", "--server-side", "-f", "-")
	if err != nil || !strings.Contains(beside, "Warning: ") || !strings.Contains(beside, "behaviour.later") {
		t.Errorf("%v, %q, want a warning about behaviour.later", err, beside)
	}
	cleanUp(t, "delete", "policyconfig", "behaviour-later")
	eventuallyCondition(t, "policyconfig/behaviour-later", "Ready", "False Misconfigured")
	if got := kubectl(t, "", "get", "policyconfig", "behaviour-later", "-o", "jsonpath={.status.status} {.status.missingPolicies}"); got != `Warning ["behaviour.later"]` {
		t.Errorf("the status says %s", got)
	}
	applied(t, policyOf("behaviour.later", "params.limit > 0", limitParameter, "targets: {kinds: [ConfigMap], namespaces: [elsewhere]}"))
	eventuallyCondition(t, "policyconfig/behaviour-later", "Ready", "True InForce")
	if got := kubectl(t, "", "get", "policyconfig", "behaviour-later", "-o", "jsonpath={.status.status}"); got != "OK" {
		t.Errorf("the status says %s", got)
	}
}

func testChangeIsInForce(t *testing.T) {
	const name, namespace = "behaviour.changes", "behaviour-changes"
	applied(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+namespace+"}\n")
	applied(t, policyOf(name, "int(object.data.n) <= params.limit", limitParameter, "targets: {kinds: [ConfigMap], namespaces: ["+namespace+"]}",
		"exclude: {resources: ["+namespace+"/kube-root-ca.crt]}"))
	four := configMap(namespace, "four", map[string]string{"n": "4"})
	eventually(t, "a denial", func() error {
		return deniedBy(name, try(t.Context(), configMap(namespace, "six", map[string]string{"n": "6"})))
	})
	if err := try(t.Context(), four); err != nil {
		t.Fatal(err)
	}
	change := func(what, patch string, want func(error) error) {
		t.Helper()
		kubectl(t, "", "patch", "policy", name, "--type", "merge", "-p", patch)
		begin := time.Now()
		eventually(t, what, func() error { return want(try(t.Context(), four)) })
		t.Logf("%s: in force after %s", what, time.Since(begin).Round(time.Millisecond))
	}
	denied := func(err error) error { return deniedBy(name, err) }
	admitted := func(err error) error { return err }
	change("a smaller parameter", `{"spec":{"parameters":[{"name":"limit","type":"integer","required":true,"value":3}]}}`, denied)
	change("enforce: false", `{"spec":{"enforce":false}}`, admitted)
	change("enforce: true", `{"spec":{"enforce":true}}`, denied)
	change("a larger parameter", `{"spec":{"parameters":[{"name":"limit","type":"integer","required":true,"value":5}]}}`, admitted)
}

func testConfigsAndExceptions(t *testing.T) {
	const name, namespace = "behaviour.limits", "behaviour-limits"
	applied(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+namespace+"}\n")
	applied(t, policyOf(name, "int(object.data.n) <= params.limit", limitParameter, "targets: {kinds: [ConfigMap], namespaces: ["+namespace+"]}",
		"exclude: {resources: ["+namespace+"/kube-root-ca.crt]}"))
	large, small := configMap(namespace, "large", map[string]string{"n": "9"}), configMap(namespace, "small", map[string]string{"n": "4"})
	eventually(t, "a denial", func() error { return deniedBy(name, try(t.Context(), large)) })
	if err := try(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	applied(t, fmt.Sprintf("apiVersion: pac.weave.works/v2\nkind: PolicyConfig\nmetadata: {name: behaviour-limits}\nspec: {match: {namespaces: [%s]}, config: {%s: {parameters: {limit: 3}}}}\n", namespace, name))
	eventually(t, "a denial by the config's parameter", func() error { return deniedBy(name, try(t.Context(), small)) })
	exception := fmt.Sprintf("apiVersion: pac.weave.works/v2\nkind: PolicyException\nmetadata: {name: behaviour-limits}\nspec: {policies: [%s], match: {resources: [{kind: ConfigMap, name: large, namespace: %s}]}, reason: a test}\n", name, namespace)
	applied(t, exception)
	eventually(t, "an admission by the exception", func() error { return try(t.Context(), large) })
	if err := deniedBy(name, try(t.Context(), small)); err != nil {
		t.Errorf("the exception is for something else: %v", err)
	}
	kubectl(t, exception, "delete", "-f", "-")
	eventually(t, "a denial without the exception", func() error { return deniedBy(name, try(t.Context(), large)) })
}

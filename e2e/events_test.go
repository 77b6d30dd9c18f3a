package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The agent has the rights for events only from the chart, and in old agents' words they say what was denied.
func TestDenialsBecomeEventsWithTheRightsOfTheChart(t *testing.T) {
	uninstallAfterwards(t)
	installAgent(t, map[string]any{
		"config": map[string]any{
			"admission": map[string]any{"sinks": map[string]any{"k8sEventsSink": map[string]any{"enabled": true, "manifests": false}}},
		},
	})
	kubectl(t, "", "apply", "-f", "testdata/guard")
	cleanUp(t, "delete", "-f", "testdata/guard")
	kubectl(t, "", "wait", "--for", "condition=Ready", "-f", "testdata/guard", "--timeout", "2m")
	denials := 0
	deny := func() {
		t.Helper()
		eventually(t, "a denial", func() error {
			if _, err := shared.Kubectl(t.Context(), guarded, "create", "-f", "-"); err == nil {
				kubectl(t, guarded, "delete", "-f", "-")
				return errors.New("admitted")
			} else if !strings.Contains(err.Error(), "denied the request") {
				return err
			}
			return nil
		})
		denials++
	}
	var event corev1.Event
	want := func() {
		t.Helper()
		eventually(t, "the event of the denials", func() error {
			found, err := shared.Client.CoreV1().Events("guarded").List(t.Context(), metav1.ListOptions{
				LabelSelector: "pac.weave.works/type=Admission", FieldSelector: "reason=PolicyViolation,involvedObject.fieldPath=e2e.replicas",
			})
			if err != nil {
				return err
			}
			if len(found.Items) != 1 || int(found.Items[0].Count) != denials {
				return fmt.Errorf("%d events for %d denials: %v", len(found.Items), denials, found.Items)
			}
			event = found.Items[0]
			return nil
		})
	}
	deny()
	want()
	if event.InvolvedObject.Kind != "Deployment" || event.InvolvedObject.Name != "shop" || event.Source.Component != "policy-agent" ||
		event.Annotations["policy_id"] != "e2e.replicas" || strings.Contains(event.Annotations["entity_manifest"], "image") {
		t.Errorf("%+v", event)
	}
	deny() // is counted in it, with a patch
	want()
	requests, err := shared.Requests("system:serviceaccount:" + agentNamespace + ":policy-agent")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, r := range requests {
		if r.ObjectRef.APIGroup == "" && r.ObjectRef.Resource == "events" {
			used["/events "+r.Verb] = true
			if r.Denied() {
				t.Errorf("the agent may not %s events", r.Verb)
			}
		}
	}
	rights := slices.DeleteFunc(granted(t), func(right string) bool { return !strings.HasPrefix(right, "/events ") })
	if len(rights) != len(used) || slices.ContainsFunc(rights, func(right string) bool { return !used[right] }) {
		t.Errorf("the chart grants %v, and the agent uses %v", rights, used)
	}
}

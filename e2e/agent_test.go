package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/e2e/cluster"
	"github.com/assay-gitops/assay/e2e/release"
)

// The chart's folder, and where tests install it.
const (
	chartFolder    = "../charts/policy-agent"
	agentNamespace = "policy-system"
)

const guarded = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: guarded}
spec:
  replicas: 1
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "shop:1.0"}]}
`

// installAgent installs the chart, runs the agent, and returns the release. Namespaces are those that its tests use.
func installAgent(t testing.TB, values map[string]any) release.Releases {
	t.Helper()
	if err := shared.ProvideAssay(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The pods must pass what Kubernetes' strictest profile asks of them.
	kubectl(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: policy-system, labels: {pod-security.kubernetes.io/enforce: restricted}}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: guarded}\n", "apply", "-f", "-")
	releases := release.Releases{Kubeconfig: shared.Kubeconfig, Namespace: agentNamespace, Chart: chartFolder}
	t.Cleanup(func() { explain(t, agentNamespace) })
	noAgentRuns(t)
	if err := releases.Install(t.Context(), values); err != nil {
		t.Fatal(err)
	}
	return releases
}

// noAgentRuns waits until the agents of earlier tests have ended: their pods stop for a while after they were uninstalled.
func noAgentRuns(t testing.TB) {
	t.Helper()
	eventually(t, "the end of earlier agents", func() error {
		if left := shared.Pods(agentNamespace, map[string]string{"app.kubernetes.io/name": "policy-agent"}); len(left) > 0 {
			return fmt.Errorf("%d run", len(left))
		}
		return nil
	})
}

// uninstallAfterwards is for before installAgent, so that what went wrong is told before the agent is gone.
func uninstallAfterwards(t *testing.T) {
	t.Helper()
	releases := release.Releases{Kubeconfig: shared.Kubeconfig, Namespace: agentNamespace, Chart: chartFolder}
	t.Cleanup(func() {
		if err := releases.Uninstall(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheChartInstallsAnAgentThatGuardsTheCluster(t *testing.T) {
	values := map[string]any{"config": map[string]any{"admission": map[string]any{"mutate": true}, "audit": map[string]any{"enabled": true}}}
	releases := installAgent(t, values)
	kubectl(t, "", "apply", "-f", "testdata/guard")
	cleanUp(t, "delete", "-f", "testdata/guard")

	kubectl(t, "", "wait", "--for", "condition=Ready", "-f", "testdata/guard", "--timeout", "2m")
	var denial string
	eventually(t, "a denial", func() error {
		_, err := shared.Kubectl(t.Context(), guarded, "create", "--dry-run=server", "-f", "-")
		if err == nil {
			return errors.New("admitted")
		}
		denial = err.Error()
		return nil
	})
	for _, line := range []string{
		`admission webhook "admission.agent.weaveworks" denied the request`, "Policy\t: e2e.replicas", "Entity\t: deployment/shop in namespace: guarded", "- one replica is too few",
	} {
		if strings.Count(denial, line) != 1 {
			t.Errorf("the denial does not have %q once:\n%s", line, denial)
		}
	}
	right := strings.Replace(guarded, "replicas: 1", "replicas: 2", 1)
	eventually(t, "a mutation", func() error {
		limit, err := shared.Kubectl(t.Context(), right, "create", "--dry-run=server", "-f", "-", "-o", "jsonpath={.spec.revisionHistoryLimit}")
		if err == nil && limit != "3" {
			err = fmt.Errorf("the limit is %s", limit)
		}
		return err
	})

	kubectl(t, "", "-n", agentNamespace, "annotate", "configmap", "policy-agent-config", "pac.weave.works/brake=the shop must open")
	eventually(t, "the brake", func() error {
		_, err := shared.Kubectl(t.Context(), guarded, "create", "--dry-run=server", "-f", "-")
		return err
	})
	// An upgrade replaces the pods, and does not release the brake: the annotation is nobody's but the person's.
	before := shared.Pods(agentNamespace, nil)
	values["config"].(map[string]any)["logLevel"] = "debug"
	if err := releases.Upgrade(t.Context(), values); err != nil {
		t.Fatal(err)
	}
	eventually(t, "new pods", func() error {
		for _, p := range shared.Pods(agentNamespace, nil) {
			if slices.ContainsFunc(before, func(old cluster.Pod) bool { return old.Name == p.Name }) {
				return fmt.Errorf("%s is still there", p.Name)
			}
		}
		return nil
	})
	kubectl(t, guarded, "create", "--dry-run=server", "-f", "-")
	kubectl(t, "", "-n", agentNamespace, "annotate", "configmap", "policy-agent-config", "pac.weave.works/brake-")
	eventually(t, "an event about the brake", func() error {
		reasons, err := shared.Kubectl(t.Context(), "", "-n", agentNamespace, "get", "events", "-o", "jsonpath={.items[*].reason}")
		if err == nil && !(strings.Contains(reasons, "EmergencyBrakeOn") && strings.Contains(reasons, "EmergencyBrakeOff")) {
			err = fmt.Errorf("there are %s", reasons)
		}
		return err
	})

	checkRights(t, "system:serviceaccount:"+agentNamespace+":policy-agent")

	if err := releases.Uninstall(); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"validatingwebhookconfiguration/policy-agent", "mutatingwebhookconfiguration/policy-agent", "clusterrolebinding/policy-agent-registration"} {
		if out, err := shared.Kubectl(t.Context(), "", "get", gone, "--ignore-not-found", "-o", "name"); err != nil || out != "" {
			t.Errorf("after uninstalling there is %s%v", out, err)
		}
	}
	kubectl(t, guarded, "create", "--dry-run=server", "-f", "-")
	eventually(t, "no Secret with the certificate", func() error {
		out, err := shared.Kubectl(t.Context(), "", "-n", agentNamespace, "get", "secret/policy-agent-cert", "--ignore-not-found", "-o", "name")
		if err == nil && out != "" {
			err = errors.New("it is still there")
		}
		return err
	})
	eventually(t, "no pod", func() error {
		if pods := shared.Pods(agentNamespace, nil); len(pods) > 0 {
			return fmt.Errorf("%d run", len(pods))
		}
		return nil
	})
}

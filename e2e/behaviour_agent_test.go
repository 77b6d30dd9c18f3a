package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/assay-gitops/assay/e2e/cluster"
)

// agentUser is who the agent is to the API server.
const agentUser = "system:serviceaccount:" + agentNamespace + ":policy-agent"

// TestTheAgentInACluster holds what the agent's page promises against a real API server. All of it shares one installation.
func TestTheAgentInACluster(t *testing.T) {
	// An agent of an earlier test lost its rights when it was uninstalled, and may ask for something until it ends.
	noAgentRuns(t)
	earlier, err := shared.Requests(agentUser)
	if err != nil {
		t.Fatal(err)
	}
	// Nobody judges policies yet, and so the broken one gets in.
	applied(t, brokenPolicy)
	uninstallAfterwards(t)
	installAgent(t, map[string]any{"replicas": 2, "config": map[string]any{
		"admission": map[string]any{"mutate": true}, "breaker": map[string]any{"pause": "10s"},
	}})

	t.Run("statuses", testStatuses)
	// While other policies change, all is looked at again anyway.
	t.Run("configs and exceptions", testConfigsAndExceptions)
	// These two change what all others would see.
	t.Run("what always passes", testWhatAlwaysPasses)
	t.Run("the brake", testBrake)
	t.Run("together", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T){
			"the certificate":              testCertificate,
			"the circuit breaker":          testBreaker,
			"policies that cannot work":    testRefusedPolicies,
			"configs that cannot work":     testRefusedConfigs,
			"a change of a policy":         testChangeIsInForce,
			"warnings":                     testWarnings,
			"mutation":                     testMutation,
			"subresources and deletions":   testSubresources,
			"children of a controller":     testChildren,
			"workloads of other kinds":     testWorkloads,
			"namespaces made a moment ago": testNewNamespaces,
			"kinds that come later":        testNewKind,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t)
			})
		}
	})
	// Which rights are used depends on which of these ran; none may be missing.
	requests, err := shared.Requests(agentUser)
	if err != nil || len(requests) <= len(earlier) {
		t.Fatalf("%d requests of the agent, %d of them earlier, %v", len(requests), len(earlier), err)
	}
	for _, r := range requests[len(earlier):] {
		if r.Denied() {
			t.Errorf("the agent may not %s %s", r.Verb, r.RequestURI)
		}
	}
}

// policyOf is the manifest of a policy whose violations say "<name> is violated". The rest are lines of its spec.
func policyOf(name, expression string, rest ...string) string {
	return policyBegin(name) + fmt.Sprintf("  cel: {validations: [{expression: %q, message: \"%s is violated\"}]}\n", expression, name) + lines(rest)
}

// regoOf is the manifest of a policy in Rego.
func regoOf(name, code string, rest ...string) string {
	return policyBegin(name) + "  code: |\n    " + strings.ReplaceAll(strings.TrimSpace(code), "\n", "\n    ") + "\n" + lines(rest)
}

func policyBegin(name string) string {
	return fmt.Sprintf(`
apiVersion: pac.weave.works/v2
kind: Policy
metadata: {name: %s}
spec:
  id: %[1]s
  name: The policy %[1]s
  description: It is for a test.
  how_to_solve: Do what it demands.
  category: tests
  severity: high
`, name)
}

func lines(rest []string) string {
	var b strings.Builder
	for _, line := range rest {
		b.WriteString("  " + line + "\n")
	}
	return b.String()
}

// applied applies a manifest as Flux does; what is in it is deleted when the test is over.
func applied(t *testing.T, manifest string) {
	t.Helper()
	kubectl(t, manifest, "apply", "--server-side", "-f", "-")
	t.Cleanup(func() {
		if _, err := shared.Kubectl(context.Background(), manifest, "delete", "-f", "-", "--ignore-not-found", "--wait=false"); err != nil {
			t.Error(err)
		}
	})
}

// warned is kubectl with what it prints beside its output: the API server's warnings among them.
func warned(t *testing.T, stdin string, args ...string) (beside string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join("bin", "kube"), append([]string{"kubectl", "--kubeconfig", shared.Kubeconfig}, args...)...)
	command.Stdin = strings.NewReader(stdin)
	var stderr strings.Builder
	command.Stderr = &stderr
	err = command.Run()
	return stderr.String(), err
}

// configMap is the simplest object that policies can be about.
func configMap(namespace, name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: data}
}

// create creates a ConfigMap.
func create(ctx context.Context, c *corev1.ConfigMap) error {
	_, err := shared.Client.CoreV1().ConfigMaps(c.Namespace).Create(ctx, c, metav1.CreateOptions{})
	return err
}

// try creates a ConfigMap as a dry run. Warnings are for those who ask for them: it is tried many times.
func try(ctx context.Context, c *corev1.ConfigMap) error {
	config := shared.Config()
	config.WarningHandler = rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	_, err = client.CoreV1().ConfigMaps(c.Namespace).Create(ctx, c, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// deniedBy is nil when the error is a denial by the policy.
func deniedBy(policy string, err error) error {
	switch {
	case err == nil:
		return errors.New("it was admitted")
	case !strings.Contains(err.Error(), `admission webhook "admission.agent.weaveworks" denied the request`) || !strings.Contains(err.Error(), "Policy\t: "+policy+"\n"):
		return fmt.Errorf("it was not denied by %s: %w", policy, err)
	}
	return nil
}

// condition of an object, as "status reason message".
func condition(t *testing.T, object, kind string) string {
	t.Helper()
	return kubectl(t, "", "get", object, "-o", fmt.Sprintf(`jsonpath={range .status.conditions[?(@.type==%q)]}{.status} {.reason} {.message}{end}`, kind))
}

// eventuallyCondition waits for a condition that begins so.
func eventuallyCondition(t *testing.T, object, kind, begins string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s %s of %s", kind, begins, object), func() error {
		if is := condition(t, object, kind); !strings.HasPrefix(is, begins) {
			return fmt.Errorf("it is %q", is)
		}
		return nil
	})
}

// get returns an object with its managed fields.
func get(t *testing.T, args ...string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON([]byte(kubectl(t, "", append([]string{"get", "-o", "json", "--show-managed-fields"}, args...)...))); err != nil {
		t.Fatal(err)
	}
	return object
}

// agents are the pods of the agent's replicas.
func agents(t *testing.T) []cluster.Pod {
	t.Helper()
	pods := shared.Pods(agentNamespace, map[string]string{"app.kubernetes.io/name": "policy-agent"})
	if len(pods) != 2 {
		t.Fatalf("%d replicas run, want 2", len(pods))
	}
	return pods
}

// metric is the sum of a replica's samples of a metric whose labels include those given, such as `policy="x"`.
func metric(t testing.TB, pod cluster.Pod, name string, labels ...string) float64 {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+pod.Address("metrics")+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
samples:
	for line := range strings.Lines(string(body)) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(rest, label) {
				continue samples
			}
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndex(rest, " "):]), 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += value
	}
	return sum
}

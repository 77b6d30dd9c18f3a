package e2e

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/e2e/cluster"
)

// provideStandIn gives the node a program for the image stand-in.
func provideStandIn(t *testing.T) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shared.Provide("stand-in", cluster.Program{Path: program, Environment: func(port func(string) int) []string {
		return []string{standInVariable + "=yes", fmt.Sprintf("WEBHOOK_PORT=%d", port("webhook")), fmt.Sprintf("PROBES_PORT=%d", port("probes"))}
	}})
}

const standInWebhook = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: stand-in}
webhooks:
  - name: stand.in.example
    admissionReviewVersions: [v1]
    sideEffects: None
    timeoutSeconds: 5
    failurePolicy: Fail
    matchConditions: [{name: asked, expression: "object.metadata.name == 'ask'"}]
    rules: [{operations: [CREATE], apiGroups: [""], apiVersions: [v1], resources: [configmaps]}]
    clientConfig: {caBundle: %s, service: {namespace: stand-in, name: stand-in}}
`

// ask tells which pod refused, or why the API server refused without one.
func ask(t *testing.T) (pod string, err error) {
	t.Helper()
	_, err = shared.Kubectl(t.Context(), "", "create", "configmap", "ask", "--dry-run=server")
	if err == nil {
		t.Fatal("the webhook was not called")
	}
	_, rest, answered := strings.Cut(err.Error(), "refused by ")
	if !answered {
		return "", err
	}
	return strings.TrimSpace(rest), nil
}

func TestTheBedRunsPodsBehindServices(t *testing.T) {
	provideStandIn(t)
	certificate, key := selfSigned(t, "stand-in.stand-in.svc")
	kubectl(t, "", "apply", "-f", "testdata/standin.yaml")
	cleanUp(t, "delete", "namespace", "stand-in")
	cleanUp(t, "delete", "validatingwebhookconfiguration", "stand-in", "--ignore-not-found")
	t.Cleanup(func() { explain(t, "stand-in") })
	kubectl(t, fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: certs, namespace: stand-in}\ntype: kubernetes.io/tls\ndata: {tls.crt: %s, tls.key: %s}\n",
		base64.StdEncoding.EncodeToString(certificate), base64.StdEncoding.EncodeToString(key)), "apply", "-f", "-")
	kubectl(t, "", "-n", "stand-in", "rollout", "status", "deployment/stand-in", "--timeout", "2m")
	kubectl(t, fmt.Sprintf(standInWebhook, base64.StdEncoding.EncodeToString(certificate)), "apply", "-f", "-")
	app := map[string]string{"app": "stand-in"}

	// A registration takes a moment to be known to the API server.
	eventually(t, "a webhook call", func() error {
		_, err := shared.Kubectl(t.Context(), "", "create", "configmap", "ask", "--dry-run=server")
		if err == nil {
			return errors.New("not called yet")
		}
		return nil
	})
	address := kubectl(t, "", "-n", "stand-in", "get", "service", "stand-in", "-o", "jsonpath={.spec.clusterIP}") + ":443"
	if shared.Connections(address) == 0 {
		t.Fatalf("no connection to %s went through the network", address)
	}

	t.Run("a pod that is killed is started again and serves under the same address", func(t *testing.T) {
		pods := shared.Pods("stand-in", app)
		if len(pods) != 2 {
			t.Fatalf("%d pods run, want 2", len(pods))
		}
		before := pods[0].PID()
		if err := pods[0].Kill(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a new process", func() error {
			if pid := pods[0].PID(); pid == 0 || pid == before || !pods[0].Ready() || pods[0].Restarts() != 1 {
				return fmt.Errorf("process %d (was %d), ready %t, restarts %d", pid, before, pods[0].Ready(), pods[0].Restarts())
			}
			return nil
		})
		eventually(t, "an answer of the pod that was killed", func() error {
			pod, err := ask(t)
			if err == nil && pod != pods[0].Name {
				err = fmt.Errorf("%s answered", pod)
			}
			return err
		})
	})
	t.Run("a pod that is not ready gets no requests", func(t *testing.T) {
		kubectl(t, "", "-n", "stand-in", "patch", "configmap", "ready", "-p", `{"data":{"ready":"no"}}`)
		eventually(t, "no answer", func() error {
			if pod, err := ask(t); err == nil {
				return fmt.Errorf("%s answered", pod)
			} else if !strings.Contains(err.Error(), "no ready pod") && !strings.Contains(err.Error(), "502") {
				return err
			}
			return nil
		})
		kubectl(t, "", "-n", "stand-in", "patch", "configmap", "ready", "-p", `{"data":{"ready":"yes"}}`)
		kubectl(t, "", "-n", "stand-in", "rollout", "status", "deployment/stand-in", "--timeout", "2m")
		eventually(t, "an answer", func() error { _, err := ask(t); return err })
	})
	t.Run("pods that are paused do not answer until they go on", func(t *testing.T) {
		pods := shared.Pods("stand-in", app)
		for _, p := range pods {
			if err := p.Pause(); err != nil {
				t.Fatal(err)
			}
		}
		if pod, err := ask(t); err == nil {
			t.Errorf("%s answered", pod)
		}
		for _, p := range pods {
			if err := p.Resume(); err != nil {
				t.Fatal(err)
			}
		}
		kubectl(t, "", "-n", "stand-in", "rollout", "status", "deployment/stand-in", "--timeout", "2m")
		eventually(t, "an answer", func() error { _, err := ask(t); return err })
	})
	t.Run("a rolling restart always has a pod that answers", func(t *testing.T) {
		old := map[string]bool{}
		for _, p := range shared.Pods("stand-in", app) {
			old[p.Name] = true
		}
		kubectl(t, "", "-n", "stand-in", "rollout", "restart", "deployment/stand-in")
		eventually(t, "new pods only", func() error {
			if _, err := ask(t); err != nil {
				t.Errorf("a request found nobody: %v", err)
			}
			for _, p := range shared.Pods("stand-in", app) {
				if old[p.Name] {
					return fmt.Errorf("%s still runs", p.Name)
				}
			}
			return nil
		})
	})
	t.Run("the API server comes back with its data", func(t *testing.T) {
		if err := shared.RestartAPIServer(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "an answer", func() error { _, err := ask(t); return err })
	})
}

func TestTheBedRunsJobs(t *testing.T) {
	provideStandIn(t)
	kubectl(t, `
apiVersion: batch/v1
kind: Job
metadata: {name: says}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: says
          image: stand-in:v1
          args: [hello, $(AS_JOB)]
          env:
            - {name: AS_JOB, value: "world"}
            - {name: GOMEMLIMIT, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
          resources: {limits: {memory: 64Mi}}
`, "apply", "-f", "-")
	cleanUp(t, "delete", "job", "says")
	kubectl(t, "", "wait", "--for", "condition=Complete", "job/says", "--timeout", "2m")
}

func TestTheBedKnowsUsersAndServiceAccounts(t *testing.T) {
	user, err := shared.UserKubeconfig("jane", "developers")
	if err != nil {
		t.Fatal(err)
	}
	account, err := shared.ServiceAccountKubeconfig(t.Context(), "default", "default")
	if err != nil {
		t.Fatal(err)
	}
	for kubeconfig, want := range map[string]string{user: "jane [developers system:authenticated]", account: "system:serviceaccount:default:default"} {
		got, err := shared.KubectlAs(t.Context(), kubeconfig, "", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}")
		if err != nil || !strings.HasPrefix(strings.NewReplacer(`"`, "", ",", " ").Replace(got), want) {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
		if _, err := shared.KubectlAs(t.Context(), kubeconfig, "", "get", "secrets"); err == nil || !strings.Contains(err.Error(), "forbidden") {
			t.Errorf("secrets: %v", err)
		}
	}
}

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/assay-gitops/assay/e2e/fuzz"
)

// fuzzTimeout bounds what a role asks. A run of many examples says so by ASSAY_FUZZ_EXAMPLES, and has no bound but the test's.
const fuzzTimeout = 5 * time.Minute

// tokenOf is a token of a ServiceAccount for an audience, the API server's when it is empty.
func tokenOf(t *testing.T, namespace, name, audience string) string {
	t.Helper()
	request := &authenticationv1.TokenRequest{}
	if audience != "" {
		request.Spec.Audiences = []string{audience}
	}
	made, err := shared.Client.CoreV1().ServiceAccounts(namespace).CreateToken(t.Context(), name, request, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made.Status.Token
}

// fuzzedResults are of all gates, statuses and kinds of values.
func fuzzedResults(now time.Time) []any {
	values := []any{3, nil, map[string]any{"x": 1.5}, "text", true, int64(1e17), []any{"a", nil}}
	workspaces := map[string]string{"fuzzed-red": "crimson", "fuzzed-blue": "azure"}
	var all []any
	add := func(gate, namespace, kind, name, policy, severity string, change ...func(result, validation map[string]any)) {
		n := len(all)
		entity := map[string]any{"id": "uid", "apiVersion": "v1", "kind": kind, "namespace": namespace, "name": name,
			"manifest": map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": name, "namespace": namespace}}}
		validation := map[string]any{
			"id": fmt.Sprint("fuzzed-", n), "status": "Violation", "message": policy + " in " + name, "created_at": now.Add(-time.Duration(n) * 7 * time.Hour).Format(time.RFC3339Nano),
			"enforced": n%2 == 0, "entity": entity, "occurrences": []any{map[string]any{"message": "it is bad", "violating_key": "data.is", "recommended_value": values[n%len(values)]}},
			"policy": map[string]any{"id": policy, "name": "Policy " + policy, "category": "fuzzed.categories.content", "severity": severity,
				"standards":  []any{map[string]any{"id": "fuzzed.standards.one", "controls": []any{"fuzzed.controls.one.1"}}},
				"parameters": []any{map[string]any{"name": "word", "type": "string", "value": values[n%len(values)], "required": true, "config_ref": "fuzzed-apps"}}},
		}
		result := map[string]any{"version": 1, "gate": gate, "workspace": workspaces[namespace], "validation": validation}
		if namespace != "" {
			result["app"] = map[string]any{"kind": "Kustomization", "name": "shop", "namespace": namespace, "revision": "main@sha1:1"}
		}
		switch gate {
		case "audit":
			result["life"], result["pass"] = "opened", "fuzzed-pass"
		case "admission":
			result["operation"] = "CREATE"
		}
		for _, c := range change {
			c(result, validation)
		}
		all = append(all, result)
	}
	for i := range 12 {
		add("audit", "fuzzed-red", "ConfigMap", fmt.Sprint("there-", i), "fuzzed.cel", "high")
		add("audit", "fuzzed-blue", "ConfigMap", fmt.Sprint("there-", i), "fuzzed.cel", "high")
	}
	add("audit", "fuzzed-red", "ConfigMap", "gone", "fuzzed.cel", "high", func(result, validation map[string]any) {
		result["life"], result["resolution"], validation["status"] = "resolved", "object deleted", "Compliance"
	})
	add("audit", "fuzzed-red", "ConfigMap", "accepted", "fuzzed.cel", "high", func(result, validation map[string]any) {
		validation["status"], result["exception"] = "Excepted", map[string]any{"name": "fuzzed", "reason": "It is known."}
	})
	add("admission", "fuzzed-red", "ConfigMap", "refused", "fuzzed.cel", "high")
	add("admission", "fuzzed-red", "Pod", "warned", "fuzzed.rego", "low")
	add("terraform", "", "plan", "infrastructure", "fuzzed.terraform", "medium")
	add("audit", "", "ClusterRole", "root", "fuzzed.cel", "high")
	return all
}

// TestTheHubIsFuzzed asks a hub what its OpenAPI document allows, and what it does not, as everybody who may ask and as somebody who may not.
// ASSAY_FUZZ_EXAMPLES is how much is asked of each operation, ASSAY_FUZZ_SEED what chooses it.
func TestTheHubIsFuzzed(t *testing.T) {
	programs, err := fuzz.Install(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "", "apply", "-f", "testdata/fuzz.yaml")
	cleanUp(t, "delete", "-f", "testdata/fuzz.yaml", "--ignore-not-found", "--wait=false")
	account, err := shared.ServiceAccountKubeconfig(t.Context(), "fuzzed-hub", "hub")
	if err != nil {
		t.Fatal(err)
	}
	h := &hubProcess{dir: t.TempDir(), kubeconfig: account, arguments: []string{"--agent", "fuzzed-hub:agent"}}
	h.start(t)
	t.Cleanup(func() {
		if err := h.signal(t, syscall.SIGTERM); err != nil {
			t.Errorf("the hub ended with %v", err)
		}
	})
	sendFuzzed(t, h)

	t.Run("the document is one of OpenAPI 3.1", func(t *testing.T) {
		out, err := exec.CommandContext(t.Context(), filepath.Join(programs, "openapi-spec-validator"), "--schema", "3.1", documentOf(t, h)).CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	agents := []string{"--include-path-regex", "^/v1/intake"}
	readers := []string{"--exclude-path-regex", "^/v1/intake"}
	for _, role := range []struct {
		name, namespace, audience string
		more                      []string
	}{
		{"platform", "fuzzed-hub", "", readers},
		// What is asked as these is the same: the phases that choose by chance are enough.
		{"tenant", "fuzzed-red", "", append([]string{"--phases", "fuzzing,stateful", "--exclude-operation-id", "follow-violations"}, readers...)},
		{"nobody", "fuzzed-red", "", append([]string{"--phases", "fuzzing", "--exclude-operation-id", "follow-violations"}, readers...)},
		{"agent", "fuzzed-hub", "assay-hub", agents},
	} {
		t.Run(role.name, func(t *testing.T) {
			token := tokenOf(t, role.namespace, role.name, role.audience)
			ctx, cancel := t.Context(), func() {}
			if os.Getenv("ASSAY_FUZZ_EXAMPLES") == "" {
				ctx, cancel = context.WithTimeout(ctx, fuzzTimeout)
			}
			defer cancel()
			arguments := append([]string{
				"--config-file", "schemathesis.toml", "run", "--no-color", "--url", "http://" + h.address, "--header", "Authorization: Bearer " + token,
				"--max-examples", cmp.Or(os.Getenv("ASSAY_FUZZ_EXAMPLES"), "5"), "--seed", cmp.Or(os.Getenv("ASSAY_FUZZ_SEED"), "1"), "--warnings", "off",
			}, role.more...)
			command := exec.CommandContext(ctx, filepath.Join(programs, "schemathesis"), append(arguments, "http://"+h.address+"/openapi.json")...)
			command.Dir = fuzz.Folder()
			command.Env = append(os.Environ(), "PYTHONPATH=.", "PYTHONDONTWRITEBYTECODE=1", "SCHEMATHESIS_HOOKS=hooks")
			out, err := command.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out[max(0, len(out)-20000):])
			}
			_, summary, _ := strings.Cut(string(out), "Test cases:")
			t.Log(strings.TrimSpace(summary))
		})
	}
}

// sendFuzzed sends results as the agent does.
func sendFuzzed(t *testing.T, h *hubProcess) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"version": 1, "results": fuzzedResults(time.Now().UTC())})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+h.address+"/v1/intake", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+tokenOf(t, "fuzzed-hub", "agent", "assay-hub"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		problem, err := io.ReadAll(response.Body)
		t.Fatalf("the hub takes no results: %d %s %v", response.StatusCode, problem, err)
	}
}

// documentOf is a file with the hub's document.
func documentOf(t *testing.T, h *hubProcess) string {
	t.Helper()
	var document json.RawMessage
	if code, err := h.get(t, "", "/openapi.json", &document); err != nil || code != http.StatusOK {
		t.Fatalf("%d, %v", code, err)
	}
	file := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(file, document, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

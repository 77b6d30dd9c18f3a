package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/e2e/cluster"
)

// assayAs runs the command as a person would, with a kubeconfig, and returns its exit code.
func assayAs(t *testing.T, kubeconfig string, args ...string) (stdout, stderr string, exit int) {
	t.Helper()
	binary, err := cluster.BuildAssay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	command := exec.CommandContext(t.Context(), binary, args...)
	command.Dir, command.Stdout, command.Stderr = t.TempDir(), &out, &errs
	command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "NO_COLOR=1", "GITHUB_ACTIONS=")
	err = command.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), command.ProcessState.ExitCode()
}

// testImpact asks what changing the policy in a file would do, which the cluster has and one Deployment violates.
func testImpact(t *testing.T, file string) {
	t.Helper()
	const nothing = "1 objects judged: 0 would stand worse with a policy, 0 better\n"
	if stdout, stderr, exit := assayAs(t, shared.Kubeconfig, "impact", "-f", file); stdout != nothing || stderr != "" || exit != 0 {
		t.Errorf("exit code %d, standard error %q, got\n%s", exit, stderr, stdout)
	}
	stdout, stderr, exit := assayAs(t, shared.Kubeconfig, "impact", "--without", "policy/e2e.replicas", "-o", "json")
	var found struct {
		Worse, Better []struct{ Policy, Kind, Namespace, Name, Before, After string }
	}
	if err := json.Unmarshal([]byte(stdout), &found); err != nil || exit != 0 || len(found.Worse) != 0 || len(found.Better) != 1 || found.Better[0].Before != "refused" || found.Better[0].After != "complies" || found.Better[0].Name != "shop" {
		t.Errorf("exit code %d, %v, standard error %q, got\n%s", exit, err, stderr, stdout)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// Another policy beside it is one that a Deployment stands worse with.
	added := filepath.Join(t.TempDir(), "added.yaml")
	if err := os.WriteFile(added, []byte(strings.ReplaceAll(string(content), "e2e.replicas", "e2e.added")), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "Would be worse:\n  e2e.added [high]\n    Deployment guarded/shop: complies → refused: one replica is too few\n\n1 objects judged: 1 would stand worse with a policy, 0 better\n"
	if stdout, stderr, exit = assayAs(t, shared.Kubeconfig, "impact", "-f", added, "-n", "guarded"); stdout != want || stderr != "" || exit != 1 {
		t.Errorf("exit code %d, standard error %q, got\n%s", exit, stderr, stdout)
	}
	if stdout, stderr, exit = assayAs(t, shared.Kubeconfig, "impact", "--without", "Policy/none"); stdout != "" || exit != 2 || !strings.Contains(stderr, "the cluster has no Policy of the name none") {
		t.Errorf("exit code %d, standard error %q, got\n%s", exit, stderr, stdout)
	}
}

func TestAuditFromALaptop(t *testing.T) {
	kubectl(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: guarded}\n", "apply", "-f", "-")
	cleanUp(t, "delete", "namespace", "guarded")
	kubectl(t, guarded, "apply", "-f", "-")

	// Nothing is installed but the CRDs: the policies that ship judge.
	stdout, stderr, exit := assayAs(t, shared.Kubeconfig, "audit", "-n", "guarded", "-o", "json")
	var found struct {
		Results []struct{ Location struct{ File string } }
	}
	if err := json.Unmarshal([]byte(stdout), &found); err != nil || exit != 1 || !strings.Contains(stderr, "note: the cluster has no policies; it is judged by those that ship with Assay") {
		t.Fatalf("exit code %d, %v\n%s\n%s", exit, err, stdout, stderr)
	}
	if len(found.Results) == 0 || !strings.HasPrefix(found.Results[0].Location.File, "guarded/") {
		t.Errorf("found %+v", found)
	}

	// Policies in a file, before they are applied; then those of the cluster.
	file, err := filepath.Abs("testdata/guard/replicas.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := "guarded/deployments.apps/shop: violation[high]: one replica is too few [e2e.replicas]\n"
	if stdout, stderr, exit = assayAs(t, shared.Kubeconfig, "audit", "--policies", file, "-q"); stdout != want || stderr != "" || exit != 1 {
		t.Errorf("exit code %d, standard error %q, got\n%s", exit, stderr, stdout)
	}
	kubectl(t, "", "apply", "-f", file)
	cleanUp(t, "delete", "-f", file)
	if stdout, stderr, exit = assayAs(t, shared.Kubeconfig, "audit", "-q"); stdout != want || stderr != "" || exit != 1 {
		t.Errorf("exit code %d, standard error %q, got\n%s", exit, stderr, stdout)
	}
	testImpact(t, file)
	if stdout, stderr, exit = assayAs(t, shared.Kubeconfig, "audit", "-q", "--exclude-namespace", "guarded"); exit != 0 || !strings.Contains(stdout+stderr, "nothing was judged") {
		t.Errorf("exit code %d, standard error %q, got\n%s", exit, stderr, stdout)
	}

	nobody, err := shared.UserKubeconfig("e2e-nobody")
	if err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, exit = assayAs(t, nobody, "audit"); exit != 2 || stdout != "" || !strings.Contains(stderr, "hint: ask for the right to read the policies, or name policies in files by --policies") {
		t.Errorf("exit code %d, standard error %q, got\n%s", exit, stderr, stdout)
	}
	if stdout, stderr, exit = assayAs(t, nobody, "audit", "--policies", file, "-q"); exit != 2 || !strings.Contains(stdout, "may not list, and so did not judge: deployments.apps") {
		t.Errorf("exit code %d, standard error %q, got\n%s", exit, stderr, stdout)
	}
	// A server that does not answer.
	kubeconfig, err := os.ReadFile(shared.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	away := filepath.Join(t.TempDir(), "kubeconfig")
	var lines []string
	for line := range strings.Lines(string(kubeconfig)) {
		if before, _, found := strings.Cut(line, "server:"); found {
			line = before + "server: https://127.0.0.1:1\n"
		}
		lines = append(lines, line)
	}
	if err := os.WriteFile(away, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, exit = assayAs(t, away, "audit"); exit != 2 || stdout != "" || !strings.Contains(stderr, "error: read the policies of the cluster: discovering the APIs of the cluster") {
		t.Errorf("exit code %d, standard error %q, got\n%s", exit, stderr, stdout)
	}
}

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/e2e/cluster"
	"github.com/assay-gitops/assay/e2e/flux"
)

// assay runs the program against the shared cluster and returns what it wrote and its exit code.
func assay(t *testing.T, program string, args ...string) (stdout, stderr string, exit int) {
	t.Helper()
	var out, errs strings.Builder
	command := exec.CommandContext(t.Context(), program, args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+shared.Kubeconfig)
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), command.ProcessState.ExitCode()
}

// installFluxKinds installs what Flux's controllers define, without the controllers.
func installFluxKinds(t *testing.T) {
	t.Helper()
	if err := flux.InstallKinds(t.Context(), shared); err != nil {
		t.Fatal(err)
	}
}

type attempt struct{ Tenant, ID, Outcome, Detail string }

// verify runs assay tenants verify and returns the attempts.
func verify(t *testing.T, program string) ([]attempt, int, error) {
	t.Helper()
	stdout, stderr, exit := assay(t, program, "tenants", "verify", "--from-file", "testdata/tenants.yaml", "-o", "json")
	var result struct{ Attempts []attempt }
	if err := json.Unmarshal([]byte(stdout), &result); err != nil {
		return nil, exit, fmt.Errorf("exit code %d: %s", exit, stderr)
	}
	return result.Attempts, exit, nil
}

func TestTenantsAreAppliedComparedAndPruned(t *testing.T) {
	program, err := cluster.BuildAssay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	leaveNothing(t)
	cleanUp(t, "delete", "namespace", "tenant-a", "tenant-b", "--ignore-not-found")
	file := filepath.Join(t.TempDir(), "tenants.yaml")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(want int, args ...string) string {
		t.Helper()
		stdout, stderr, exit := assay(t, program, append(args, "--from-file", file)...)
		if exit != want {
			t.Fatalf("%v: exit code %d, want %d\n%s%s", args, exit, want, stdout, stderr)
		}
		return stdout
	}
	const both = `
tenants:
- name: a
  namespaces: [tenant-a]
  labels: {cost: "1"}
  deploymentRBAC:
    rules: [{apiGroups: [""], resources: [pods, secrets], verbs: [get, list]}]
    bindRoles: [{kind: ClusterRole, name: edit}]
- {name: b, namespaces: [tenant-b], deploymentRBAC: {preset: edit}}
`
	write(both)
	if out := run(0, "create", "tenants", "--dry-run=server"); !strings.Contains(out, "+ namespace/tenant-a\n") {
		t.Errorf("the dry run says\n%s", out)
	}
	kubectl(t, "", "get", "namespace", "default") // the cluster answers, and has no tenant yet
	if _, err := shared.Kubectl(t.Context(), "", "get", "namespace", "tenant-a"); err == nil {
		t.Fatal("the dry run made a namespace")
	}
	if out := run(0, "create", "tenants"); !strings.Contains(out, "tenant-a/serviceaccount/a created\n") {
		t.Errorf("got\n%s", out)
	}
	if out := run(0, "create", "tenants"); out != "" {
		t.Errorf("the second time was told\n%s", out)
	}
	run(0, "tenants", "diff")

	// Foreign labels stay, drift is undone, and what is revoked is gone.
	kubectl(t, "", "label", "namespace", "tenant-a", "istio-injection=enabled")
	kubectl(t, "", "-n", "tenant-a", "patch", "role", "a-service-account", "--type=merge", "-p", `{"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]}`)
	write(strings.NewReplacer("[pods, secrets]", "[pods]", `  labels: {cost: "1"}`+"\n", "").Replace(both))
	if out := run(1, "tenants", "diff"); !strings.Contains(out, `metadata.labels.cost: "1" -> nothing`) {
		t.Errorf("the difference is\n%s", out)
	}
	run(0, "create", "tenants")
	got := kubectl(t, "", "-n", "tenant-a", "get", "role", "a-service-account", "-o", "jsonpath={.rules[*].resources} {.metadata.labels.cost}") +
		kubectl(t, "", "get", "namespace", "tenant-a", "-o", "jsonpath={.metadata.labels.istio-injection}")
	if got != `["pods"] enabled` {
		t.Errorf("the role and the namespace are %s", got)
	}

	// The role of a binding is changed without a stand-in that stays.
	write(strings.Replace(both, "kind: ClusterRole, name: edit", "kind: Role, name: edit", 1))
	if out := run(0, "create", "tenants"); !strings.Contains(out, "a-service-account-edit recreated\n") {
		t.Errorf("got\n%s", out)
	}
	if got := kubectl(t, "", "-n", "tenant-a", "get", "rolebindings", "-o", "jsonpath={.items[*].metadata.name} {.items[*].roleRef.kind}"); got != "a-service-account a-service-account-edit Role Role" {
		t.Errorf("the bindings are %s", got)
	}

	// Only what was made is pruned, and namespaces only when that is said twice.
	kubectl(t, "", "create", "namespace", "tenant-foreign")
	cleanUp(t, "delete", "namespace", "tenant-foreign")
	kubectl(t, "", "label", "namespace", "tenant-foreign", "toolkit.fluxcd.io/tenant=flux-made")
	write(strings.Split(both, "- {name: b")[0])
	if out := run(0, "create", "tenants"); !strings.Contains(out, "namespace/tenant-b no longer defined as part of a tenant use --prune to remove") {
		t.Errorf("got\n%s", out)
	}
	run(0, "create", "tenants", "--prune")
	if got := kubectl(t, "", "-n", "tenant-b", "get", "rolebindings", "-o", "name"); got != "" {
		t.Errorf("still there: %s", got)
	}
	run(2, "create", "tenants", "--prune", "--prune-namespaces")
	kubectl(t, "", "get", "namespace", "tenant-b")
	run(0, "create", "tenants", "--prune", "--prune-namespaces", "--yes")
	eventually(t, "the namespace to go", func() error {
		if _, err := shared.Kubectl(t.Context(), "", "get", "namespace", "tenant-b"); err == nil {
			return errors.New("it is still there")
		}
		return nil
	})
	kubectl(t, "", "get", "namespace", "tenant-foreign")
}

func TestTenantsCannotBreakOut(t *testing.T) {
	installFluxKinds(t)
	program, err := cluster.BuildAssay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	uninstallAfterwards(t)
	installAgent(t, nil)
	leaveNothing(t)
	cleanUp(t, "delete", "namespace", "tenant-shop", "tenant-payroll")
	if stdout, stderr, exit := assay(t, program, "create", "tenants", "--from-file", "testdata/tenants.yaml"); exit != 0 {
		t.Fatalf("exit code %d\n%s%s", exit, stdout, stderr)
	}
	kubectl(t, "", "-n", "tenant-shop", "create", "secret", "generic", "edge", "--from-literal=value=x")
	kubectl(t, "", "wait", "--for", "condition=Ready", "policies", "--all", "--timeout", "2m")

	// The webhook is registered for the policies' kinds a moment after they are ready.
	held := map[string]bool{}
	eventually(t, "the walls to hold", func() error {
		attempts, exit, err := verify(t, program)
		if err != nil {
			return err
		}
		clear(held)
		var wrong []string
		for _, a := range attempts {
			switch a.Outcome {
			case "held":
				held[a.Tenant+" "+a.ID] = strings.Contains(a.Detail, "denied the request")
			case "escaped", "unclear":
				wrong = append(wrong, fmt.Sprintf("%s: %s %s %s", a.Tenant, a.ID, a.Outcome, a.Detail))
			}
		}
		if len(wrong) > 0 || exit != 0 {
			return fmt.Errorf("exit code %d\n%s", exit, strings.Join(wrong, "\n"))
		}
		return nil
	})
	for _, id := range []string{
		"kustomization-without-account", "helmrelease-storage-namespace", "gitrepository-lookalike", "bind-cluster-admin", "raise-quota",
		"change-sync", "source-status", "image-lookalike", "foreign-hostname", "external-ips", "replace-kubeconfig",
	} {
		if byPolicy := held["shop "+id]; !byPolicy {
			t.Errorf("%s was not refused by a policy: nothing else refuses what cluster-admin does", id)
		}
	}
	if len(held) < 100 {
		t.Errorf("only %d attempts were held", len(held))
	}

	// Without a wall, it says so.
	kubectl(t, "", "delete", "policy", "weave.policies.tenancy.shop-allowed-application-deploy")
	eventually(t, "the escape to be seen", func() error {
		attempts, exit, err := verify(t, program)
		if err != nil {
			return err
		}
		for _, a := range attempts {
			if a.Tenant == "shop" && a.ID == "kustomization-without-account" && a.Outcome == "escaped" && exit == 1 {
				return nil
			}
		}
		return fmt.Errorf("exit code %d, and no escape", exit)
	})
}

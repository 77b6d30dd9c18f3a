package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func kubectl(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	out, err := shared.Kubectl(t.Context(), stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const old = `
apiVersion: pac.weave.works/%s
kind: Policy
metadata: {name: %s}
spec:
  id: %[2]s
  name: Old
  code: package x
  description: d
  how_to_solve: ""
  category: weave.categories.x
  severity: high
`

// leaveNothing deletes the objects of a test, which an agent of later tests would judge by.
func leaveNothing(t *testing.T) {
	t.Helper()
	cleanUp(t, "delete", "policies,policysets,policyconfigs,policyexceptions", "--all")
}

func TestAnyVersionIsWrittenAndReadUnderAllOfThem(t *testing.T) {
	leaveNothing(t)
	versions := []string{"v2beta1", "v2beta2", "v2beta3", "v2"}
	for _, written := range versions {
		name := "written-as-" + written
		kubectl(t, fmt.Sprintf(old, written, name)+"  enforce: false\n  enabled: false\n  tags: [tenancy]\n  exclude: {labels: {a: b}}\n", "apply", "--server-side", "-f", "-")
		for _, read := range versions {
			got := kubectl(t, "", "get", "policies."+read+".pac.weave.works", name, "-o",
				"jsonpath={.apiVersion} {.spec.enforce} {.spec.enabled} {.spec.provider} {.spec.mutate} {.spec.tags[0]} {.spec.exclude.labels.a}")
			if want := "pac.weave.works/" + read + " false false kubernetes false tenancy b"; got != want {
				t.Errorf("written as %s, read as %s: %s, want %s", written, read, got, want)
			}
		}
	}
}

func TestWhatOldClientsSendIsAccepted(t *testing.T) {
	leaveNothing(t)
	kubectl(t, fmt.Sprintf(old, "v2beta2", "old-nulls")+`
  standards: null
  targets: {kinds: [Pod], labels: null, namespaces: null}
  parameters: [{name: a, type: array, required: false, value: null}]
`, "create", "-f", "-")
	if got := kubectl(t, "", "get", "policy", "old-nulls", "-o", "jsonpath={.spec.enforce} {.spec.targets.kinds[0]}"); got != "true Pod" {
		t.Errorf("got %s", got)
	}
}

func TestImpossibleObjectsAreRefusedWithASentence(t *testing.T) {
	leaveNothing(t)
	for name, c := range map[string]struct{ manifest, sentence string }{
		"two rules": {fmt.Sprintf(old, "v2", "two-rules") + "  cel: {validations: [{expression: \"true\"}]}\n", "the policy has two rules"},
		"no rule":   {strings.Replace(fmt.Sprintf(old, "v2", "no-rule"), "  code: package x\n", "", 1), "rule"},
		"a severity that is none": {
			strings.Replace(fmt.Sprintf(old, "v2beta2", "severity"), "severity: high", "severity: critical", 1), "supported values",
		},
		"an unknown field": {fmt.Sprintf(old, "v2", "typo") + "  enforced: true\n", `unknown field "spec.enforced"`},
		"two targets": {
			"apiVersion: pac.weave.works/v2beta2\nkind: PolicyConfig\nmetadata: {name: two}\nspec: {match: {namespaces: [a], workspaces: [b]}, config: {}}\n",
			"give only one of workspaces, namespaces, apps and resources",
		},
		"an exception without a reason": {
			"apiVersion: pac.weave.works/v2\nkind: PolicyException\nmetadata: {name: x}\nspec: {policies: [a], match: {namespaces: [b]}, reason: \"\"}\n", "spec.reason",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := shared.Kubectl(t.Context(), c.manifest, "create", "--validate=strict", "-f", "-")
			if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(c.sentence)) {
				t.Errorf("error %v, want %q", err, c.sentence)
			}
		})
	}
}

func TestThePoliciesThatShipCanBeInstalled(t *testing.T) {
	leaveNothing(t)
	args := []string{"apply", "--server-side", "--validate=strict"}
	policies := 0
	err := fs.WalkDir(os.DirFS("../library"), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "policy.yaml" {
			policies++
			args = append(args, "-f", filepath.Join("../library", name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if policies < 30 {
		t.Fatalf("only %d policies were found", policies)
	}
	if applied := strings.Count(kubectl(t, "", args...), "serverside-applied"); applied != policies {
		t.Errorf("%d of %d policies were applied", applied, policies)
	}
}

func TestKubectlExplainsFieldsAndPrintsColumns(t *testing.T) {
	leaveNothing(t)
	// What explains a kind is published a moment after the kind can be used.
	eventually(t, "an explanation", func() error {
		out, err := shared.Kubectl(t.Context(), "", "explain", "policy.spec.enforce")
		if err == nil && !strings.Contains(out, "refused at admission") {
			err = fmt.Errorf("explained as %s", out)
		}
		return err
	})
	kubectl(t, fmt.Sprintf(old, "v2beta2", "columns"), "apply", "--server-side", "-f", "-")
	header, _, _ := strings.Cut(kubectl(t, "", "get", "policies"), "\n")
	for _, column := range []string{"NAME", "SEVERITY", "CATEGORY", "PROVIDER", "ENFORCED", "MODES"} {
		if !strings.Contains(header, column) {
			t.Errorf("no column %s in %s", column, header)
		}
	}
}

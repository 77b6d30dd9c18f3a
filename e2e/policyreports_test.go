package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The agent keeps policy reports with the rights of the chart alone, of findings that come and go.
func TestTheAgentKeepsPolicyReports(t *testing.T) {
	const crds = "../internal/sink/policyreport/testdata/wgpolicyk8s.io"
	uninstallAfterwards(t)
	applied(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: reported}\n")
	if err := create(t.Context(), configMap("reported", "one", map[string]string{"is": "bad"})); err != nil {
		t.Fatal(err)
	}
	const policy = "e2e.reported"
	applied(t, policyOf(policy, "!has(object.data) || !('is' in object.data) || object.data.is != 'bad'", "enforce: false", "targets: {kinds: [ConfigMap], namespaces: [reported]}"))
	installAgent(t, map[string]any{
		"replicas": 1,
		"audit": map[string]any{"rules": []any{
			map[string]any{"apiGroups": []any{""}, "resources": []any{"configmaps"}, "verbs": []any{"list", "watch"}},
		}},
		"config": map[string]any{"audit": map[string]any{"enabled": true, "sinks": map[string]any{
			"policyReportSink": map[string]any{"enabled": true, "api": "wgpolicy"},
		}}},
	})
	// Until the CRDs are there, results wait and the agent tells why.
	eventually(t, "the reason in the log", func() error {
		for _, pod := range shared.Pods(agentNamespace, nil) {
			log, err := pod.Log()
			if err != nil {
				return err
			}
			if strings.Contains(log, "the cluster has no policy reports of wgpolicyk8s.io/v1alpha2") {
				return nil
			}
		}
		return errors.New("no log has it")
	})
	kubectl(t, "", "apply", "-f", crds)
	cleanUp(t, "delete", "-f", crds)
	reported := func() (results []string, err error) {
		out, err := shared.Kubectl(t.Context(), "", "-n", "reported", "get", "policyreports", "-o", "json")
		if err != nil {
			return nil, err
		}
		var list struct {
			Items []struct {
				Scope   struct{ Kind, Name string }
				Results []struct{ Source, Policy, Result, Severity string }
			}
		}
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			return nil, err
		}
		for _, report := range list.Items {
			for _, r := range report.Results {
				results = append(results, fmt.Sprint(report.Scope.Kind, "/", report.Scope.Name, " ", r.Source, " ", r.Policy, " ", r.Result))
			}
		}
		return results, nil
	}
	expect := func(want ...string) {
		t.Helper()
		eventually(t, "the reports", func() error {
			got, err := reported()
			if slices.Sort(got); err == nil && !slices.Equal(got, want) {
				err = fmt.Errorf("there are %q, want %q", got, want)
			}
			return err
		})
	}
	expect("ConfigMap/one assay e2e.reported warn")
	if err := create(t.Context(), configMap("reported", "two", map[string]string{"is": "bad"})); err != nil {
		t.Fatal(err)
	}
	expect("ConfigMap/one assay e2e.reported warn", "ConfigMap/two assay e2e.reported warn")
	kubectl(t, "", "-n", "reported", "patch", "configmap", "one", "-p", `{"data":{"is":"good"}}`)
	expect("ConfigMap/two assay e2e.reported warn")
	kubectl(t, "", "-n", "reported", "delete", "configmap", "two")
	expect()

	requests, err := shared.Requests("system:serviceaccount:policy-system:policy-agent")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, r := range requests {
		if r.ObjectRef.APIGroup == "wgpolicyk8s.io" {
			if r.Denied() {
				err = errors.Join(err, fmt.Errorf("the agent may not %s %s", r.Verb, r.ObjectRef.Resource))
			}
			used[r.Verb] = true
		}
	}
	if err != nil || !used["list"] || !used["get"] || !used["create"] || !used["delete"] {
		t.Errorf("%v; used are %v", err, used)
	}
}

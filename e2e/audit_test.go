package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/assay-gitops/assay/e2e/cluster"
)

// told is what the webhook sink of audit was sent: one result for each id, in the order in which they came.
type told struct {
	mu      sync.Mutex
	seen    map[string]bool
	results []toldResult
}

type toldResult struct {
	Gate       string `json:"gate"`
	Life       string `json:"life"`
	Resolution string `json:"resolution"`
	Pass       string `json:"pass"`
	Validation struct {
		ID      string                      `json:"id"`
		Source  string                      `json:"source"`
		Trigger string                      `json:"trigger"`
		Policy  struct{ ID string }         `json:"policy"`
		Entity  struct{ Name, Kind string } `json:"entity"`
	} `json:"validation"`
}

func (r *toldResult) String() string {
	text := fmt.Sprintf("%s %s %s/%s", r.Life, r.Validation.Policy.ID, r.Validation.Entity.Kind, r.Validation.Entity.Name)
	if r.Resolution != "" {
		text += ": " + r.Resolution
	}
	return text
}

func (s *told) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ Results []toldResult }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, result := range body.Results {
		if !s.seen[result.Validation.ID] {
			s.seen[result.Validation.ID] = true
			s.results = append(s.results, result)
		}
	}
}

// of are the results about one policy, sorted.
func (s *told) of(policy string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for i := range s.results {
		if s.results[i].Validation.Policy.ID == policy {
			all = append(all, s.results[i].String())
		}
	}
	slices.Sort(all)
	return all
}

// expect waits until these, and no others, were told about a policy since the beginning.
func (s *told) expect(t *testing.T, policy string, want ...string) {
	t.Helper()
	slices.Sort(want)
	eventually(t, "what audit tells", func() error {
		if got := s.of(policy); !slices.Equal(got, want) {
			return fmt.Errorf("told\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
		return nil
	})
}

// TestTheAgentAudits holds what audit promises of the agent as it is installed. What findings are told, and when, is tested in
// internal/gate/audit.
func TestTheAgentAudits(t *testing.T) {
	sink := &told{seen: map[string]bool{}}
	server := httptest.NewServer(sink)
	defer server.Close()
	uninstallAfterwards(t)
	applied(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: audited}\n")
	for _, name := range []string{"first", "second", "third"} {
		if err := create(t.Context(), configMap("audited", name, map[string]string{"is": "bad"})); err != nil {
			t.Fatal(err)
		}
	}
	const policy = "e2e.audited"
	applied(t, policyOf(policy, "!has(object.data) || !('is' in object.data) || object.data.is != 'bad'", "enforce: false", "targets: {kinds: [ConfigMap, Secret], namespaces: [audited]}"))
	installAgent(t, map[string]any{
		"replicas": 2,
		"audit": map[string]any{"rules": []any{
			map[string]any{"apiGroups": []any{""}, "resources": []any{"configmaps"}, "verbs": []any{"list", "watch"}},
		}},
		"config": map[string]any{"audit": map[string]any{"enabled": true, "sinks": map[string]any{"webhookSink": map[string]any{"url": server.URL}}}},
	})
	opened := []string{"opened e2e.audited ConfigMap/first", "opened e2e.audited ConfigMap/second", "opened e2e.audited ConfigMap/third"}
	sink.expect(t, policy, opened...)
	if first := sink.results[0]; first.Gate != "audit" || first.Validation.Source != "Audit" || first.Validation.Trigger != "initial-audit" || first.Pass == "" {
		t.Errorf("the first result is %+v", first)
	}

	t.Run("what may not be read is told", func(t *testing.T) {
		leader := leadingAgent(t)
		eventually(t, "the metric", func() error {
			if n := metric(t, leader, "assay_audit_unreadable_kinds", `kind="secrets"`, `reason="forbidden"`); n != 1 {
				return fmt.Errorf("it is %v", n)
			}
			return nil
		})
		if n := metric(t, leader, "assay_audit_open_findings", `policy="e2e.audited"`); n != 3 {
			t.Errorf("%v findings are open, want 3", n)
		}
		response, err := http.Get("http://" + leader.Address("probes") + "/readyz?verbose") //nolint:noctx // of a test
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		notes, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(notes), "[!]audit: kinds that policies target and that cannot be read: secrets (forbidden)\n") {
			t.Errorf("%d, %v:\n%s", response.StatusCode, err, notes)
		}
		assay, err := cluster.BuildAssay(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), assay, "status", "--kubeconfig", shared.Kubeconfig, "--namespace", agentNamespace).CombinedOutput()
		if want := " objects, 3 open findings, last full audit "; !strings.Contains(string(out), want) || !strings.Contains(string(out), "  secrets ") {
			t.Errorf("%v: %q or the Secrets are not in\n%s", err, want, out)
		}
	})

	unchanged := []string{"unchanged e2e.audited ConfigMap/first", "unchanged e2e.audited ConfigMap/second", "unchanged e2e.audited ConfigMap/third"}
	t.Run("an audit that is asked for", func(t *testing.T) {
		assay, err := cluster.BuildAssay(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), assay, "audit", "now", "--wait", "--timeout", "2m", "--kubeconfig", shared.Kubeconfig, "--namespace", agentNamespace).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 {
			t.Errorf("it ended with %v; the Secrets could not be read", err)
		}
		for _, part := range []string{"configmaps ", "e2e.audited ", "Not looked at completely:", "secrets: "} {
			if !strings.Contains(string(out), part) {
				t.Errorf("%q is not in\n%s", part, out)
			}
		}
		sink.expect(t, policy, append(slices.Clone(opened), unchanged...)...)
	})

	sofar := append(slices.Clone(opened), unchanged...)
	t.Run("the leader is killed", func(t *testing.T) {
		leader := leadingAgent(t)
		if err := leader.Kill(); err != nil {
			t.Fatal(err)
		}
		// Nobody audits now.
		kubectl(t, "", "-n", "audited", "delete", "configmap", "first")
		kubectl(t, "", "-n", "audited", "patch", "configmap", "second", "-p", `{"data":{"is":"good"}}`)
		if err := create(t.Context(), configMap("audited", "fourth", map[string]string{"is": "bad"})); err != nil {
			t.Fatal(err)
		}
		sofar = append(sofar, "resolved e2e.audited ConfigMap/first: object deleted", "resolved e2e.audited ConfigMap/second: object fixed", "opened e2e.audited ConfigMap/fourth")
		sink.expect(t, policy, sofar...)
	})

	t.Run("the policy is deleted", func(t *testing.T) {
		kubectl(t, "", "delete", "policy", policy)
		sofar = append(sofar, "resolved e2e.audited ConfigMap/third: policy gone", "resolved e2e.audited ConfigMap/fourth: policy gone")
		sink.expect(t, policy, sofar...)
	})
}

// leadingAgent is the replica that audits.
func leadingAgent(t *testing.T) cluster.Pod {
	t.Helper()
	var leader cluster.Pod
	eventually(t, "a leader", func() error {
		lease, err := shared.Client.CoordinationV1().Leases(agentNamespace).Get(context.Background(), "policy-agent", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, pod := range agents(t) {
			if !pod.Ready() {
				continue
			}
			if metric(t, pod, "assay_leader") == 1 && lease.Spec.HolderIdentity != nil {
				leader = pod
				return nil
			}
		}
		return errors.New("no replica leads")
	})
	return leader
}

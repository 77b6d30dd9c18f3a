package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/assay-gitops/assay/e2e/cluster"
)

// hubRights are those of the hub's own account and of its readers.
const hubRights = `
apiVersion: v1
kind: Namespace
metadata: {name: hubbed-red, labels: {toolkit.fluxcd.io/tenant: red}}
---
apiVersion: v1
kind: Namespace
metadata: {name: hubbed-blue}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: hub, namespace: hubbed-blue}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: e2e-hub}
rules:
  - {apiGroups: [authentication.k8s.io], resources: [tokenreviews], verbs: [create]}
  - {apiGroups: [authorization.k8s.io], resources: [subjectaccessreviews], verbs: [create]}
  - {apiGroups: [""], resources: [namespaces, serviceaccounts, resourcequotas], verbs: [list]}
  - {apiGroups: [rbac.authorization.k8s.io], resources: [roles, rolebindings], verbs: [list]}
  - {apiGroups: [pac.weave.works], resources: [policies, policysets, policyconfigs, policyexceptions], verbs: [list]}
  - {apiGroups: [""], resources: [configmaps, namespaces], verbs: [get, list]} # for impacts of the policy here
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: e2e-hub}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: e2e-hub}
subjects: [{kind: ServiceAccount, name: hub, namespace: hubbed-blue}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: e2e-hub-reader}
rules: [{apiGroups: [pac.weave.works], resources: [violations, workspaces, policies, policysets, policyconfigs, policyexceptions], verbs: [get, list]}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: platform, namespace: hubbed-blue}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: e2e-hub-platform}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: e2e-hub-reader}
subjects: [{kind: ServiceAccount, name: platform, namespace: hubbed-blue}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: tenant, namespace: hubbed-red}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: e2e-hub-tenant, namespace: hubbed-red}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: e2e-hub-reader}
subjects: [{kind: ServiceAccount, name: tenant, namespace: hubbed-red}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: nobody, namespace: hubbed-red}
`

// hubProcess is a hub with its database, which can be killed and started again.
type hubProcess struct {
	dir, kubeconfig string
	// address is the same from the first start on.
	address string
	command *exec.Cmd
	ended   chan error
	// arguments beside the usual.
	arguments []string
}

func (h *hubProcess) start(t *testing.T) {
	t.Helper()
	assay, err := cluster.BuildAssay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	listen := h.address
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	arguments := append([]string{"hub", "--data-dir", h.dir, "--kubeconfig", h.kubeconfig, "--listen", listen, "--cluster", "home"}, h.arguments...)
	h.command = exec.Command(assay, arguments...) //nolint:noctx // ended by its process id
	lines, err := h.command.StderrPipe()
	if err == nil {
		err = h.command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	serving, log := make(chan string, 1), bufio.NewScanner(lines)
	h.ended = make(chan error, 1)
	go func() {
		for log.Scan() {
			var line struct{ Msg, Address string }
			if json.Unmarshal(log.Bytes(), &line) == nil && line.Msg == "serving" {
				serving <- line.Address
			}
		}
		close(serving)
		h.ended <- h.command.Wait()
	}()
	address, ok := <-serving
	if !ok {
		t.Fatalf("the hub ended: %v", <-h.ended)
	}
	h.address = address
}

func (h *hubProcess) signal(t *testing.T, s syscall.Signal) error {
	t.Helper()
	if err := h.command.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	return <-h.ended
}

// get asks the hub for a path as a ServiceAccount, and tells the status.
func (h *hubProcess) get(t *testing.T, account, path string, answer any) (int, error) {
	t.Helper()
	return h.ask(t, account, http.MethodGet, path, nil, answer)
}

// ask sends a body, if any, as JSON.
func (h *hubProcess) ask(t *testing.T, account, method, path string, body io.Reader, answer any) (int, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.address+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if account != "" {
		namespace, name, _ := strings.Cut(account, "/")
		made, err := shared.Client.CoreV1().ServiceAccounts(namespace).CreateToken(t.Context(), name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+made.Status.Token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err == nil && answer != nil && response.StatusCode == http.StatusOK {
		err = json.Unmarshal(content, answer)
	}
	return response.StatusCode, err
}

// violations are "gate status namespace/name" of what an account sees of a policy, sorted.
func (h *hubProcess) violations(t *testing.T, account, policy string) ([]string, error) {
	t.Helper()
	var all []string
	for cursor := ""; ; {
		var page struct {
			Items []struct {
				ID, Cluster, Gate, Status, Workspace string
				Object                               struct{ Namespace, Name string }
			}
			Next string
		}
		query := url.Values{"limit": {"3"}, "policy": {policy}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		code, err := h.get(t, account, "/v1/violations?"+query.Encode(), &page)
		if err != nil || code != http.StatusOK {
			return nil, fmt.Errorf("status %d: %w", code, err)
		}
		for _, v := range page.Items {
			if v.Cluster != "home" || (v.Workspace == "red") != (v.Object.Namespace == "hubbed-red") {
				t.Errorf("the hub says %+v", v)
			}
			all = append(all, fmt.Sprintf("%s %s %s/%s", v.Gate, v.Status, v.Object.Namespace, v.Object.Name))
		}
		if cursor = page.Next; cursor == "" {
			slices.Sort(all)
			return all, nil
		}
	}
}

func (h *hubProcess) expect(t *testing.T, account, policy string, want ...string) {
	t.Helper()
	eventually(t, "what "+account+" sees", func() error {
		got, err := h.violations(t, account, policy)
		if err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
		return err
	})
}

// testHubLive asks for policies and workspaces, which the hub reads of the API server with its own rights. The tenant has the same role as the
// platform, in its namespace: there it is no right to what belongs to no namespace.
func testHubLive(t *testing.T, h *hubProcess, policy, platform, tenant string) {
	applied(t, "apiVersion: pac.weave.works/v2\nkind: PolicyConfig\nmetadata: {name: e2e-hubbed}\nspec:\n  match: {workspaces: [red]}\n  config: {e2e.hubbed: {parameters: {x: 1}}}")
	applied(t, "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: most, namespace: hubbed-red}\nspec: {hard: {pods: '7'}}")
	for path, want := range map[string]int{"/v1/policies": http.StatusForbidden, "/v1/policy-configs/e2e-hubbed": http.StatusForbidden, "/v1/standards": http.StatusForbidden, "/v1/workspaces/none": http.StatusNotFound} {
		if code, err := h.get(t, tenant, path, nil); err != nil || code != want {
			t.Errorf("%s: %d, %v; want %d", path, code, err, want)
		}
	}
	eventually(t, "the policy as the agent sees it", func() error {
		var got struct {
			Policy struct {
				ID    string
				Modes []string
				CEL   struct{ Validations []any }
				State struct{ Ready string }
			}
		}
		if code, err := h.get(t, platform, "/v1/policies/"+policy, &got); err != nil || code != http.StatusOK {
			return fmt.Errorf("status %d: %w", code, err)
		}
		if got.Policy.ID != policy || got.Policy.State.Ready != "True" || !slices.Contains(got.Policy.Modes, "audit") || len(got.Policy.CEL.Validations) != 1 {
			return fmt.Errorf("got %+v", got)
		}
		return nil
	})
	eventually(t, "a config with its policies", func() error {
		var got struct {
			Status, MatchType string
			Policies          []struct{ ID, Status string }
		}
		if code, err := h.get(t, platform, "/v1/policy-configs/e2e-hubbed", &got); err != nil || code != http.StatusOK {
			return fmt.Errorf("status %d: %w", code, err)
		}
		// The policy has no such parameter.
		if got.Status != "Warning" || got.MatchType != "workspaces" || len(got.Policies) != 1 || got.Policies[0].Status != "OK" {
			return fmt.Errorf("got %+v", got)
		}
		return nil
	})
	eventually(t, "the tenant's workspace", func() error {
		var got struct {
			Namespaces []string
			Open       *int
			Quotas     []struct{ Hard map[string]string }
		}
		if code, err := h.get(t, tenant, "/v1/workspaces/red", &got); err != nil || code != http.StatusOK {
			return fmt.Errorf("status %d: %w", code, err)
		}
		if !slices.Equal(got.Namespaces, []string{"hubbed-red"}) || got.Open == nil || *got.Open != 1 || len(got.Quotas) != 1 || got.Quotas[0].Hard["pods"] != "7" {
			return fmt.Errorf("got %+v", got)
		}
		return nil
	})
	var impact struct {
		Worse, Better []struct {
			Policy, Before, After string
			Object                struct{ Namespace, Name string }
		}
		Errors []struct{ Message string }
	}
	code, err := h.ask(t, platform, http.MethodPost, "/v1/impact", strings.NewReader(`{"without": ["Policy/`+policy+`"], "namespaces": ["hubbed-red"]}`), &impact)
	if err != nil || code != http.StatusOK || len(impact.Worse) != 0 || strings.Contains(fmt.Sprint(impact.Errors), "may not") || !strings.Contains(fmt.Sprint(impact.Errors), "there is no policy "+policy) || len(impact.Better) != 1 || impact.Better[0].Before != "refused" || impact.Better[0].Object.Name != "there" {
		t.Errorf("an impact: %d, %v, %+v", code, err, impact)
	}
	if code, err := h.ask(t, tenant, http.MethodPost, "/v1/impact", strings.NewReader(`{"without": ["Policy/`+policy+`"]}`), nil); err != nil || code != http.StatusForbidden {
		t.Errorf("a tenant's impact: %d, %v", code, err)
	}
	for _, of := range []string{"serviceaccounts", "rolebindings", "policies"} {
		var got struct {
			Objects []struct{ Name, ID, Manifest string }
		}
		code, err := h.get(t, tenant, "/v1/workspaces/red/"+of, &got)
		if err != nil || code != http.StatusOK || len(got.Objects) == 0 || (of == "policies") != (got.Objects[0].ID == policy) || strings.Contains(fmt.Sprint(got), "managedFields") {
			t.Errorf("%s: %d, %v, %+v", of, code, err, got)
		}
	}
}

// testHubRecords asks for what the agent tells beside results: the policy in the versions that it had, and the audit.
func testHubRecords(t *testing.T, h *hubProcess, policy, platform, tenant string) {
	type versions struct {
		Items []struct {
			Kind, ID string
			From     time.Time
			To       *time.Time
		}
	}
	path := "/v1/policy-versions?kind=Policy&name=" + policy
	var before, after versions
	eventually(t, "the policy is told", func() error {
		if code, err := h.get(t, platform, path, &before); err != nil || code != http.StatusOK || len(before.Items) != 1 {
			return fmt.Errorf("%d, %w, %+v", code, err, before)
		}
		return nil
	})
	// Who applied it first removes it.
	kubectl(t, policyOf(policy, "!has(object.data) || !('is' in object.data) || object.data.is != 'bad'", "targets: {kinds: [ConfigMap], namespaces: [hubbed-red, hubbed-blue]}", "tags: [second]"), "apply", "--server-side", "-f", "-")
	eventually(t, "its change is told", func() error {
		after = versions{}
		if code, err := h.get(t, platform, path, &after); err != nil || code != http.StatusOK || len(after.Items) != 2 || after.Items[1].To == nil {
			return fmt.Errorf("%d, %w, %+v", code, err, after)
		}
		return nil
	})
	for at, want := range map[string]int{"": 1, "?at=" + before.Items[0].From.Format(time.RFC3339Nano): 0} {
		eventually(t, "the policy "+at, func() error { // what is now is read again after some seconds
			var got struct {
				Policy struct {
					ID   string
					Tags []string
				}
			}
			if code, err := h.get(t, platform, "/v1/policies/"+policy+at, &got); err != nil || code != http.StatusOK || got.Policy.ID != policy || len(got.Policy.Tags) != want {
				return fmt.Errorf("%d, %w, %+v", code, err, got)
			}
			return nil
		})
	}
	var audits struct {
		Items []struct {
			ID, ClusterName, Trigger string
			End                      *time.Time
		}
	}
	eventually(t, "the end of the audit is told", func() error {
		if code, err := h.get(t, tenant, "/v1/audits", &audits); err != nil || code != http.StatusOK || len(audits.Items) == 0 || audits.Items[0].End == nil || audits.Items[0].ClusterName != "home" {
			return fmt.Errorf("%d, %w, %+v", code, err, audits)
		}
		return nil
	})
	var one struct {
		Kinds []struct {
			Resource string
			Objects  int
		}
	}
	if code, err := h.get(t, platform, "/v1/audits/home/"+audits.Items[0].ID, &one); err != nil || code != http.StatusOK || len(one.Kinds) == 0 || one.Kinds[0].Objects == 0 {
		t.Errorf("%d, %v, %+v", code, err, one)
	}
	if code, err := h.get(t, tenant, "/v1/audits/home/"+audits.Items[0].ID, nil); err != nil || code != http.StatusForbidden {
		t.Errorf("%d, %v", code, err)
	}
}

func TestTheHubKeepsWhatAgentsFindAndTellsItToWhoMaySee(t *testing.T) {
	uninstallAfterwards(t)
	applied(t, hubRights)
	const policy, platform, tenant = "e2e.hubbed", "hubbed-blue/platform", "hubbed-red/tenant"
	for _, namespace := range []string{"hubbed-red", "hubbed-blue"} {
		if err := create(t.Context(), configMap(namespace, "there", map[string]string{"is": "bad"})); err != nil {
			t.Fatal(err)
		}
	}
	applied(t, policyOf(policy, "!has(object.data) || !('is' in object.data) || object.data.is != 'bad'", "targets: {kinds: [ConfigMap], namespaces: [hubbed-red, hubbed-blue]}"))
	account, err := shared.ServiceAccountKubeconfig(t.Context(), "hubbed-blue", "hub")
	if err != nil {
		t.Fatal(err)
	}
	h := &hubProcess{dir: t.TempDir(), kubeconfig: account}
	provider := withProvider(t, h)
	h.start(t)
	t.Cleanup(func() {
		if err := h.signal(t, syscall.SIGTERM); err != nil {
			t.Errorf("the hub ended with %v", err)
		}
	})
	sinks := map[string]any{"hubSink": map[string]any{"url": "http://" + h.address}}
	installAgent(t, map[string]any{
		"replicas": 2,
		"audit": map[string]any{"rules": []any{
			map[string]any{"apiGroups": []any{""}, "resources": []any{"configmaps"}, "verbs": []any{"list", "watch"}},
		}},
		"config": map[string]any{"admission": map[string]any{"sinks": sinks}, "audit": map[string]any{"enabled": true, "sinks": sinks}},
	})
	h.expect(t, platform, policy, "audit open hubbed-blue/there", "audit open hubbed-red/there")
	h.expect(t, tenant, policy, "audit open hubbed-red/there")

	t.Run("who may see nothing is told which right is missing", func(t *testing.T) {
		for account, want := range map[string]int{"": http.StatusUnauthorized, "hubbed-red/nobody": http.StatusForbidden} {
			for _, path := range []string{"/v1/violations", "/v1/facets", "/v1/summary", "/v1/timeline"} {
				if code, err := h.get(t, account, path, nil); err != nil || code != want {
					t.Errorf("%s of %q: %d, %v; want %d", path, account, code, err, want)
				}
			}
		}
	})

	t.Run("people sign in with an identity provider", func(t *testing.T) { testSignIn(t, h, provider, policy) })

	t.Run("what the cluster holds is shown to who may see it", func(t *testing.T) { testHubLive(t, h, policy, platform, tenant) })
	t.Run("what the cluster is judged by is kept, and its audits", func(t *testing.T) { testHubRecords(t, h, policy, platform, tenant) })

	// The hub is killed while agents send, and away while more is found.
	for i := range 20 {
		if err := create(t.Context(), configMap("hubbed-red", fmt.Sprintf("denied-%02d", i), map[string]string{"is": "bad"})); err == nil || !strings.Contains(err.Error(), "denied the request") {
			t.Fatalf("%d: %v", i, err)
		}
		if i == 10 {
			if err := h.signal(t, syscall.SIGKILL); err == nil {
				t.Fatal(errors.New("it was not killed"))
			}
		}
	}
	h.start(t)
	want := []string{}
	for i := range 20 {
		want = append(want, fmt.Sprintf("admission resolved hubbed-red/denied-%02d", i))
	}
	h.expect(t, tenant, policy, append(want, "audit open hubbed-red/there")...)

	t.Run("who was refused is known", func(t *testing.T) {
		var list struct{ Items []struct{ ID string } }
		if code, err := h.get(t, tenant, "/v1/violations?gate=admission&limit=1&policy="+policy, &list); err != nil || code != http.StatusOK || len(list.Items) != 1 {
			t.Fatal(code, err, list)
		}
		var history struct {
			Items []struct{ User, Operation string }
		}
		if code, err := h.get(t, tenant, "/v1/violations/"+list.Items[0].ID+"/history", &history); err != nil || code != http.StatusOK || len(history.Items) == 0 || history.Items[0].User == "" || history.Items[0].Operation != "CREATE" {
			t.Errorf("%d, %v, %+v", code, err, history)
		}
	})

	t.Run("the command line asks the hub as well", func(t *testing.T) {
		made, err := shared.Client.CoreV1().ServiceAccounts("hubbed-red").CreateToken(t.Context(), "tenant", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		token := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(token, []byte(made.Status.Token), 0o600); err != nil {
			t.Fatal(err)
		}
		assay, err := cluster.BuildAssay(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), assay, "get", "violations", "--hub", "http://"+h.address, "--token-file", token, "--policy", policy).CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if err != nil || len(lines) != 2 || !slices.Equal(strings.Fields(lines[1])[:7], []string{"high", "open", "audit", "home", "hubbed-red", "configmap/there", policy}) {
			t.Errorf("%v:\n%s", err, out)
		}
		out, err = exec.CommandContext(t.Context(), assay, "get", "workspaces", "--hub", "http://"+h.address, "--token-file", token).CombinedOutput()
		if lines := strings.Split(strings.TrimSpace(string(out)), "\n"); err != nil || len(lines) != 2 || !slices.Equal(strings.Fields(lines[1]), []string{"red", "hubbed-red", "1"}) {
			t.Errorf("%v:\n%s", err, out)
		}
		out, err = exec.CommandContext(t.Context(), assay, "get", "policies", "--hub", "http://"+h.address, "--token-file", token).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "may not list policies") {
			t.Errorf("%v:\n%s", err, out)
		}
	})

	if err := shared.Client.CoreV1().ConfigMaps("hubbed-blue").Delete(t.Context(), "there", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	h.expect(t, platform, policy, append(want, "audit open hubbed-red/there", "audit resolved hubbed-blue/there")...)
}

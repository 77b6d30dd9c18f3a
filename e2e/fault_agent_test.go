package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/assay-gitops/assay/e2e/release"
)

// TestTheAgentSurvives holds what must be true while something is broken. All of it shares one installation.
func TestTheAgentSurvives(t *testing.T) {
	releases := release.Releases{Kubeconfig: shared.Kubeconfig, Namespace: agentNamespace, Chart: chartFolder}
	uninstallAfterwards(t)
	values := map[string]any{"replicas": 2, "config": map[string]any{"shutdown": map[string]any{"delay": "2s"}}}
	installAgent(t, values)
	for _, manifest := range loadPolicies() {
		applied(t, manifest)
	}
	eventually(t, "the policies are in force", bothJudge(t))
	t.Run("a rolling restart", testRollingRestart)
	t.Run("a replica that is killed", func(t *testing.T) { testKill(t, 1) })
	t.Run("all replicas are killed", func(t *testing.T) { testKill(t, 2) })
	t.Run("replicas that hang", testHang)
	t.Run("an API server that starts again", testServerRestart)
	t.Run("an API server that hangs", testServerHangs)
	t.Run("senders of rubbish", testRubbish)
	t.Run("a huge result", testHugeResult)
	t.Run("policies without end", testEndless)
	t.Run("policies that change all the time", testChurn)
	t.Run("a thousand policies", testThousand)
	t.Run("for long", func(t *testing.T) { testForLong(t, releases, values) })
}

// bothJudge is an error until both policies of the load deny what is bad.
func bothJudge(t *testing.T) func() error {
	t.Helper()
	return func() error {
		if err := try(t.Context(), configMap("guarded", "x", map[string]string{"is": "good"})); err != nil {
			return err
		}
		if err := deniedBy(closedPolicy, try(t.Context(), configMap("guarded", "x", map[string]string{"is": "bad"}))); err != nil {
			return err
		}
		switch err := createSecret(t, "bad"); {
		case err == nil:
			return errors.New("what fails open was admitted")
		case !strings.Contains(err.Error(), "Policy\t: "+openPolicy+"\n"):
			return err
		}
		return nil
	}
}

// createSecret creates a Secret as a dry run.
func createSecret(t *testing.T, is string) error {
	t.Helper()
	_, err := shared.Kubectl(t.Context(), "", "-n", "guarded", "create", "secret", "generic", "x", "--from-literal", "is="+is, "--dry-run=server")
	return err
}

func testRollingRestart(t *testing.T) {
	l := startLoad(t)
	l.more(t, 50)
	kubectl(t, "", "-n", agentNamespace, "rollout", "restart", "deployment/policy-agent")
	kubectl(t, "", "-n", agentNamespace, "rollout", "status", "deployment/policy-agent", "--timeout", "3m")
	eventually(t, "only the new pods", func() error {
		if n := len(shared.Pods(agentNamespace, nil)); n != 2 {
			return fmt.Errorf("%d pods", n)
		}
		return nil
	})
	l.more(t, 50)
	l.end(t, none)
}

// testKill kills so many replicas at once, in the middle of their work.
func testKill(t *testing.T, replicas int) {
	l := startLoad(t)
	l.more(t, 50)
	pods := agents(t)[:replicas]
	before := map[int]bool{0: true}
	killed := time.Now()
	for _, pod := range pods {
		before[pod.PID()] = true
		if err := pod.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	for _, pod := range pods {
		eventually(t, "the pod serves again", func() error {
			if pid := pod.PID(); before[pid] || !pod.Ready() {
				return fmt.Errorf("process %d, were %v, ready %t", pid, before, pod.Ready())
			}
			return nil
		})
		t.Logf("killed, started by the node and ready again after %s", time.Since(killed).Round(10*time.Millisecond))
	}
	eventually(t, "right verdicts", bothJudge(t))
	l.more(t, 50)
	l.end(t, tolerance{unanswered: true})
}

// What fails closed is refused while nobody answers, what fails open passes, and what a cluster needs to recover passes too.
func testHang(t *testing.T) {
	pods := agents(t)
	for _, pod := range pods {
		if err := pod.Pause(); err != nil {
			t.Fatal(err)
		}
	}
	resume := sync.OnceFunc(func() {
		for _, pod := range pods {
			if err := pod.Resume(); err != nil {
				t.Error(err)
			}
		}
	})
	defer resume()
	err := try(t.Context(), configMap("guarded", "x", map[string]string{"is": "good"}))
	if err == nil || !strings.Contains(err.Error(), "failed calling webhook") {
		t.Errorf("fails closed: %v", err)
	}
	if err := createSecret(t, "bad"); err != nil {
		t.Errorf("fails open: %v", err)
	}
	for _, namespace := range []string{agentNamespace, "kube-system"} {
		if err := try(t.Context(), configMap(namespace, "x", map[string]string{"is": "bad"})); err != nil {
			t.Errorf("in %s: %v", namespace, err)
		}
	}
	for what, manifest := range map[string]string{
		"a policy": policyOf("e2e.repair", "true", "targets: {kinds: [ConfigMap]}"),
		"a Lease":  "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: x, namespace: guarded}\n",
	} {
		if _, err := shared.Kubectl(t.Context(), manifest, "apply", "--server-side", "--dry-run=server", "-f", "-"); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	resume()
	eventually(t, "right verdicts", bothJudge(t))
}

// processes are those of the replicas.
func processes(t *testing.T) map[int]bool {
	t.Helper()
	all := map[int]bool{}
	for _, pod := range agents(t) {
		all[pod.PID()] = true
	}
	return all
}

func testServerRestart(t *testing.T) {
	l := startLoad(t)
	l.more(t, 50)
	before := processes(t)
	if err := shared.RestartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.more(t, 50)
	// What happened while the watches were broken is caught up with.
	applied(t, policyOf("e2e.after", "false", "targets: {kinds: [ServiceAccount]}"))
	eventuallyCondition(t, "policy/e2e.after", "Ready", "True")
	eventuallyCondition(t, "policy/e2e.after", "Enforcing", "True")
	eventually(t, "the new policy is in force", func() error {
		_, err := shared.Kubectl(t.Context(), "", "-n", "guarded", "create", "serviceaccount", "x", "--dry-run=server")
		return deniedBy("e2e.after", err)
	})
	eventually(t, "one leader", func() error {
		leaders := 0.0
		for _, pod := range agents(t) {
			leaders += metric(t, pod, "assay_leader")
		}
		if leaders != 1 {
			return fmt.Errorf("%g lead", leaders)
		}
		return nil
	})
	// Replicas that both wrote statuses would write over each other.
	is := get(t, "policy", "e2e.after").GetResourceVersion()
	l.more(t, 200)
	if after := get(t, "policy", "e2e.after").GetResourceVersion(); after != is {
		t.Errorf("the policy was written again: version %s became %s", is, after)
	}
	if after := processes(t); !maps.Equal(before, after) {
		t.Errorf("processes %v became %v", before, after)
	}
	eventually(t, "right verdicts", bothJudge(t))
	l.end(t, tolerance{unanswered: true, unreachable: true})
}

// What is asked of an API server that hangs is done when it goes on, and the agent, whose leader may have lost its Lease, takes note.
func testServerHangs(t *testing.T) {
	l := startLoad(t)
	l.more(t, 50)
	before := processes(t)
	if err := shared.PauseAPIServer(); err != nil {
		t.Fatal(err)
	}
	resume := sync.OnceFunc(func() {
		if err := shared.ResumeAPIServer(); err != nil {
			t.Error(err)
		}
	})
	defer resume()
	changed := make(chan error, 1)
	const name = "e2e.meanwhile"
	go func() {
		_, err := shared.Kubectl(t.Context(), policyOf(name, "false", "targets: {kinds: [ServiceAccount]}"), "apply", "--server-side", "-f", "-")
		changed <- err
	}()
	cleanUp(t, "delete", "policy", name, "--ignore-not-found", "--wait=false")
	pauseFor(t.Context(), 10*time.Second)
	resume()
	// Its webhook for policies may have been waited for too long.
	if err := <-changed; err != nil {
		t.Logf("the change was not made at once: %v", err)
		kubectl(t, policyOf(name, "false", "targets: {kinds: [ServiceAccount]}"), "apply", "--server-side", "-f", "-")
	}
	eventually(t, "the new policy is in force", func() error {
		_, err := shared.Kubectl(t.Context(), "", "-n", "guarded", "create", "serviceaccount", "x", "--dry-run=server")
		return deniedBy(name, err)
	})
	eventuallyCondition(t, "policy/"+name, "Ready", "True")
	if after := processes(t); !maps.Equal(before, after) {
		t.Errorf("processes %v became %v", before, after)
	}
	eventually(t, "right verdicts", bothJudge(t))
	l.more(t, 50)
	l.end(t, tolerance{unanswered: true, unreachable: true})
}

// Nobody else notices what strangers send straight to the port.
func testRubbish(t *testing.T) {
	l := startLoad(t)
	l.more(t, 50)
	pod := agents(t)[0]
	// Connections that say a little, and never more.
	var slow []net.Conn
	for range 100 {
		connection, err := tls.Dial("tcp", pod.Address("webhook"), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // its certificate is for the Service
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		if _, err := connection.Write([]byte("POST /admission HTTP/1.1\r\nHost: x\r\nContent-Le")); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, connection)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // as above
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	for name, test := range map[string]struct {
		contentType string
		body        io.Reader
		code        int
	}{
		"no review":     {"application/json", strings.NewReader(`{"kind":"Pod"}`), http.StatusBadRequest},
		"no JSON":       {"application/json", strings.NewReader("%&$"), http.StatusBadRequest},
		"another type":  {"application/yaml", strings.NewReader("a: b"), http.StatusUnsupportedMediaType},
		"100 megabytes": {"application/json", io.LimitReader(zeros{}, 100<<20), http.StatusRequestEntityTooLarge},
	} {
		response, err := client.Post("https://"+pod.Address("webhook")+"/admission", test.contentType, test.body)
		if err != nil {
			// A server that has answered may close before it has read all.
			if name == "100 megabytes" {
				continue
			}
			t.Errorf("%s: %v", name, err)
			continue
		}
		answer, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != test.code || !bytes.Contains(answer, []byte("message")) {
			t.Errorf("%s: %d %s %v", name, response.StatusCode, answer, err)
		}
	}
	// The slow ones are cut off.
	for _, connection := range slow {
		if err := connection.SetReadDeadline(time.Now().Add(deadline)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, connection); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a connection that says nothing stays open")
		}
	}
	l.more(t, 50)
	l.end(t, none)
	if size := memory(t, pod.PID(), "VmRSS"); size > 400 {
		t.Errorf("the agent takes %.0f MB", size)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// churnRate is how often policies change in a second, churnFor for how long, and churnPolicies how many of them: changes of one
// policy follow each other, as the API server would make them do.
const (
	churnRate     = 100
	churnFor      = 10 * time.Second
	churnPolicies = 10
)

// However often policies change, each verdict is that of a version that was in force: what is bad under all of them is denied,
// what is good under all of them admitted, and the last one stays.
func testChurn(t *testing.T) {
	for i := 1; i < churnPolicies; i++ {
		applied(t, policyOf(fmt.Sprintf("e2e.churn-%d", i), "!has(object.data) || object.data['is'] != params.value",
			"targets: {kinds: [ConfigMap]}", "parameters: [{name: value, type: string, required: true, value: none}]"))
	}
	l := startLoad(t)
	l.more(t, 50)
	name := func(i int) string {
		if i == 0 {
			return closedPolicy
		}
		return fmt.Sprintf("e2e.churn-%d", i)
	}
	versions := make([]int, churnPolicies)
	var changing sync.WaitGroup
	start := time.Now()
	for i := range versions {
		changing.Go(func() {
			tick := time.NewTicker(time.Second * churnPolicies / churnRate)
			defer tick.Stop()
			for ; time.Since(start) < churnFor; <-tick.C {
				versions[i]++
				body := fmt.Sprintf(`{"spec":{"parameters":[{"name":"value","type":"string","required":true,"value":"v%d-%d"}]}}`, i, versions[i])
				path := "/apis/pac.weave.works/v2/policies/" + name(i)
				if err := l.client.CoreV1().RESTClient().Patch(types.MergePatchType).AbsPath(path).Body([]byte(body)).Do(t.Context()).Error(); err != nil {
					t.Errorf("changing %s: %v", name(i), err)
				}
			}
		})
	}
	changing.Wait()
	changed := time.Now()
	changes := 0
	for i, version := range versions {
		changes += version
		value := func(version int) *corev1.ConfigMap {
			return configMap("guarded", "x", map[string]string{"is": fmt.Sprintf("v%d-%d", i, version)})
		}
		eventually(t, "the last version is in force", func() error {
			if err := try(t.Context(), value(version-1)); err != nil {
				return err
			}
			return deniedBy(name(i), try(t.Context(), value(version)))
		})
	}
	t.Logf("%d changes in %s; the last ones in force after %s", changes, changed.Sub(start).Round(time.Millisecond), time.Since(changed).Round(time.Millisecond))
	l.more(t, 50)
	l.end(t, none)
}

const thousand = 1000

func testThousand(t *testing.T) {
	var all strings.Builder
	for i := range thousand {
		manifest := regoOf(fmt.Sprintf("e2e.many-%03d", i), fmt.Sprintf(`package many%d
import rego.v1
violation contains {"msg": "bad"} if input.review.object.data.is == "many%d"`, i, i), "targets: {kinds: [ConfigMap]}")
		fmt.Fprintf(&all, "---\n%s", strings.Replace(manifest, "metadata: {", "metadata: {labels: {e2e: many}, ", 1))
	}
	l := startLoad(t)
	l.more(t, 50)
	policies := func(request *rest.Request) *rest.Request {
		return request.AbsPath("/apis/pac.weave.works/v2/policies").Param("labelSelector", "e2e=many")
	}
	start := time.Now()
	remove := func() {
		if err := policies(l.client.CoreV1().RESTClient().Delete()).Do(context.Background()).Error(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(remove)
	kubectl(t, all.String(), "apply", "--server-side", "-f", "-")
	applied := time.Since(start)
	eventually(t, "all of them are in force", func() error {
		last := fmt.Sprintf("%d", thousand-1)
		return deniedBy("e2e.many-"+last, try(t.Context(), configMap("guarded", "x", map[string]string{"is": "many" + last})))
	})
	inForce := time.Since(start)
	eventually(t, "all of them are Ready", func() error {
		var list unstructured.UnstructuredList
		content, err := policies(l.client.CoreV1().RESTClient().Get()).DoRaw(t.Context())
		if err == nil {
			err = list.UnmarshalJSON(content)
		}
		if err != nil {
			return err
		}
		ready := 0
		for _, p := range list.Items {
			conditions, _, err := unstructured.NestedSlice(p.Object, "status", "conditions")
			if err != nil {
				return err
			}
			if slices.ContainsFunc(conditions, func(c any) bool {
				is, ok := c.(map[string]any)
				return ok && is["type"] == "Ready" && is["status"] == "True"
			}) {
				ready++
			}
		}
		if ready != thousand {
			return fmt.Errorf("%d of %d", ready, thousand)
		}
		return nil
	})
	pid := agents(t)[0].PID()
	if size := memory(t, pid, "RssAnon"); size > memoryLimit {
		t.Errorf("the agent takes %.0f MB, and would have been killed at %d", size, memoryLimit)
	}
	t.Logf("%d policies: applied after %s, in force after %s, all Ready after %s; the agent takes %.0f MB, %.0f MB of them its own", thousand,
		applied.Round(100*time.Millisecond), inForce.Round(100*time.Millisecond), time.Since(start).Round(100*time.Millisecond), memory(t, pid, "VmRSS"), memory(t, pid, "RssAnon"))
	// The memory guard stops evaluations at two thirds of the limit: what is kept for good must be well below, as it is once an
	// agent with nothing to do has collected its garbage, every two minutes.
	within(t, 2*deadline, "a heap of half the memory limit", func() error {
		heap := metric(t, agents(t)[0], "go_memstats_heap_alloc_bytes") / (1 << 20)
		if heap > memoryLimit/2 {
			return fmt.Errorf("%.0f MB", heap)
		}
		return nil
	})
	for _, i := range []int{0, 1, 500, 998} {
		if err := deniedBy(fmt.Sprintf("e2e.many-%03d", i), try(t.Context(), configMap("guarded", "x", map[string]string{"is": fmt.Sprintf("many%d", i)}))); err != nil {
			t.Error(err)
		}
	}
	l.more(t, 50)
	remove()
	eventually(t, "none of them is in force", func() error {
		for _, i := range []int{0, thousand - 1} {
			if err := try(t.Context(), configMap("guarded", "x", map[string]string{"is": fmt.Sprintf("many%d", i)})); err != nil {
				return err
			}
		}
		return nil
	})
	l.end(t, none)
}

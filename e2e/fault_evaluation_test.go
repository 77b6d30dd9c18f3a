package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/assay-gitops/assay/e2e/cluster"
)

// longestDenial bounds a denial as a user sees it: the text of the agent (32 KiB) and what the API server says around it.
const longestDenial = 40 << 10

// A policy that finds thousands of faults gets a denial that can be read, and one that finds more than is read one that says so.
func testHugeResult(t *testing.T) {
	const name = "e2e.huge"
	applied(t, regoOf(name, `
package e2e.huge
import rego.v1
faults := {"few": 5, "many": 5000, "too many": 100000}
violation contains {"msg": sprintf("fault %06d", [i]), "violating_key": "data.is"} if {
  some i in numbers.range(1, faults[input.review.object.data.is])
}`, "targets: {kinds: [ConfigMap]}"))
	ask := func(is string) error { return try(t.Context(), configMap("guarded", "x", map[string]string{"is": is})) }
	eventually(t, "the policy is in force", func() error { return deniedBy(name, ask("few")) })
	l := startLoad(t)
	l.more(t, 50)
	for is, want := range map[string]struct {
		says  string
		shown int
	}{"few": {"fault 000005", 5}, "many": {"4980 more", 20}, "too many": {"could not be evaluated", 0}} {
		start := time.Now()
		err := ask(is)
		if denied := deniedBy(name, err); denied != nil {
			t.Errorf("%s: %v", is, denied)
			continue
		}
		t.Logf("%s: %d bytes after %s", is, len(err.Error()), time.Since(start).Round(time.Millisecond))
		if n := len(err.Error()); n > longestDenial {
			t.Errorf("%s: the denial has %d bytes", is, n)
		}
		if n := strings.Count(err.Error(), "fault 0"); n != want.shown || !strings.Contains(err.Error(), want.says) {
			t.Errorf("%s: the denial shows %d faults, want %d and %q: %.2000s", is, n, want.shown, want.says, err)
		}
	}
	l.more(t, 50)
	l.end(t, none)
}

// endless are policies whose evaluation does not end by itself, each for objects that name it.
var endless = map[string]string{
	"e2e.loops": `
count([1 | some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); i * j == -1]) == 0`,
	"e2e.hungry": `
count([r | some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); r := numbers.range(i, 100000 + j)]) < 0`,
	"e2e.texts": `
count({x | some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); x := sprintf("%99999d %d", [i, j])}) < 0`,
}

// A request that such a policy judges is answered in time, by a denial that says why, others are judged meanwhile, memory stays
// within the container's limit, and after some of them the policy is suspended.
func testEndless(t *testing.T) {
	defer limitEvaluations(t)()
	for name, condition := range endless {
		short := strings.TrimPrefix(name, "e2e.")
		applied(t, regoOf(name, fmt.Sprintf(`
package e2e.%[1]s
import rego.v1
violation contains {"msg": "it is in force"} if input.review.object.data.is == "%[1]s quickly"
violation contains {"msg": "never"} if {
  input.review.object.data.is == "%[1]s"
  %[2]s
}`, short, strings.TrimSpace(condition)), "targets: {kinds: [ConfigMap]}"))
	}
	for name := range endless {
		eventually(t, name+" is in force", func() error {
			return deniedBy(name, try(t.Context(), configMap("guarded", "x", map[string]string{"is": strings.TrimPrefix(name, "e2e.") + " quickly"})))
		})
	}
	l := startLoad(t)
	l.more(t, 50)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var others sync.WaitGroup
	// What the process takes for itself is what the kernel would kill it for.
	highest := make([]float64, len(agents(t)))
	for i, pod := range agents(t) {
		pid := pod.PID()
		others.Go(func() {
			for ctx.Err() == nil {
				highest[i] = max(highest[i], memory(t, pid, "RssAnon"))
				pauseFor(ctx, 10*time.Millisecond)
			}
		})
	}
	before := processes(t)
	for name := range endless {
		is := strings.TrimPrefix(name, "e2e.")
		for range 3 {
			others.Go(func() {
				if err := untilSuspended(ctx, t, name, is); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
	}
	for name := range endless {
		eventually(t, "a replica that has suspended "+name, func() error {
			for _, pod := range agents(t) {
				if metric(t, pod, "assay_policy_suspended", `policy="`+name+`"`, `gate="admission"`) == 1 {
					return nil
				}
			}
			return errors.New("none")
		})
	}
	l.more(t, 50)
	stop()
	others.Wait()
	l.end(t, none)
	stops := map[string]float64{}
	for i, pod := range agents(t) {
		for _, reason := range []string{"memory", "timeout"} {
			for name := range endless {
				stops[reason] += metric(t, pod, "assay_policy_evaluation_errors_total", `policy="`+name+`"`, `reason="`+reason+`"`)
			}
		}
		t.Logf("%s took at most %.0f MB", pod.Name, highest[i])
		if highest[i] > memoryLimit {
			t.Errorf("%s took %.0f MB, and would have been killed at %d", pod.Name, highest[i], memoryLimit)
		}
	}
	t.Logf("evaluations were stopped by %v", stops)
	if stops["memory"] == 0 || stops["timeout"] == 0 {
		t.Errorf("evaluations were stopped by %v, want both", stops)
	}
	for pid := range processes(t) {
		if !before[pid] {
			t.Errorf("process %d is new", pid)
		}
	}
}

// limitEvaluations has running replicas stop evaluations when their heap has 64 MB, long before memory would run out, until it is
// undone.
func limitEvaluations(t *testing.T) (undo func()) {
	t.Helper()
	const mine, limit = "e2e-limits", "\nevaluation: {memoryLimit: 64Mi}\n"
	configs := shared.Client.CoreV1().ConfigMaps(agentNamespace)
	edit := func(edit func(string) string) {
		t.Helper()
		before := map[string]float64{}
		applied := func(pod cluster.Pod) float64 {
			return metric(t, pod, "assay_config_reloads_total", `outcome="applied"`)
		}
		for _, pod := range agents(t) {
			before[pod.Name] = applied(pod)
		}
		config, err := configs.Get(t.Context(), "policy-agent-config", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		config.Data["config.yaml"] = edit(config.Data["config.yaml"])
		if _, err := configs.Update(t.Context(), config, metav1.UpdateOptions{FieldManager: mine}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "replicas that have read the configuration again", func() error {
			for _, pod := range agents(t) {
				if now := applied(pod); now == before[pod.Name] {
					return fmt.Errorf("%s has done so %g times", pod.Name, now)
				}
			}
			return nil
		})
	}
	edit(func(config string) string { return config + limit })
	return func() {
		t.Helper()
		edit(func(config string) string { return strings.TrimSuffix(config, limit) })
		// Helm refuses to upgrade what somebody else has written.
		config, err := configs.Get(t.Context(), "policy-agent-config", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		config.ManagedFields = slices.DeleteFunc(config.ManagedFields, func(f metav1.ManagedFieldsEntry) bool { return f.Manager == mine })
		if _, err := configs.Update(t.Context(), config, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// memoryLimit is the chart's default for the container, in megabytes.
const memoryLimit = 512

// untilSuspended asks about an object that has the policy evaluated without end until it passes, because the policy is suspended.
func untilSuspended(ctx context.Context, t *testing.T, name, is string) error {
	denials, slowest := 0, time.Duration(0)
	for ctx.Err() == nil {
		start := time.Now()
		err := try(ctx, configMap("guarded", "x", map[string]string{"is": is}))
		slowest = max(slowest, time.Since(start))
		switch {
		case ctx.Err() != nil:
		case err == nil:
			t.Logf("%s: suspended after %d denials, the slowest after %s", name, denials, slowest.Round(time.Millisecond))
			return nil
		case deniedBy(name, err) != nil || !strings.Contains(err.Error(), "could not be evaluated"):
			return err
		default:
			denials++
		}
	}
	return nil
}

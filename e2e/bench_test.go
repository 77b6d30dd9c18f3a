package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// What the benchmarks ask for: so many requests a second, in so many phases that alternate with phases without the webhook,
// so that both meet the same machine.
const (
	benchRate     = 200
	benchPhase    = 4 * time.Second
	benchPhases   = 5
	benchSaturate = 10 * time.Second
	benchWorkers  = 8
)

// BenchmarkAdmission measures what the agent adds to the creation of a Deployment, with all policies of ASSAY_DATA (or those
// that ship) judging it: through the API server at a steady rate, and straight at the webhook as fast as it goes.
func BenchmarkAdmission(b *testing.B) {
	// One replica, so that its figures are those of a process.
	installAgent(b, map[string]any{"replicas": 1, "excludeNamespaces": []any{"unguarded"}, "config": map[string]any{"logLevel": "warn"}})
	kubectl(b, "apiVersion: v1\nkind: Namespace\nmetadata: {name: unguarded}\n", "apply", "-f", "-")
	policies := benchPolicies(b)
	pods := shared.Pods(agentNamespace, nil)
	if len(pods) != 1 {
		b.Fatalf("%d pods", len(pods))
	}
	pod := pods[0]

	config := shared.Config()
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	create := func(ctx context.Context, namespace string) error {
		_, err := client.AppsV1().Deployments(namespace).Create(ctx, benchDeployment(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	eventually(b, "the policies are in force", func() error { return create(b.Context(), "guarded") })

	b.Run("create", func(b *testing.B) {
		var without, with []time.Duration
		service, err := client.CoreV1().Services(agentNamespace).Get(b.Context(), "policy-agent", metav1.GetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		address := net.JoinHostPort(service.Spec.ClusterIP, "443")
		connections := shared.Connections(address)
		before := cpu(b, pod.PID())
		for range benchPhases {
			without = append(without, paced(b, func(ctx context.Context) error { return create(ctx, "unguarded") })...)
			with = append(with, paced(b, func(ctx context.Context) error { return create(ctx, "guarded") })...)
		}
		used := cpu(b, pod.PID()) - before
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(policies), "policies")
		b.ReportMetric(ms(percentile(without, 50)), "p50-without-ms")
		b.ReportMetric(ms(percentile(without, 99)), "p99-without-ms")
		b.ReportMetric(ms(percentile(with, 50)), "p50-with-ms")
		b.ReportMetric(ms(percentile(with, 99)), "p99-with-ms")
		b.ReportMetric(ms(percentile(with, 50)-percentile(without, 50)), "p50-added-ms")
		b.ReportMetric(ms(percentile(with, 99)-percentile(without, 99)), "p99-added-ms")
		b.ReportMetric(ms(used)/float64(len(with)), "agent-cpu-ms/request")
		b.ReportMetric(float64(shared.Connections(address)-connections), "connections")
		b.ReportMetric(memory(b, pod.PID(), "VmRSS"), "agent-rss-MB")
		b.ReportMetric(memory(b, pod.PID(), "RssAnon"), "agent-anon-MB")
	})
	b.Run("webhook", func(b *testing.B) {
		before := cpu(b, pod.PID())
		took := saturated(b, "https://"+pod.Address("webhook")+"/admission?timeout=5s")
		used := cpu(b, pod.PID()) - before
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(len(took))/benchSaturate.Seconds(), "requests/s")
		b.ReportMetric(ms(percentile(took, 50)), "p50-ms")
		b.ReportMetric(ms(percentile(took, 99)), "p99-ms")
		b.ReportMetric(ms(used)/float64(len(took)), "agent-cpu-ms/request")
		b.ReportMetric(memory(b, pod.PID(), "VmRSS"), "agent-rss-MB")
		b.ReportMetric(memory(b, pod.PID(), "VmHWM"), "agent-peak-MB")
	})
}

// benchPolicies applies the policies, waits until they are in force, and returns how many there are.
func benchPolicies(b *testing.B) int {
	b.Helper()
	n := applyBenchPolicies(b)
	kubectl(b, "", "wait", "--for", "condition=Ready", "policies", "--all", "--timeout", "2m")
	return n
}

// applyBenchPolicies applies them, not enforced so that objects are created.
func applyBenchPolicies(b *testing.B) int {
	b.Helper()
	folder, pattern := os.Getenv("ASSAY_DATA"), "weave-policies/*.yaml"
	if folder == "" {
		folder, pattern = "..", "library/*/policy.yaml"
	}
	files, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil || len(files) == 0 {
		b.Fatalf("no policies match %s in %s: %v", pattern, folder, err)
	}
	var all strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		fmt.Fprintf(&all, "---\n%s\n", strings.Replace(string(content), "\nspec:\n", "\nspec:\n  enforce: false\n", 1))
	}
	kubectl(b, all.String(), "apply", "--server-side", "-f", "-")
	cleanUp(b, "delete", "policies", "--all")
	return len(files)
}

func benchDeployment() *appsv1.Deployment {
	labels := map[string]string{"app": "bench"}
	replicas := int32(2)
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Name: "bench", Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "shop", Image: "registry.example.com/shop:1.4.2", Ports: []corev1.ContainerPort{{ContainerPort: 8080}},
					Env: []corev1.EnvVar{{Name: "LOG_LEVEL", Value: "info"}},
				}}},
			},
		},
	}
}

// paced makes requests at the rate for one phase, whether or not earlier ones have ended, and returns how long each took.
func paced(b *testing.B, request func(context.Context) error) []time.Duration {
	b.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	tick := time.NewTicker(time.Second / benchRate)
	defer tick.Stop()
	for end := time.Now().Add(benchPhase); time.Now().Before(end); {
		<-tick.C
		all.Go(func() {
			start := time.Now()
			err := request(b.Context())
			d := time.Since(start)
			if err != nil {
				b.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, d)
		})
	}
	all.Wait()
	return took
}

// saturated asks the webhook as fast as it answers.
func saturated(b *testing.B, url string) []time.Duration {
	b.Helper()
	object, err := json.Marshal(benchDeployment())
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE","namespace":"guarded","name":"bench",` +
		`"kind":{"group":"apps","version":"v1","kind":"Deployment"},"resource":{"group":"apps","version":"v1","resource":"deployments"},"userInfo":{"username":"bench"},"object":` +
		strings.Replace(string(object), `"name":"bench",`, `"name":"bench","namespace":"guarded",`, 1) + `}}`)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: benchWorkers, //nolint:gosec // its certificate is for the Service
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var all sync.WaitGroup
	var failed atomic.Int64
	results := make([][]time.Duration, benchWorkers)
	end := time.Now().Add(benchSaturate)
	for worker := range benchWorkers {
		all.Go(func() {
			for time.Now().Before(end) {
				start := time.Now()
				response, err := client.Post(url, "application/json", bytes.NewReader(body))
				if err != nil {
					failed.Add(1)
					continue
				}
				answer, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"allowed":true`)) {
					failed.Add(1)
				}
				results[worker] = append(results[worker], time.Since(start))
			}
		})
	}
	all.Wait()
	if n := failed.Load(); n > 0 {
		b.Errorf("%d requests failed", n)
	}
	return slices.Concat(results...)
}

func percentile(durations []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[(len(sorted)-1)*percent/100]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// cpu is the processor time that a process has used (proc_pid_stat(5); Linux counts in hundredths of a second).
func cpu(b *testing.B, pid int) time.Duration {
	b.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// memory is a figure of /proc/PID/status in megabytes.
func memory(b testing.TB, pid int, name string) float64 {
	b.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb / 1024
		}
	}
	b.Fatalf("no %s", name)
	return 0
}

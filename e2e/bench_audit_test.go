package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/assay-gitops/assay/e2e/cluster"
)

// benchObjectsVariable says how many objects there are for BenchmarkAudit.
const benchObjectsVariable = "ASSAY_BENCH_OBJECTS"

// benchNamespaces hold them.
const benchNamespaces = 50

// BenchmarkAudit measures a first full audit of a cluster with many objects by the policies of ASSAY_DATA (or those that ship), what a
// change of one policy costs, and how long it takes until a change of one object is found. The objects are written into etcd, since
// the API server would take most of an hour for that, in shapes that no controller makes others of.
func BenchmarkAudit(b *testing.B) {
	n := 100_000
	if text := os.Getenv(benchObjectsVariable); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	installAgent(b, map[string]any{
		"replicas": 1,
		"audit":    map[string]any{"rules": []any{map[string]any{"apiGroups": []any{""}, "resources": []any{"configmaps", "namespaces"}, "verbs": []any{"list", "watch"}}}},
		"config":   map[string]any{"logLevel": "warn", "admission": map[string]any{"enabled": false, "webhook": map[string]any{"register": false}}, "audit": map[string]any{"enabled": true}},
	})
	pods := shared.Pods(agentNamespace, nil)
	if len(pods) != 1 {
		b.Fatalf("%d pods", len(pods))
	}
	pod := pods[0]
	for i := range benchNamespaces {
		kubectl(b, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: bench-%d}\n", i), "apply", "-f", "-")
	}
	// Controllers would change statuses while we measure.
	if err := shared.PauseControllers(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := shared.ResumeControllers(); err != nil {
			b.Error(err)
		}
	})
	began := time.Now()
	storeObjects(b, n)
	b.Logf("%d objects written in %s", n, time.Since(began).Round(time.Second))
	// The agent hears of no policy until all are there, and then begins as a new one, which has nothing to go by.
	if err := pod.Pause(); err != nil {
		b.Fatal(err)
	}
	policies := applyBenchPolicies(b)
	kubectl(b, policyOf("e2e.bench-change", "!has(object.metadata.labels) || !('bad' in object.metadata.labels)", "enforce: false", "targets: {kinds: [Service], namespaces: [bench-0]}"), "apply", "-f", "-")
	kubectl(b, "", "-n", agentNamespace, "delete", "configmap", "policy-agent-audit", "--ignore-not-found")
	if err := pod.Kill(); err != nil {
		b.Fatal(err)
	}
	earlier, err := shared.Requests(agentUser)
	if err != nil {
		b.Fatal(err)
	}
	pass := awaitPass(b)
	used := cpu(b, pod.PID())
	objects, judged, open := 0, 0, 0
	for _, c := range pass.Kinds {
		objects, judged, open = objects+c.Objects, judged+c.Judged, open+c.Open
	}
	took := pass.End.Sub(pass.Start)
	reads := 0
	requests, err := shared.Requests(agentUser)
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range requests[len(earlier):] {
		name := r.ObjectRef.Resource
		if r.ObjectRef.APIGroup != "" {
			name += "." + r.ObjectRef.APIGroup
		}
		if _, audited := pass.Kinds[name]; audited && (r.Verb == "list" || r.Verb == "watch") {
			reads++
		}
	}

	judgedBefore, listsBefore := metric(b, pod, "assay_audit_pairs_total", `outcome="judged"`), metric(b, pod, "assay_audit_lists_total")
	// Another text of one policy that targets all workloads: as many kinds are read again as it targets and the cluster has.
	name, kinds := workloadPolicy(b)
	start := time.Now()
	kubectl(b, "", "patch", "policy", name, "--type=merge", "-p", `{"spec":{"description":"Changed by the benchmark."}}`)
	var lists, judgedAgain float64
	longEventually(b, "the kinds of the policy are read again", func() error {
		if lists = metric(b, pod, "assay_audit_lists_total") - listsBefore; lists < float64(kinds) {
			return fmt.Errorf("%v of %d", lists, kinds)
		}
		if judgedAgain = metric(b, pod, "assay_audit_pairs_total", `outcome="judged"`) - judgedBefore; judgedAgain == 0 {
			return fmt.Errorf("nothing was judged by %s in %v lists", name, lists)
		}
		return nil
	})
	again := time.Since(start)

	var found []time.Duration
	for i := range 20 {
		start := time.Now()
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "bench-0", Name: fmt.Sprint("changed-", i), Labels: map[string]string{"bad": "yes"}}, Spec: corev1.ServiceSpec{ClusterIP: "None"}}
		if _, err := shared.Client.CoreV1().Services("bench-0").Create(b.Context(), service, metav1.CreateOptions{}); err != nil {
			b.Fatal(err)
		}
		longEventually(b, "the finding", func() error {
			if open := metric(b, pod, "assay_audit_open_findings", `policy="e2e.bench-change"`); open != float64(i+1) {
				return fmt.Errorf("%v", open)
			}
			return nil
		})
		found = append(found, time.Since(start))
	}

	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(policies), "policies")
	b.ReportMetric(float64(objects), "objects")
	b.ReportMetric(took.Seconds(), "first-pass-s")
	b.ReportMetric(float64(objects)/took.Seconds(), "objects/s")
	b.ReportMetric(float64(judged), "pairs")
	b.ReportMetric(float64(open), "open")
	b.ReportMetric(used.Seconds(), "cpu-s")
	b.ReportMetric(float64(reads), "requests")
	b.ReportMetric(float64(len(pass.Kinds)), "kinds")
	b.ReportMetric(memory(b, pod.PID(), "VmHWM"), "peak-rss-MB")
	b.ReportMetric(memory(b, pod.PID(), "VmRSS"), "rss-MB")
	b.ReportMetric(again.Seconds(), "policy-change-s")
	b.ReportMetric(lists, "policy-change-lists")
	b.ReportMetric(judgedAgain, "policy-change-pairs")
	b.ReportMetric(ms(percentile(found, 50)), "object-change-p50-ms")
	b.ReportMetric(ms(percentile(found, 100)), "object-change-max-ms")
}

// passKind and passRecord are what the record of a full audit tells.
type passKind struct{ Objects, Judged, Open int }

type passRecord struct {
	Start, End time.Time
	Kinds      map[string]passKind
}

func awaitPass(b *testing.B) passRecord {
	b.Helper()
	var pass passRecord
	longEventually(b, "the first full audit", func() error {
		record, err := shared.Client.CoreV1().ConfigMaps(agentNamespace).Get(b.Context(), "policy-agent-audit", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if record.Data["last"] == "" {
			return fmt.Errorf("it goes on: %s", record.Data["running"])
		}
		return json.Unmarshal([]byte(record.Data["last"]), &pass)
	})
	return pass
}

// longEventually is for what takes long with many objects.
func longEventually(b *testing.B, what string, ask func() error) {
	b.Helper()
	end := time.Now().Add(time.Hour)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			b.Fatalf("%s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// workloadPolicy is a policy that targets workloads, and how many kinds.
func workloadPolicy(b *testing.B) (name string, kinds int) {
	b.Helper()
	var all struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     struct{ Targets struct{ Kinds []string } }
		}
	}
	if err := json.Unmarshal([]byte(kubectl(b, "", "get", "policies", "-o", "json")), &all); err != nil {
		b.Fatal(err)
	}
	for _, p := range all.Items {
		if kinds := p.Spec.Targets.Kinds; len(kinds) > 5 && slices.Contains(kinds, "Deployment") {
			return p.Metadata.Name, len(kinds)
		}
	}
	b.Fatal("no policy targets workloads")
	return "", 0
}

// storeObjects writes n objects into etcd.
func storeObjects(b *testing.B, n int) {
	b.Helper()
	const together = 100 // etcd takes 128 operations at once
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				first := int(next.Add(together)) - together
				if first >= n || b.Context().Err() != nil {
					return
				}
				var some []cluster.Stored
				for i := first; i < min(first+together, n); i++ {
					some = append(some, benchStored(b, i))
				}
				if err := shared.Store(b.Context(), some); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	workers.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// benchStored is the i-th object as the API server would have written it.
func benchStored(b *testing.B, i int) cluster.Stored {
	resource, o := benchObject(i)
	o.SetUID(types.UID(fmt.Sprintf("%08x-%04x-4000-8000-%012x", uint32(i)*2654435761, i%65536, i))) //nolint:gosec // spread over the shards
	o.SetCreationTimestamp(metav1.NewTime(time.Unix(1_700_000_000, 0)))
	o.SetGeneration(1)
	content, err := o.MarshalJSON()
	if err != nil {
		b.Error(err)
	}
	folder := resource.Resource
	if folder == "services" {
		folder = "services/specs"
	}
	return cluster.Stored{Key: folder + "/" + o.GetNamespace() + "/" + o.GetName(), JSON: content}
}

// benchObject is the i-th of many different objects.
func benchObject(i int) (schema.GroupVersionResource, *unstructured.Unstructured) {
	random := rand.New(rand.NewPCG(uint64(i), 1)) //nolint:gosec // the same objects each time
	name, app := fmt.Sprintf("object-%d", i), fmt.Sprintf("app-%d", random.IntN(500))
	labels := map[string]any{"app.kubernetes.io/name": app, "app.kubernetes.io/part-of": fmt.Sprint("system-", random.IntN(30)), "team": fmt.Sprint("team-", random.IntN(40))}
	object := func(apiVersion, kind string, spec map[string]any) *unstructured.Unstructured {
		o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{
			"name": name, "namespace": fmt.Sprintf("bench-%d", i%benchNamespaces), "labels": labels,
			"annotations": map[string]any{"example.com/owner": "someone@example.com", "example.com/revision": fmt.Sprintf("%x", random.Uint64())},
		}}}
		if spec != nil {
			o.Object["spec"] = spec
		}
		return o
	}
	gvr := func(group, resource string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}
	}
	template := map[string]any{"metadata": map[string]any{"labels": labels}, "spec": benchPodSpec(random)}
	selector := map[string]any{"matchLabels": map[string]any{"app.kubernetes.io/name": app}}
	job := func() map[string]any {
		spec := benchPodSpec(random)
		spec["restartPolicy"] = "Never"
		return map[string]any{"suspend": true, "template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": spec}}
	}
	switch p := i % 100; {
	case p < 25: // a paused Deployment makes no ReplicaSet
		return gvr("apps", "deployments"), object("apps/v1", "Deployment", map[string]any{"paused": true, "replicas": int64(random.IntN(4)), "selector": selector, "template": template})
	case p < 35:
		return gvr("apps", "statefulsets"), object("apps/v1", "StatefulSet", map[string]any{"replicas": int64(0), "serviceName": app, "selector": selector, "template": template})
	case p < 45:
		return gvr("apps", "replicasets"), object("apps/v1", "ReplicaSet", map[string]any{"replicas": int64(0), "selector": selector, "template": template})
	case p < 52:
		return gvr("batch", "cronjobs"), object("batch/v1", "CronJob", map[string]any{"schedule": "0 3 * * *", "suspend": true, "jobTemplate": map[string]any{"spec": job()}})
	case p < 57:
		return gvr("batch", "jobs"), object("batch/v1", "Job", job())
	case p < 72: // nobody schedules it
		spec := benchPodSpec(random)
		return gvr("", "pods"), object("v1", "Pod", spec)
	case p < 84:
		return gvr("", "services"), object("v1", "Service", map[string]any{
			"clusterIP": "None", "selector": map[string]any{"app.kubernetes.io/name": app}, "ports": []any{map[string]any{"port": int64(8000 + random.IntN(100)), "name": "http"}},
		})
	case p < 92:
		o := object("v1", "ConfigMap", nil)
		o.Object["data"] = map[string]any{"application.yaml": fmt.Sprintf("server:\n  port: %d\nlogging: {level: info}\nfeature: %x\n", 8000+random.IntN(100), random.Uint64())}
		return gvr("", "configmaps"), o
	case p < 96:
		o := object("rbac.authorization.k8s.io/v1", "Role", nil)
		o.Object["rules"] = []any{map[string]any{"apiGroups": []any{""}, "resources": []any{"pods", "services"}, "verbs": []any{"get", "list", "watch"}}}
		return gvr("rbac.authorization.k8s.io", "roles"), o
	}
	return gvr("", "serviceaccounts"), object("v1", "ServiceAccount", nil)
}

// benchPodSpec is a pod as teams write them: some care for resources, probes and users, some do not.
func benchPodSpec(random *rand.Rand) map[string]any {
	var containers []any
	for c := range 1 + random.IntN(3) {
		container := map[string]any{
			"name": fmt.Sprint("c", c), "image": fmt.Sprintf("registry.example.com/team-%d/app-%d:%d.%d", random.IntN(40), random.IntN(500), random.IntN(5), random.IntN(20)),
			"ports": []any{map[string]any{"containerPort": int64(8080 + c), "name": fmt.Sprint("http-", c)}},
			"env":   []any{map[string]any{"name": "LOG_LEVEL", "value": "info"}, map[string]any{"name": "REGION", "value": fmt.Sprint("eu-", random.IntN(3))}, map[string]any{"name": "JAVA_OPTS", "value": "-Xmx512m"}},
		}
		if random.IntN(3) > 0 {
			container["resources"] = map[string]any{"requests": map[string]any{"cpu": "100m", "memory": "128Mi"}, "limits": map[string]any{"memory": "512Mi"}}
		}
		if random.IntN(2) > 0 {
			container["securityContext"] = map[string]any{"runAsNonRoot": true, "allowPrivilegeEscalation": random.IntN(3) == 0, "capabilities": map[string]any{"drop": []any{"ALL"}}}
		}
		if random.IntN(2) > 0 {
			container["livenessProbe"] = map[string]any{"httpGet": map[string]any{"path": "/healthz", "port": int64(8080)}}
			container["readinessProbe"] = map[string]any{"httpGet": map[string]any{"path": "/ready", "port": int64(8080)}}
		}
		containers = append(containers, container)
	}
	return map[string]any{
		"serviceAccountName": "default", "containers": containers, "securityContext": map[string]any{"fsGroup": int64(2000)},
		"volumes": []any{map[string]any{"name": "tmp", "emptyDir": map[string]any{}}},
	}
}

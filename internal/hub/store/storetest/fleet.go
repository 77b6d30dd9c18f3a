package storetest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
)

// Fleet makes what the agents of many clusters send, for measuring: Deployments as people write them, five findings of each by 25 policies, four
// namespaces of a tenant, and results over the days before Start. In each round an audit pass says something of each violation. An object
// stays what it is from one round to the next but for one of ten, which has changed.
type Fleet struct{ Clusters, Violations int }

// FleetDays is how many days before Start the first results are.
const FleetDays = 90

// Cluster is the name of one.
func (f Fleet) Cluster(i int) string { return fmt.Sprintf("cluster-%02d", i%f.Clusters) }

// Batch is the n-th batch of a round, of the cluster n; the last ones may have less than size results, or none. As those that
// the hub reads, results of one object share its manifest.
func (f Fleet) Batch(n, round, rounds, size int) []*sink.Result {
	first := n / f.Clusters * size
	results := make([]*sink.Result, 0, size)
	for i := range size {
		if v := (first+i)*f.Clusters + n%f.Clusters; v < f.Violations {
			var before *sink.Result
			if n := len(results); n > 0 {
				before = results[n-1]
			}
			results = append(results, f.result(v, round, rounds, before))
		}
	}
	return results
}

// Batches is how many batches of a size a round has.
func (f Fleet) Batches(size int) int {
	return (f.Violations + size*f.Clusters - 1) / (size * f.Clusters) * f.Clusters
}

// Result is what is said at a round of the violation i: opened in the first, then resolved and opened again now and then, and
// unchanged otherwise.
func (f Fleet) Result(i, round, rounds int) *sink.Result { return f.result(i, round, rounds, nil) }

// result has the manifest of the one before when that is about the same object.
func (f Fleet) result(i, round, rounds int, before *sink.Result) *sink.Result {
	n := i / f.Clusters // in its cluster
	object, rule := n/5, n%5*5+n/5%5
	// How often the object has changed.
	changed := (object + round) / 10
	namespace := fmt.Sprintf("team-%03d-%s", object/40%250, []string{"dev", "test", "stage", "prod"}[object%4])
	name := fmt.Sprintf("%s-%s-%d", []string{"payments", "checkout", "inventory", "web-frontend", "report-worker"}[object%5], []string{"api", "worker", "cache"}[object%3], object)
	id, uid := uuidOf(fmt.Sprint(i, "/", round)), uuidOf(fmt.Sprint(i%f.Clusters, "/", object))
	life := Life(sink.Unchanged, "")
	switch {
	case round == 0:
		life = Life(sink.Opened, "")
	case (i+round)%10 == 0:
		life = Life(sink.Resolved, "object fixed")
	case (i+round)%10 == 1:
		life = Life(sink.Opened, "")
	case i%10 == 3 && i/10%4 == 0:
		life = Admission(i%20 == 3)
	}
	at := -FleetDays*24*time.Hour + time.Duration(round)*FleetDays*24*time.Hour/time.Duration(rounds) + time.Duration(i)*time.Millisecond
	policyName := fmt.Sprintf("Containers Must Not Do Thing Number %d", rule)
	return Result(id, Object("Deployment", namespace, name),
		Policy(fmt.Sprintf("weave.policies.containers-thing-%d", rule), policyName, "weave.categories."+[]string{"pod-security", "reliability", "networking"}[rule%3],
			[]string{"low", "medium", "high"}[rule%3], weave.Standard{ID: "weave.standards.cis-benchmark", Controls: []string{fmt.Sprint("5.2.", rule)}}, weave.Standard{ID: "weave.standards.soc2-type-i", Controls: []string{"1.6.1"}}),
		After(at), life, func(r *sink.Result) {
			v := &r.Validation
			v.Policy.Code = strings.Repeat("violation[result] { input.review.object.spec.template.spec.containers[_].x }\n", 20)
			v.Policy.Description, v.Policy.HowToSolve = strings.Repeat("Why it matters. ", 20), strings.Repeat("What to do. ", 20)
			v.Entity.ID, v.Entity.ResourceVersion = uid, fmt.Sprint(1_000_000+object+1000*changed)
			if before != nil && before.Validation.Entity.ID == uid {
				v.Entity.Manifest = before.Validation.Entity.Manifest
			} else {
				v.Entity.Manifest = manifest(namespace, name, uid, v.Entity.ResourceVersion, object, changed)
			}
			r.Workspace = namespace[:8]
			r.Pass = uuidOf(fmt.Sprint("pass-", i%f.Clusters, "-", round))
			r.App = &sink.App{Kind: "Kustomization", Name: namespace, Namespace: "flux-system", Revision: fmt.Sprintf("main@sha1:%040d", round)}
		})
}

func uuidOf(seed string) string {
	sum := sha256.Sum256([]byte(seed))
	text := hex.EncodeToString(sum[:16])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

func manifest(namespace, name, uid, version string, n, changed int) map[string]any {
	labels := map[string]any{"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "Helm", "kustomize.toolkit.fluxcd.io/name": namespace, "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
	container := map[string]any{
		"name": "main", "image": fmt.Sprintf("registry.example.com/%s:v1.%d.%d", name, n%7, changed), "imagePullPolicy": "IfNotPresent",
		"ports":         []any{map[string]any{"containerPort": 8080 + n%100, "protocol": "TCP", "name": "http"}},
		"env":           []any{map[string]any{"name": "LOG_LEVEL", "value": "info"}, map[string]any{"name": "REGION", "value": fmt.Sprint("region-", n%9)}},
		"resources":     map[string]any{"limits": map[string]any{"cpu": "500m", "memory": "256Mi"}, "requests": map[string]any{"cpu": fmt.Sprint(n%500, "m"), "memory": "128Mi"}},
		"livenessProbe": map[string]any{"httpGet": map[string]any{"path": "/healthz", "port": "http"}, "periodSeconds": 10},
	}
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{
			"name": name, "namespace": namespace, "uid": uid, "labels": labels, "generation": n%50 + changed, "resourceVersion": version,
			"creationTimestamp": "2026-01-02T03:04:05Z",
		},
		"spec": map[string]any{
			"replicas": n%4 + 1, "selector": map[string]any{"matchLabels": map[string]any{"app.kubernetes.io/name": name}},
			"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{"containers": []any{container}, "serviceAccountName": name}},
		},
	}
}

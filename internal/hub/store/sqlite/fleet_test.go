package sqlite

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
)

// fleet makes what the agents of many clusters send: Deployments as people write them, 25 policies, four namespaces of a tenant, and
// results over the days before storetest.Start.
type fleet struct{ clusters, violations int }

const fleetDays = 90

func (f fleet) cluster(i int) string { return fmt.Sprintf("cluster-%02d", i%f.clusters) }

// result is what is said at a round of the violation i: opened in the first, then resolved and opened again now and then, and
// unchanged otherwise.
func (f fleet) result(i, round, rounds int) *sink.Result {
	n := i / f.clusters // in its cluster
	object, rule := n/5, n%5*5+n/5%5
	namespace := fmt.Sprintf("team-%03d-%s", object/40%250, []string{"dev", "test", "stage", "prod"}[object%4])
	name := fmt.Sprintf("%s-%s-%d", []string{"payments", "checkout", "inventory", "web-frontend", "report-worker"}[object%5], []string{"api", "worker", "cache"}[object%3], object)
	id := sha256.Sum256([]byte(fmt.Sprint(i, "/", round)))
	text := hex.EncodeToString(id[:16])
	life := storetest.Life(sink.Unchanged, "")
	switch {
	case round == 0:
		life = storetest.Life(sink.Opened, "")
	case (i+round)%10 == 0:
		life = storetest.Life(sink.Resolved, "object fixed")
	case (i+round)%10 == 1:
		life = storetest.Life(sink.Opened, "")
	case i%10 == 3 && i/10%4 == 0:
		life = storetest.Admission(i%20 == 3)
	}
	at := -fleetDays*24*time.Hour + time.Duration(round)*fleetDays*24*time.Hour/time.Duration(rounds) + time.Duration(i)*time.Millisecond
	policyName := fmt.Sprintf("Containers Must Not Do Thing Number %d", rule)
	return storetest.Result(text[:8]+"-"+text[8:12]+"-"+text[12:16]+"-"+text[16:20]+"-"+text[20:],
		storetest.Object("Deployment", namespace, name),
		storetest.Policy(fmt.Sprintf("weave.policies.containers-thing-%d", rule), policyName, "weave.categories."+[]string{"pod-security", "reliability", "networking"}[rule%3],
			[]string{"low", "medium", "high"}[rule%3], weave.Standard{ID: "weave.standards.cis-benchmark", Controls: []string{fmt.Sprint("5.2.", rule)}}, weave.Standard{ID: "weave.standards.soc2-type-i", Controls: []string{"1.6.1"}}),
		storetest.After(at), life, func(r *sink.Result) {
			v := &r.Validation
			v.Policy.Code = strings.Repeat("violation[result] { input.review.object.spec.template.spec.containers[_].x }\n", 20)
			v.Policy.Description, v.Policy.HowToSolve = strings.Repeat("Why it matters. ", 20), strings.Repeat("What to do. ", 20)
			v.Entity.ID = text[:8] + "-1111-4111-8111-" + text[20:]
			v.Entity.Manifest = manifest(namespace, name, v.Entity.ID, object)
			v.Entity.ResourceVersion = fmt.Sprint(1_000_000 + i)
			r.Workspace = namespace[:8]
			r.Pass = fmt.Sprintf("pass-%d-%d", i%f.clusters, round)
			r.App = &sink.App{Kind: "Kustomization", Name: namespace, Namespace: "flux-system", Revision: fmt.Sprintf("main@sha1:%040d", round)}
		})
}

func manifest(namespace, name, uid string, n int) map[string]any {
	labels := map[string]any{"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "Helm", "kustomize.toolkit.fluxcd.io/name": namespace, "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
	container := map[string]any{
		"name": "main", "image": fmt.Sprintf("registry.example.com/%s:v1.%d.%d", name, n%7, n%13), "imagePullPolicy": "IfNotPresent",
		"ports":         []any{map[string]any{"containerPort": 8080 + n%100, "protocol": "TCP", "name": "http"}},
		"env":           []any{map[string]any{"name": "LOG_LEVEL", "value": "info"}, map[string]any{"name": "REGION", "value": fmt.Sprint("region-", n%9)}},
		"resources":     map[string]any{"limits": map[string]any{"cpu": "500m", "memory": "256Mi"}, "requests": map[string]any{"cpu": fmt.Sprint(n%500, "m"), "memory": "128Mi"}},
		"livenessProbe": map[string]any{"httpGet": map[string]any{"path": "/healthz", "port": "http"}, "periodSeconds": 10},
	}
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": name, "namespace": namespace, "uid": uid, "labels": labels, "generation": n % 50, "creationTimestamp": "2026-01-02T03:04:05Z"},
		"spec": map[string]any{
			"replicas": n%4 + 1, "selector": map[string]any{"matchLabels": map[string]any{"app.kubernetes.io/name": name}},
			"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{"containers": []any{container}, "serviceAccountName": name}},
		},
	}
}

package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/assay-gitops/assay/policy"
)

// The names that things of the fleet have.
var (
	teams    = []string{"accounts", "billing", "catalog", "checkout", "crm", "data-platform", "fraud", "identity", "inventory", "logistics", "mobile", "notifications", "payments", "pricing", "recommendations", "returns", "search", "storefront", "suppliers", "warehouse"}
	stages   = []string{"", "-jobs", "-preview", "-staging"}
	services = []string{"api", "worker", "frontend", "cache", "scheduler", "gateway", "importer", "exporter", "consumer", "webhooks", "reports", "admin"}
	people   = []string{"amara@shop.example", "jonas@shop.example", "li.wei@shop.example", "nadia@shop.example", "tomas@shop.example", "system:serviceaccount:flux-system:kustomize-controller", "system:serviceaccount:flux-system:helm-controller"}
)

// thing is an object of the fleet and whose it is.
type thing struct {
	object *policy.Object
	team   string
}

// place is where a thing is.
type place struct{ team, namespace, app, name string }

// newThing makes one up, with what people get wrong.
func newThing(r *rand.Rand, n int) thing {
	team := pick(r, teams)
	p := place{team: team, namespace: team + pick(r, stages), app: team}
	p.name = fmt.Sprintf("%s-%s", team, pick(r, services))
	if n >= len(teams)*len(services) {
		p.name = fmt.Sprintf("%s-%d", p.name, n)
	}
	var content map[string]any
	switch x := r.IntN(100); {
	case x < 55:
		content = workload(r, p, "Deployment")
	case x < 65:
		content = workload(r, p, "StatefulSet")
	case x < 75:
		content = workload(r, p, "CronJob")
	case x < 82:
		content = object("v1", "Service", p)
		content["spec"] = map[string]any{"type": pick(r, []string{"ClusterIP", "NodePort", "LoadBalancer", "LoadBalancer"}), "ports": []any{map[string]any{"port": int64(80), "targetPort": "http"}}}
	case x < 89:
		content = object("networking.k8s.io/v1", "Ingress", p)
		rule := map[string]any{"http": map[string]any{"paths": []any{map[string]any{"path": "/", "pathType": "Prefix", "backend": map[string]any{"service": map[string]any{"name": p.name, "port": map[string]any{"name": "http"}}}}}}}
		rule["host"] = pick(r, []string{p.name + ".shop.example", "*.shop.example"})
		content["spec"] = map[string]any{"ingressClassName": "nginx", "rules": []any{rule}}
	case x < 95:
		content = object("rbac.authorization.k8s.io/v1", "Role", p)
		content["rules"] = []any{map[string]any{"apiGroups": []any{pick(r, []string{"", "*"})}, "resources": []any{pick(r, []string{"*", "secrets", "pods/exec"})}, "verbs": []any{pick(r, []string{"*", "list", "watch"})}}}
	default:
		content = object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", p)
		content["spec"] = map[string]any{"interval": pick(r, []string{"10m", "5s"}), "prune": often(r, 50), "path": "./" + p.name, "sourceRef": map[string]any{"kind": "GitRepository", "name": team, "namespace": pick(r, []string{p.namespace, "flux-system"})}}
	}
	return thing{&policy.Object{Content: content}, team}
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// often is true in so many of a hundred.
func often(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func object(apiVersion, kind string, p place) map[string]any {
	owner := "kustomize"
	if len(p.name)%3 == 0 {
		owner = "helm"
	}
	labels := map[string]any{"app.kubernetes.io/name": p.name, "app.kubernetes.io/part-of": p.team, owner + ".toolkit.fluxcd.io/name": p.app, owner + ".toolkit.fluxcd.io/namespace": "flux-system"}
	return map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": p.name, "namespace": p.namespace, "labels": labels, "resourceVersion": "1"}}
}

func workload(r *rand.Rand, p place, kind string) map[string]any {
	version := "apps/v1"
	if kind == "CronJob" {
		version = "batch/v1"
	}
	content := object(version, kind, p)
	labels := map[string]any{"app.kubernetes.io/name": p.name}
	pod := map[string]any{"containers": []any{container(r, p, "app")}}
	if often(r, 25) {
		pod["containers"] = append(pod["containers"].([]any), container(r, p, "metrics"))
	}
	pod["securityContext"] = map[string]any{"runAsNonRoot": often(r, 80), "seccompProfile": map[string]any{"type": "RuntimeDefault"}}
	pod["automountServiceAccountToken"] = often(r, 30)
	if often(r, 3) {
		pod["hostNetwork"] = true
	}
	if often(r, 4) {
		pod["volumes"] = []any{map[string]any{"name": "host", "hostPath": map[string]any{"path": "/var/lib/" + p.team}}}
	}
	template := map[string]any{"metadata": map[string]any{"labels": labels}, "spec": pod}
	spec := map[string]any{"template": template}
	switch kind {
	case "CronJob":
		pod["restartPolicy"] = "OnFailure"
		spec = map[string]any{"schedule": fmt.Sprintf("%d * * * *", r.IntN(60)), "jobTemplate": map[string]any{"spec": spec}}
	case "StatefulSet":
		spec["serviceName"] = p.name
		fallthrough
	default:
		spec["replicas"] = pick(r, []int64{1, 2, 2, 3})
		spec["selector"] = map[string]any{"matchLabels": labels}
	}
	content["spec"] = spec
	return content
}

func container(r *rand.Rand, p place, name string) map[string]any {
	c := map[string]any{
		"name": name, "ports": []any{map[string]any{"name": "http", "containerPort": int64(8080)}},
		"image": pick(r, []string{"registry.shop.example/", "registry.shop.example/", "docker.io/acme/"}) + p.name + pick(r, []string{":latest", ":1.12.3", ":2.0.1", ":3.4.0", "@sha256:6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090"}),
		"env":   []any{map[string]any{"name": "LOG_LEVEL", "value": "info"}, map[string]any{"name": "REGION", "value": "eu-central"}},
	}
	if often(r, 85) {
		c["resources"] = map[string]any{"requests": map[string]any{"cpu": "100m", "memory": "128Mi"}, "limits": map[string]any{"memory": "256Mi"}}
	}
	if often(r, 70) {
		c["readinessProbe"] = map[string]any{"httpGet": map[string]any{"path": "/readyz", "port": "http"}}
	}
	if often(r, 60) {
		c["livenessProbe"] = map[string]any{"httpGet": map[string]any{"path": "/healthz", "port": "http"}}
	}
	security := map[string]any{"allowPrivilegeEscalation": often(r, 10), "readOnlyRootFilesystem": often(r, 65), "capabilities": map[string]any{"drop": []any{"ALL"}}}
	if often(r, 4) {
		security["privileged"], security["allowPrivilegeEscalation"] = true, true
	}
	if often(r, 8) {
		security["capabilities"] = map[string]any{"add": []any{pick(r, []string{"NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE"})}}
	}
	c["securityContext"] = security
	return c
}

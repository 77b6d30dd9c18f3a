package kustomize

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/policy"
)

// TestEveryFieldLeadsToTheLineThatSetIt places a field by each mechanism of kustomize.
func TestEveryFieldLeadsToTheLineThatSetIt(t *testing.T) {
	dir := unpack(t, shop)
	for _, c := range []struct {
		top, kind, path string
		// file and line are where a person edits, then what leads there.
		file, line string
		then       string
	}{
		// The base alone.
		{"base", "Deployment", "spec.replicas", "base/deployment.yaml", "replicas: 1", ""},
		{"base", "Deployment", "spec.template.spec.containers[1].image", "base/deployment.yaml", "image: nginx:latest", ""},
		{"base", "Deployment", "spec.template.spec.containers[1].securityContext.runAsNonRoot", "base/deployment.yaml", "securityContext:", ""},
		{"base", "ConfigMap", "data.LOG", "base/kustomization.yaml", "- LOG=debug", ""},
		{"base", "ConfigMap", `data["app.conf"]`, "base/app.conf", "key = value", ""},
		{"base", "ConfigMap", "data.MODE", "base/app.env", "MODE=fast", ""},
		{"base", "Secret", "data.TOKEN", "base/kustomization.yaml", "- TOKEN=hunter2", ""},
		{"base", "ConfigMap", "metadata.labels", "base/kustomization.yaml", "- name: settings", ""},

		// A layer over it.
		{"mid", "Deployment", "spec.template.spec.containers[web].securityContext.privileged", "mid/privileged.yaml", "privileged: true", "privileged: false"},
		{"mid", "Deployment", "spec.template.spec.containers[web].resources.limits.memory", "mid/privileged.yaml", "memory: 1Gi", ""},
		{"mid", "Deployment", "spec.template.spec.containers[web].resources.limits.cpu", "base/deployment.yaml", "cpu: 100m", ""},
		{"mid", "Deployment", "spec.template.spec.containers[sidecar].image", "mid/privileged.yaml", "image: busybox:1", ""},
		{"mid", "Deployment", "spec.template.spec.containers[sidecar].env[0].value", "mid/privileged.yaml", "value: b", ""},
		{"mid", "Deployment", "spec.template.spec.containers[sidecar].securityContext", "mid/privileged.yaml", "- name: sidecar", ""},
		{"mid", "Deployment", "spec.template.spec.hostPID", "component/kustomization.yaml", "value: true", ""},
		{"mid", "Deployment", "metadata.name", "mid/kustomization.yaml", "nameSuffix: -mid", "name: web"},
		{"mid", "Deployment", "metadata.annotations.owner", "mid/kustomization.yaml", "owner: mid", ""},
		{"mid", "Service", "spec.type", "base/service.yaml", "type: ClusterIP", ""},

		// Two layers over it.
		{"top", "Deployment", "spec.replicas", "top/kustomization.yaml", "count: 5", "replicas: 1"},
		{"top", "Deployment", "spec.template.spec.containers[web].image", "top/kustomization.yaml", `newTag: "1.27"`, "image: nginx:latest"},
		{"top", "Deployment", "spec.template.spec.containers[web].imagePullPolicy", "base/deployment.yaml", "imagePullPolicy: Never", ""},
		{"top", "Deployment", "spec.template.spec.containers[web].securityContext.privileged", "mid/privileged.yaml", "privileged: true", "privileged: false"},
		{"top", "Deployment", "spec.template.spec.containers[proxy].image", "top/kustomization.yaml", "- spec.template.spec.containers.[name=proxy].image", "image: envoy:v1"},
		{"top", "Deployment", "spec.template.spec.hostNetwork", "top/ops.yaml", "value: false", "hostNetwork: true"},
		{"top", "Deployment", "spec.template.spec.volumes[0].hostPath.path", "top/ops.yaml", "path: /etc", ""},
		{"top", "Deployment", "spec.template.spec.hostIPC", "top/kustomization.yaml", "hostIPC: true", ""},
		{"top", "Deployment", "spec.template.spec.hostPID", "component/kustomization.yaml", "value: true", ""},
		{"top", "Deployment", "metadata.namespace", "top/kustomization.yaml", "namespace: prod", ""},
		{"top", "Deployment", "metadata.name", "top/kustomization.yaml", "namePrefix: prod-", "name: web"},
		{"top", "Deployment", "metadata.labels.team", "top/kustomization.yaml", "team: shop", ""},
		{"top", "Deployment", "spec.template.metadata.labels.team", "top/kustomization.yaml", "team: shop", ""},
		{"top", "Deployment", "spec.selector.matchLabels.app", "top/kustomization.yaml", "app: web", ""},
		{"top", "Service", "spec.type", "top/nodeport.yaml", "type: NodePort", "type: ClusterIP"},
		{"top", "Service", "spec.ports[0].port", "base/service.yaml", "- port: 80", ""},
		{"top", "ConfigMap", "data.LOG", "base/kustomization.yaml", "- LOG=debug", ""},
	} {
		t.Run(c.top+" "+c.kind+" "+c.path, func(t *testing.T) {
			o := find(t, dir, c.top, c.kind)
			locations := o.Origin.Field(parse(t, o, c.path))
			at := locations[0]
			if line := lineOf(t, dir, at.File, at.Line); at.File != c.file || line != c.line {
				t.Fatalf("at %s:%d %q, want %s %q", at.File, at.Line, line, c.file, c.line)
			}
			if trimmed := strings.TrimPrefix(c.line, "- "); at.Column < 1 || !strings.HasPrefix(lineOf(t, dir, at.File, at.Line)[max(0, len(c.line)-len(trimmed)):], trimmed) {
				t.Errorf("column %d", at.Column)
			}
			if c.then != "" {
				if len(locations) < 2 || lineOf(t, dir, locations[1].File, locations[1].Line) != c.then || locations[1].Note == "" {
					t.Errorf("then %+v, want %q", locations[1:], c.then)
				}
			}
			if c.top != filepath.Dir(c.file) && !hasFile(locations, c.top+"/kustomization.yaml") {
				t.Errorf("%+v do not name what was built", locations)
			}
			if o.Origin.Root() != c.top {
				t.Errorf("root %q", o.Origin.Root())
			}
		})
	}
}

func hasFile(locations []policy.Location, file string) bool {
	for _, l := range locations {
		if l.File == file {
			return true
		}
	}
	return false
}

// parse understands [name] as the container of that name, whose index differs from layer to layer.
func parse(t *testing.T, o *policy.Object, path string) policy.Path {
	t.Helper()
	containers, _ := at(o.Content, policy.Path{policy.Key("spec"), policy.Key("template"), policy.Key("spec"), policy.Key("containers")}).([]any)
	for i, c := range containers {
		name := c.(map[string]any)["name"].(string)
		path = strings.ReplaceAll(path, "["+name+"]", policy.Path{policy.Index(i)}.String())
	}
	parsed, err := policy.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func build(t testing.TB, dir, top string) Result {
	t.Helper()
	return Build(context.Background(), filepath.Join(dir, top), Options{Root: dir})
}

func find(t testing.TB, dir, top, kind string) *policy.Object {
	t.Helper()
	result := build(t, dir, top)
	if len(result.Problems) > 0 {
		t.Fatalf("problems %+v", result.Problems)
	}
	for _, o := range result.Objects {
		if o.Kind() == kind {
			return o
		}
	}
	t.Fatalf("%s has no %s", top, kind)
	return nil
}

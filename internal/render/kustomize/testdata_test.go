package kustomize

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// unpack writes an archive to a folder and returns the folder.
func unpack(tb testing.TB, archive string) string {
	tb.Helper()
	// The real path, since kustomize speaks of files by theirs.
	dir, err := filepath.EvalSymlinks(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	for _, file := range txtar.Parse([]byte(archive)).Files {
		path := filepath.Join(dir, file.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, file.Data, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// lineOf is the text of a line of a file below a folder.
func lineOf(tb testing.TB, dir, file string, n int) string {
	tb.Helper()
	content, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		tb.Fatal(err)
	}
	lines := bytes.Split(content, []byte("\n"))
	if n < 1 || n > len(lines) {
		tb.Fatalf("%s has no line %d", file, n)
	}
	return strings.TrimSpace(string(lines[n-1]))
}

// shop has every mechanism that can set a field.
const shop = `
-- base/kustomization.yaml --
resources:
- deployment.yaml
- service.yaml
configMapGenerator:
- name: settings
  literals:
  - LOG=debug
  files:
  - app.conf
  envs:
  - app.env
secretGenerator:
- name: token
  literals:
  - TOKEN=hunter2
-- base/app.conf --
key = value
-- base/app.env --
# comment
MODE=fast
-- base/deployment.yaml --
# the workload
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  template:
    spec:
      hostNetwork: true
      containers:
      - name: proxy
        image: envoy:v1
      - name: web
        image: nginx:latest
        imagePullPolicy: Never
        securityContext:
          privileged: false
        resources:
          limits:
            cpu: 100m
-- base/service.yaml --
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  type: ClusterIP
  ports:
  - port: 80
    name: http
-- component/kustomization.yaml --
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
- target: {kind: Deployment}
  patch: |-
    - op: add
      path: /spec/template/spec/hostPID
      value: true
-- mid/kustomization.yaml --
resources:
- ../base
components:
- ../component
nameSuffix: -mid
commonAnnotations:
  owner: mid
patches:
- path: privileged.yaml
-- mid/privileged.yaml --
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    spec:
      containers:
      - name: web
        securityContext:
          privileged: true
        resources:
          limits:
            memory: 1Gi
      - name: sidecar
        image: busybox:1
        env:
        - name: A
          value: b
-- top/kustomization.yaml --
resources:
- ../mid
- extra.yaml
namespace: prod
namePrefix: prod-
images:
- name: nginx
  newTag: "1.27"
replicas:
- name: web
  count: 5
labels:
- pairs:
    team: shop
  includeTemplates: true
commonLabels:
  app: web
patchesStrategicMerge:
- nodeport.yaml
- |-
  apiVersion: apps/v1
  kind: Deployment
  metadata:
    name: web
  spec:
    template:
      spec:
        hostIPC: true
patchesJson6902:
- target:
    group: apps
    version: v1
    kind: Deployment
    name: web
  path: ops.yaml
replacements:
- source:
    kind: Service
    name: web
    fieldPath: metadata.name
  targets:
  - select:
      kind: Deployment
      name: web
    fieldPaths:
    - spec.template.spec.containers.[name=proxy].image
-- top/nodeport.yaml --
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  type: NodePort
-- top/ops.yaml --
- op: replace
  path: /spec/template/spec/hostNetwork
  value: false
- op: add
  path: /spec/template/spec/volumes
  value:
  - name: host
    hostPath:
      path: /etc
-- top/extra.yaml --
apiVersion: v1
kind: ConfigMap
metadata:
  name: extra
data:
  a: b
`

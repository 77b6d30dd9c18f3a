package admission

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/internal/realdata"
	"github.com/assay-gitops/assay/library"
)

const benchDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {app.kubernetes.io/name: web, app.kubernetes.io/part-of: shop, owner: team}
spec:
  replicas: 3
  selector: {matchLabels: {app.kubernetes.io/name: web}}
  template:
    metadata: {labels: {app.kubernetes.io/name: web}}
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: web
        image: registry.example.org/web:1.2.3
        ports: [{name: http, containerPort: 8080}]
        env: [{name: MODE, value: production}]
        resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 128Mi}}
        livenessProbe: {httpGet: {path: /healthz, port: http}}
        readinessProbe: {httpGet: {path: /readyz, port: http}}
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
`

// benchPolicies are the 143 of the old library where they are there, else those that ship.
func benchPolicies(b *testing.B) []*v2.Policy {
	if realdata.Dir() != "" {
		return realdata.Policies(b)
	}
	shipped, err := catalog.Gather(library.FS, nil)
	if err != nil {
		b.Fatal(err)
	}
	return shipped.Sources.Policies
}

// One Deployment through the whole handler, but for the network.
func BenchmarkValidating(b *testing.B) {
	snapshot, _, err := engine.Compile(context.Background(), engine.Sources{Policies: benchPolicies(b)}, engine.Options{})
	if err != nil {
		b.Fatal(err)
	}
	namespace := map[string]any{"metadata": map[string]any{"name": "shop"}}
	o := Options{
		Snapshot:  func() *engine.Snapshot { return snapshot },
		Namespace: func(context.Context, string) (map[string]any, error) { return namespace, nil },
	}
	for name, test := range map[string]struct {
		handler http.Handler
		body    []byte
	}{
		"validating": {Validating(o), reviewJSON(b, asked(b, benchDeployment, ""))},
		"mutating":   {Mutating(o), reviewJSON(b, asked(b, benchDeployment, ""))},
		"exempt":     {Validating(o), reviewJSON(b, asked(b, `{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: x, namespace: shop}}`, ""))},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, "/admission?timeout=10s", bytes.NewReader(test.body))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				test.handler.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/assay-gitops/assay/e2e/flux"
)

func TestFluxAppliesWhatIsCommitted(t *testing.T) {
	git := startGit(t)
	commit, err := git.Commit(t.Context(), "fleet", "one", map[string]string{
		"apps/map.yaml":           "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-git, namespace: flux-bed}\ndata: {a: b}\n",
		"apps/kustomization.yaml": "resources: [map.yaml]\n",
		"chart/Chart.yaml":        "apiVersion: v2\nname: bed\nversion: 1.2.3\n",
		"chart/templates/m.yaml":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-chart}\ndata: {a: b}\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	startFlux(t, flux.Options{})
	if _, err := shared.Kubectl(t.Context(), "", "create", "namespace", "flux-bed"); err != nil {
		t.Fatal(err)
	}
	objects := fmt.Sprintf(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: fleet, namespace: flux-bed}
spec: {interval: 1h, url: %q, ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-bed}
spec: {interval: 1h, path: ./apps, prune: true, sourceRef: {kind: GitRepository, name: fleet}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: bed, namespace: flux-bed}
spec:
  interval: 1h
  chart: {spec: {chart: ./chart, sourceRef: {kind: GitRepository, name: fleet}}}
`, git.URL("fleet"))
	if _, err := shared.Kubectl(t.Context(), objects, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deleteFluxObjects(t, "flux-bed") })
	for object, want := range map[string]string{
		"configmap/from-git":   "kustomize.toolkit.fluxcd.io/name:apps",
		"configmap/from-chart": "helm.toolkit.fluxcd.io/name:bed",
		"kustomization/apps":   commit,
		"helmrelease/bed":      "1.2.3",
	} {
		eventually(t, object, func() error {
			out, err := shared.Kubectl(t.Context(), "", "-n", "flux-bed", "get", object, "-o", "jsonpath={.metadata.labels} {.status.lastAttemptedRevision}")
			if out = strings.ReplaceAll(out, `"`, ""); err == nil && !strings.Contains(out, want) {
				err = fmt.Errorf("%q has no %s", out, want)
			}
			return err
		})
	}
	checkRevisions(t, map[string][2]string{
		"Kustomization/flux-bed/apps": {"main@sha1:" + commit, "main@sha1:" + commit},
		"HelmRelease/flux-bed/bed":    {"main@sha1:" + commit, "main@sha1:" + commit},
	})

	// What cannot be applied was attempted.
	broken, err := git.Commit(t.Context(), "fleet", "two", map[string]string{
		"apps/map.yaml":           "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-git, namespace: flux-bed}\ndata: {a: [no, text]}\n",
		"apps/kustomization.yaml": "resources: [map.yaml]\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shared.Kubectl(t.Context(), "", "-n", "flux-bed", "annotate", "gitrepository/fleet", "reconcile.fluxcd.io/requestedAt=two"); err != nil {
		t.Fatal(err)
	}
	checkRevisions(t, map[string][2]string{"Kustomization/flux-bed/apps": {"main@sha1:" + broken, "main@sha1:" + commit}})
}

// checkRevisions has the part of Assay that knows what Flux attempted and applied tell that, by the application.
func checkRevisions(t *testing.T, wanted map[string][2]string) {
	t.Helper()
	all := map[string]map[string]string{}
	for name, r := range wanted {
		all[name] = map[string]string{"Attempted": r[0], "Applied": r[1]}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("ASSAY_TEST_FLUX_REVISIONS", string(text))
	testRoom(t, "internal/kube/fluxrevision", "InACluster")
}

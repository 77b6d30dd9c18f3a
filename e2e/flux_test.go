package e2e

import (
	"context"
	"os"
	"testing"

	"github.com/assay-gitops/assay/e2e/flux"
	"github.com/assay-gitops/assay/e2e/gitserver"
)

// startFlux starts Flux for the test, and logs what its controllers said when it has failed.
func startFlux(t *testing.T, o flux.Options) *flux.Flux {
	t.Helper()
	// Not the test's own folder, which would be removed before the controllers have ended.
	dir, err := os.MkdirTemp("", "assay-flux-")
	if err != nil {
		t.Fatal(err)
	}
	f, err := flux.Start(t.Context(), shared, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, name := range []string{flux.Notification, flux.Source, flux.Kustomize, flux.Helm} {
				t.Logf("%s:\n%s", name, f.Log(name))
			}
		}
		if err := f.Stop(); err != nil {
			t.Error(err)
		}
		os.RemoveAll(dir)
	})
	return f
}

func startGit(t *testing.T) *gitserver.Server {
	t.Helper()
	git, err := gitserver.Start(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { git.Close() })
	return git
}

// deleteFluxObjects deletes what Flux applies in a namespace while its controllers still run to finalize it, and then the namespace.
func deleteFluxObjects(t *testing.T, namespace string) {
	t.Helper()
	for _, kinds := range []string{"kustomizations.kustomize.toolkit.fluxcd.io,helmreleases.helm.toolkit.fluxcd.io", "gitrepositories.source.toolkit.fluxcd.io,helmcharts.source.toolkit.fluxcd.io"} {
		if _, err := shared.Kubectl(context.Background(), "", "-n", namespace, "delete", kinds, "--all", "--timeout", "120s"); err != nil {
			t.Error(err)
		}
	}
	if _, err := shared.Kubectl(context.Background(), "", "delete", "namespace", namespace, "--wait=false"); err != nil {
		t.Error(err)
	}
}

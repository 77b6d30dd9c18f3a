package render

import (
	"context"

	"github.com/assay-gitops/assay/internal/render/helm"
	"github.com/assay-gitops/assay/internal/render/kustomize"
)

// render makes objects of a unit.
func (r *run) render(ctx context.Context, u *unit) result {
	switch u.kind {
	case kustomization:
		built := kustomize.Build(ctx, u.path, kustomize.Options{
			Root: r.root, AllowNetwork: r.options.AllowNetwork, MaxFileBytes: r.maxFileBytes,
		})
		return result{objects: built.Objects, problems: built.Problems, read: built.Files}
	case chart:
		built := helm.Build(ctx, u.path, helm.Options{
			Root: r.root, MaxFileBytes: r.maxFileBytes,
			ValuesFiles: r.options.Helm.ValuesFiles, Set: r.options.Helm.Set,
			ReleaseName: r.options.Helm.ReleaseName, Namespace: r.options.Helm.Namespace,
			KubeVersion: r.options.Helm.KubeVersion, APIVersions: r.options.Helm.APIVersions,
		})
		return result{objects: built.Objects, problems: built.Problems, read: built.Files}
	}
	return r.readPlain(u)
}

// uses returns the folders of the kustomizations that one includes. One that cannot be read tells when it is built.
func (r *run) uses(dir string) []string {
	dirs, err := kustomize.References(dir)
	if err != nil {
		return nil
	}
	return dirs
}
